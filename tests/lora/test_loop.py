"""The loop: exact resume from any step, damaged checkpoints, the NaN guard, the course of the rate."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import islice

import pytest
import torch
from safetensors.torch import load_file

from core import device, project
from core.lineage import read_lineage
from core.lora.adapters import image_file, versions
from core.lora.engine import loop, optimizers
from core.lora.engine.checkpoints import Keeper
from core.lora.engine.recipe import Group
from core.lora.engine.seeds import order, seed
from core.lora.engine.step import Stepper, course
from core.lora.text import recipe as text_recipe
from core.lora.train import train
from core.messages import Mistake
from core.project import ROOT
from core.settings.reading import dump
from tests.running import last


def steps_of(generator, count):
    return list(
        islice((p for p in generator if p.message == "Training" and p.loss is not None and not p.text), count)
    )


def adapter(folder):
    return load_file(folder / "adapter_model.safetensors")


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"], line["lr"]) for line in lines if "lr" in line]


def test_killed_at_any_step_it_ends_at_the_same_lora(recipe_of, text_settings, tmp_path):
    """Ten random points in mid-epoch, with dropout; the recipe is the same object, put back to its start."""
    chosen = text_settings(epochs=5, save_steps=3, dropout=0.3, holdout=0.0)
    recipe = recipe_of(chosen)
    parameters = recipe.groups()[0].parameters
    start = {name: p.detach().clone() for name, p in parameters.items()}

    def put_back():
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(start[name])

    for _ in loop.run(recipe, chosen, tmp_path / "whole", {}):
        pass
    expected, curve = (
        {name: p.detach().clone() for name, p in parameters.items()},
        metrics(tmp_path / "whole"),
    )
    assert any(not torch.equal(expected[name], start[name]) for name in start)
    for kill_at in random.Random(0).sample(range(1, len(curve)), 10):
        put_back()
        folder = tmp_path / f"killed at {kill_at}"
        running = loop.run(recipe, chosen, folder, {})
        steps_of(running, kill_at)
        running.close()
        put_back()
        for _ in loop.run(recipe, chosen, folder, {}):
            pass
        assert all(torch.equal(p, expected[name]) for name, p in parameters.items()), f"killed at {kill_at}"
        assert metrics(folder) == curve


@pytest.mark.parametrize("optimizer", ["adamw", "prodigy", "adafactor"])
def test_every_optimizer_learns_and_resumes_exactly(optimizer, text_settings, tmp_path):
    """With an average of the weights and the best look kept, killed once in mid-epoch."""

    def settings(folder):
        return text_settings(
            optimizer=optimizer, epochs=6, save_steps=3, ema=0.5, holdout=0.2, validate_steps=4,
            output_dir=tmp_path / folder,
        )  # fmt: skip

    whole = list(train(settings("whole")))[-1].result
    running = train(settings("killed"))
    steps_of(running, 5)
    running.close()
    resumed = list(train(settings("killed")))
    assert any((p.text or "").startswith("Continuing after step 5") for p in resumed)
    expected, found = adapter(whole), adapter(resumed[-1].result)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    curve = [loss for _, loss, _ in metrics(tmp_path / "whole")]
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert all(tensor.any() for tensor in found.values())
    if optimizer != "prodigy":  # it needs more steps than these to find its rate
        assert curve[-1] < curve[0]


def test_an_optimizer_that_cannot_run_here_is_replaced_and_named(text_settings):
    lines = [p.text or "" for p in train(text_settings(optimizer="adamw8bit", max_steps=1))]
    replaced = any("plain AdamW is used instead" in line for line in lines)
    assert replaced != device.bitsandbytes(device.pick())


def test_a_broken_bitsandbytes_is_replaced_and_named(text_settings, tmp_path, monkeypatch):
    (tmp_path / "bitsandbytes.py").write_text("raise RuntimeError('CUDA Setup failed')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)
    group = Group(1e-3, {"x": torch.nn.Parameter(torch.zeros(2))})
    chosen = optimizers.build(text_settings(optimizer="adamw8bit"), [group], torch.device("cuda"))
    assert isinstance(chosen.optimizer, torch.optim.AdamW) and "plain AdamW is used instead" in str(
        chosen.note
    )


def test_the_average_is_that_of_the_steps(recipe_of, text_settings):
    """Each step moves it towards the newest weights, at first further: (1 + step) / (10 + step) are kept."""
    from accelerate import Accelerator

    recipe = recipe_of(text_settings(ema=0.15))
    stepper = Stepper(recipe, recipe.settings, Accelerator())
    expected = {name: p.detach().clone() for name, p in stepper.names.items()}
    for step, kept in enumerate((0.1, 0.15, 0.15)):
        stepper.update(0, recipe.epoch(0, 1)[0], step, 9)
        for name, p in stepper.names.items():
            expected[name] = kept * expected[name] + (1 - kept) * p.detach()
    last_ones = {name: p.detach().clone() for name, p in stepper.names.items()}
    for name, average in stepper.weights().items():
        torch.testing.assert_close(average, expected[name])
    with stepper.averaged():
        assert all(torch.equal(p, stepper.average[name]) for name, p in stepper.names.items())
    assert all(torch.equal(p, last_ones[name]) for name, p in stepper.names.items())
    assert any(not torch.equal(p, stepper.average[name]) for name, p in stepper.names.items())


def test_the_best_look_is_exported_and_training_ends_without_a_gain(recipe_of, text_settings, monkeypatch):
    """Held-out losses fall, then rise: the weights of the lowest are kept, and two looks later it ends."""
    looks = iter([3.0, 2.0, 2.5, 2.6, 1.0])
    chosen = text_settings(epochs=30, validate_steps=2, early_stop=2, holdout=0.2, ema=0.0)
    recipe = recipe_of(chosen)
    seen = []

    def validate(count):
        seen.append({name: p.detach().clone() for name, p in recipe.groups()[0].parameters.items()})
        recipe.figures["held_out_loss"] = next(looks)
        yield 1
        return recipe.figures

    monkeypatch.setattr(recipe, "validate", validate)
    lines = [p.text or "" for p in loop.run(recipe, chosen, chosen.output_dir, {})]
    assert len(seen) == 4
    assert any(line.startswith("Stopped after step 8: no gain") for line in lines)
    assert any(line.startswith("The weights of step 4 are kept") for line in lines)
    parameters = recipe.groups()[0].parameters
    assert all(torch.equal(p, seen[1][name]) for name, p in parameters.items())
    assert recipe.figures["held_out_loss"] == 2.0
    assert (recipe.facts.run.steps, recipe.facts.run.kept_step) == (8, 4)
    assert recipe.facts.run.planned_steps == 30 * recipe.facts.run.epoch_steps > 8


def test_a_damaged_checkpoint_gives_the_one_before(text_settings, tmp_path):
    parts = text_settings(save_steps=2, epochs=4)
    running = train(parts)
    steps_of(running, 5)
    running.close()
    checkpoint = tmp_path / "voice" / "checkpoint"
    assert sorted(p.name for p in checkpoint.glob("*.json")) == ["step-00000004.json", "step-00000005.json"]
    newest = checkpoint / "step-00000005.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100] + b"x" * 100)
    lines = [p.text for p in train(parts) if p.text]
    assert any(line.startswith("Continuing after step 4 ") for line in lines)


def test_a_checkpoint_is_on_the_disk_before_its_note(text_settings, monkeypatch):
    written = []
    monkeypatch.setattr(
        project.os, "fsync", lambda handle: written.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    steps = train(text_settings(epochs=2))
    steps_of(steps, 2)
    written.clear()
    steps.close()
    kept = [path for path in written if "/checkpoint" in path]  # not what is noted of its speed
    ends = [path.rpartition(".")[2] if ".part." in path else path.rpartition("/")[2] for path in kept]
    assert ends == ["safetensors", "checkpoint", "json", "checkpoint"]


def test_changed_settings_start_anew_and_keep_the_old_checkpoint(text_settings, tmp_path):
    running = train(text_settings(epochs=4))
    steps_of(running, 3)
    running.close()
    lines = [p.text for p in train(text_settings(epochs=4, learning_rate=0.005)) if p.text]
    assert any("learning_rate: 0.01 → 0.005" in line for line in lines)
    assert list((tmp_path / "voice" / "checkpoint-before").glob("*.safetensors"))


def test_changed_settings_and_data_are_told_and_go_on_where_asked(text_settings, text_file, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text(text_file.read_text())
    running = train(text_settings(epochs=4, train_data_path=mine))
    steps_of(running, 3)
    running.close()
    mine.write_text("\n".join(mine.read_text().splitlines()[1:]))
    lines = [
        p.text
        for p in train(
            text_settings(
                epochs=4, train_data_path=mine, learning_rate=0.005, weight_decay=0.2, resume="always"
            )
        )
        if p.text
    ]
    expected = "weight_decay: 0.01 → 0.2; 1 texts removed"
    assert any(line.endswith(f"learning_rate: 0.01 → 0.005; {expected}") for line in lines)
    assert any(line.startswith("Continuing after step 3 ") for line in lines)
    assert next(rate for step, _, rate in metrics(tmp_path / "voice") if step == 4) < 0.005
    assert not (tmp_path / "voice" / "checkpoint-before").exists()


def test_what_a_checkpoint_is_bound_to_starts_anew_even_where_going_on_is_asked(text_settings, tmp_path):
    running = train(text_settings(epochs=4))
    steps_of(running, 3)
    running.close()
    lines = [p.text for p in train(text_settings(epochs=4, lora_rank=2, resume="always")) if p.text]
    assert any(line.startswith("Starting anew") and "lora_rank: 4 → 2" in line for line in lines)
    assert list((tmp_path / "voice" / "checkpoint-before").glob("*.safetensors"))


def test_one_broken_gradient_is_passed_over_and_many_stop_the_run(text_settings, monkeypatch):
    true_loss, calls = text_recipe.TextRecipe.loss, []

    def broken(self, batch, epoch):
        calls.append(epoch)
        loss = true_loss(self, batch, epoch)
        return loss * float("nan") if len(calls) in broken_at else loss

    monkeypatch.setattr(text_recipe.TextRecipe, "loss", broken)
    broken_at = {2}
    chosen = text_settings(epochs=2)
    done = list(train(chosen))
    assert done[-1].result and all(t.isfinite().all() for t in adapter(done[-1].result).values())
    assert [loss is None for _, loss, _ in metrics(chosen.output_dir)] == [
        False,
        True,
        False,
        False,
        False,
        False,
    ]

    calls.clear()
    broken_at = set(range(4, 100))
    with pytest.raises(Mistake, match="lower learning_rate"):
        list(train(text_settings(epochs=20)))
    saved = Keeper(chosen.output_dir / "checkpoint", {}).folder
    assert all(t.isfinite().all() for p in saved.glob("*.safetensors") for t in load_file(p).values())


def test_a_step_passed_over_changes_nothing(recipe_of, text_settings):
    from accelerate import Accelerator

    recipe = recipe_of(text_settings())
    stepper = Stepper(recipe, recipe.settings, Accelerator())
    batch = recipe.epoch(0, 1)[0]
    stepper.update(0, batch, 0, 10)
    before = {name: t.clone() for name, t in stepper.tensors().items()}
    true_loss = recipe.loss
    recipe.loss = lambda batch, epoch: true_loss(batch, epoch) * float("inf")
    assert stepper.update(0, batch, 1, 10)[0].isnan()
    assert all(torch.equal(t, before[name]) for name, t in stepper.tensors().items())


def test_the_rate_follows_its_course(text_settings):
    chosen = text_settings(warmup_steps=4, lr_scheduler="cosine")
    rates = [course(chosen, step, 24) for step in range(24)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4] == 1.0
    assert rates[14] == pytest.approx(0.5) and rates[23] < 0.01
    linear = text_settings(lr_scheduler="linear")
    assert [course(linear, step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_accumulation_counts_updates(text_settings):
    chosen = text_settings(gradient_accumulation=2, epochs=3, holdout=0.0)
    last(chosen)
    assert len(metrics(chosen.output_dir)) == 6  # ten samples, eight to an update


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(image_settings, tmp_path):
    """A batch of each update on each of two processes; the last of an epoch leaves one without work."""
    one = image_settings(output_dir=tmp_path / "one", name="x", gradient_accumulation=2)
    made = last(one).result
    two = image_settings(output_dir=tmp_path / "two", name="x")
    (tmp_path / "two.yaml").write_text(dump(two), encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    train_two = [*launch, "studio.py", "train", "--config", str(tmp_path / "two.yaml")]
    done = subprocess.run(train_two, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = image_file.read(made).layers, image_file.read(tmp_path / "two" / made.name).layers
    for key, layer in first.items():
        torch.testing.assert_close(second[key].delta(), layer.delta(), rtol=1e-2, atol=1e-4)
    assert len(metrics(one.output_dir)) == 6
    for (step, loss, rate), (other_step, other_loss, other_rate) in zip(
        metrics(one.output_dir), metrics(two.output_dir), strict=True
    ):
        assert (step, rate) == (other_step, other_rate) and loss == pytest.approx(other_loss, rel=1e-4)


@pytest.mark.parametrize(("most", "passes"), [(2, 1), (8, 3)])
def test_max_steps_is_the_length_and_the_name_tells_the_passes(most, passes, text_settings):
    """Three steps make a pass: fewer than the two passes of `epochs`, and more."""
    chosen = text_settings(max_steps=most, epochs=2)
    path = last(chosen).result
    assert len(metrics(chosen.output_dir)) == most and path.name == f"lora_v1_voice_r4_ep{passes}"
    assert read_lineage(path)["steps"] == most


def test_an_early_stop_is_named_and_noted_as_it_was(text_settings, monkeypatch):
    looks = iter([3.0, 2.0, 2.5, 2.6])

    def validate(recipe, count):
        yield 1
        return {"held_out_loss": next(looks)}

    monkeypatch.setattr(text_recipe.TextRecipe, "validate", validate)
    chosen = text_settings(epochs=30, validate_steps=2, early_stop=2, keep_loras=20)
    path = last(chosen).result
    assert path.name == "lora_v1_voice_r4_ep3" and read_lineage(path)["steps"] == 8
    assert versions.along(path, chosen).keys() == {4, 8, None}
    assert [one.name for one in (chosen.output_dir / "kept").iterdir()] == [path.stem]


def test_seeds_are_spread_and_orders_repeat():
    assert len({seed(a, b) for a in range(50) for b in range(50)}) == 2500
    assert order(9, 1, 2) == order(9, 1, 2) != order(9, 1, 3)
    assert sorted(order(9, 1, 2)) == list(range(9))
