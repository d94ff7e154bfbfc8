"""Compiled blocks: when a run is long enough for them, and that a run goes on where compiling fails."""

from __future__ import annotations

import pytest
import torch

from core.lora.engine import compile, loop

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("wanted", "place", "steps", "repays"),
    [
        ("auto", CPU, 10**6, False),
        ("auto", CUDA, compile.STEPS_TO_REPAY - 1, False),
        ("off", CUDA, 10**6, False),
        ("on", CPU, 1, True),
    ],
)
def test_only_a_long_run_on_cuda_is_compiled_unasked(wanted, place, steps, repays):
    assert compile.repays(wanted, place, steps) == repays


def test_unasked_it_needs_the_compiler(monkeypatch):
    for found in (None, object()):
        monkeypatch.setattr(compile.importlib.util, "find_spec", lambda name, found=found: found)
        assert compile.repays("auto", CUDA, compile.STEPS_TO_REPAY) == (found is not None)


@pytest.fixture
def broken(recipe_of, image_settings):
    """A recipe whose blocks' code can't be made, as torch.compile finds out at their first use."""

    def fails(*args, **values):
        raise RuntimeError("No working C++ compiler found\nSet TORCHDYNAMO_VERBOSE=1")

    recipe = recipe_of(image_settings(dropout=0.2, epochs=1))
    names = set(recipe.backbone._repeated_blocks)
    for module in recipe.backbone.modules():
        if type(module).__name__ in names:
            module._compiled_call_impl = fails
    return recipe


def test_a_run_whose_compiling_fails_goes_on_as_it_is_written(broken, recipe_of, tmp_path):
    plain = recipe_of(broken.settings)
    list(loop.run(plain, plain.settings, tmp_path / "plain", {}))
    lines = [p.text for p in loop.run(broken, broken.settings, tmp_path / "broken", {}) if p.text]
    said = "Compiling failed, the run goes on without it: No working C++ compiler found"
    assert lines.count(said) == 1
    ours, theirs = (one.groups()[0].parameters for one in (broken, plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert broken.uncompile() is False


def test_a_model_without_repeated_blocks_is_not_compiled(recipe_of, image_settings):
    recipe = recipe_of(image_settings(compile="on"))
    recipe.backbone._repeated_blocks = ["NoSuchBlock"]
    assert "without it: Regional compilation failed" in recipe.compile(1)
    assert compile._compiled(recipe.backbone) == [] and recipe.uncompile() is False


def test_a_sample_is_drawn_as_it_is_written(broken, tmp_path):
    held = compile._compiled(broken.backbone)
    assert held
    assert len(list(filter(None, broken.samples(tmp_path, 0, broken.plan)))) == 1
    assert compile._compiled(broken.backbone) == held
    with pytest.raises(RuntimeError, match="No working"):
        broken.loss((0,), 0)


def test_a_failure_that_is_not_the_compilers_is_no_secret(recipe_of, image_settings, tmp_path):
    recipe = recipe_of(image_settings())

    def loss(batch, epoch):
        raise RuntimeError("something else")

    recipe.loss = loss
    with pytest.raises(RuntimeError, match="something else"):
        list(loop.run(recipe, recipe.settings, tmp_path / "run", {}))
