"""Held-out judging, samples and proof keep together to their share of a training's time."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from core.lora.adapters import image_file
from core.lora.engine import budget, judging, loop
from core.lora.engine.judging import Plan
from core.lora.image import recipe as image_recipe
from core.lora.proof import image as image_proof
from core.lora.proof import page as proof_page
from core.lora.proof import text as text_proof
from core.lora.text import recipe as text_recipe
from core.lora.train import train
from core.messages import Sentence
from tests.running import last

RECIPES = {"image": image_recipe.ImageRecipe, "text": text_recipe.TextRecipe}
SLOW = 0.2  # seconds to judge a sample


@pytest.fixture(params=["image", "text"])
def kind(request):
    return request.param


@pytest.fixture
def settings(kind, request):
    """Settings of each kind of LoRA, of which five samples are held out and three are much for a look."""
    request.getfixturevalue("monkeypatch").setattr(judging, "LEAST", 2)
    make = request.getfixturevalue(f"{kind}_settings")
    return lambda **changes: make(**{"holdout": 0.5, "max_steps": 12, "samples": 0} | changes)


class Clock:
    """Stands for `time` in judging, as its tests can't wait for a clock that others' work slows down."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def slow(kind, monkeypatch):
    """Steps of two seconds, a fifth of one to judge a sample: how many each look took, the base's too."""
    judged, clock, own, update = [], Clock(), RECIPES[kind].validate, loop.Run._update

    def validate(recipe, count):
        judged.append(recipe.judged(count))
        clock.now += SLOW * judged[-1]
        return (yield from own(recipe, count))

    def timed(run, *arguments):
        update(run, *arguments)
        run.update_seconds = 2.0 * run.updates

    monkeypatch.setattr(judging, "time", clock)
    monkeypatch.setattr(RECIPES[kind], "validate", validate)
    monkeypatch.setattr(loop.Run, "_update", timed)
    return judged


def looked(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["held_out_loss"]) for line in lines if "held_out_loss" in line]


def test_plans_leave_out_samples_and_looks_by_turns():
    asked, total = Plan(10, 40), 100
    plans = list(judging.smaller(asked, total))
    assert plans == [
        Plan(10, 40), Plan(10, 20), Plan(20, 20), Plan(20, 10), Plan(40, 10), Plan(40, 5), Plan(80, 5),
        Plan(80, 4), Plan(100, 4),
    ]  # fmt: skip
    assert all(one.seconds(1, 10, total) > other.seconds(1, 10, total) for one, other in pairwise(plans))
    assert asked.looks(0, total) == 10 and asked.seconds(0.5, 0, total) == 0.5 * 40 * 11
    assert plans[-1].looks(10, total) == 1
    assert judging.fitting(asked, 1.0, 100, 10, total) == Plan(20, 10)
    assert judging.fitting(asked, 1e9, 100, 10, total) == plans[-1]
    assert list(judging.smaller(Plan(5, 3), 5)) == [Plan(5, 3)]
    assert list(judging.left_out(asked, Plan(40, 10), total)) == [
        "10 of 40 held-out samples",
        "4 looks, not 10",
    ]


def test_there_is_a_share_and_a_little_always(monkeypatch):
    monkeypatch.setattr(budget, "LEAST_SECONDS", 5.0)
    assert [budget.allowed(seconds, 0.1) for seconds in (7.0, 600.0)] == [5.0, 60.0]
    assert budget.allowed(7.0, 0) == float("inf")


def test_slow_looks_become_fewer_and_the_first_and_the_last_stay(settings, slow, monkeypatch):
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    chosen = settings(look_share=0.01)
    lines = [str(p.text) for p in train(chosen) if p.text]
    assert [step for step, _ in looked(chosen.output_dir)] == [2, 12]
    assert slow == [4, 2]  # two samples, by the base as well at first
    said = [line for line in lines if line.startswith("Judging by held-out samples would take")]
    assert len(said) == 1 and "2 looks, not 6" in said[0] and "held-out samples;" in said[0]
    assert any(" min left, at most " in line and "with all looks" in line for line in lines)


def test_who_asks_for_more_gets_it(settings, slow, monkeypatch):
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    chosen = settings(look_share=0, validate_steps=3)
    lines = [str(p.text) for p in train(chosen) if p.text]
    assert [step for step, _ in looked(chosen.output_dir)] == [3, 6, 9, 12]
    assert len(slow) == 4 and slow[0] == 2 * slow[1] > 4
    assert not any("would take" in line for line in lines)


def test_looks_take_their_share_and_no_more(settings, slow, monkeypatch):
    """A tenth of 40 seconds: 20 judged samples; all looks at all samples would be 33 or 55."""
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    chosen = settings(max_steps=20)
    last(chosen)
    assert [step for step, _ in looked(chosen.output_dir)] == [2, 4, 8, 12, 16, 20]
    assert 2.0 < SLOW * sum(slow) <= 4.0


def lora(path):
    if path.is_dir():
        return (path / "adapter_model.safetensors").read_bytes()
    return (
        torch.cat([layer.delta().flatten() for layer in image_file.read(path).layers.values()])
        .numpy()
        .tobytes()
    )


@pytest.mark.parametrize("at", [1, 2, 4, 7])
def test_a_run_that_goes_on_looks_at_the_same_steps(at, settings, slow, monkeypatch, tmp_path):
    """Settled once, then read from the checkpoint: the machine may be quick or slow by then."""
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    plans = iter([Plan(4, 2), Plan(4, 2), Plan(2, 3)])

    def fitting(asked, sample, most, step, total):
        return next(plans) if step else asked  # the pre-flight asks from step 0 on

    monkeypatch.setattr(judging, "fitting", fitting)
    whole = settings(output_dir=tmp_path / "whole", ema=0.5)
    expected = last(whole).result
    stopped = settings(output_dir=tmp_path / "stopped", ema=0.5)
    running = train(stopped)
    next(p for p in running if p.message == "Training" and p.step == at and p.loss is not None)
    running.close()  # at 2 and 4 before the look that is due there
    result = last(stopped).result
    assert looked(stopped.output_dir) == looked(whole.output_dir)
    assert [step for step, _ in looked(whole.output_dir)] == [2, 4, 8, 12]
    assert lora(result) == lora(expected)


def test_early_stop_and_the_best_look_go_by_the_looks_there_are(recipe_of, text_settings, monkeypatch):
    """Every fourth step instead of every second: two looks without a gain end it at 12, and 4 is kept."""
    monkeypatch.setattr(judging, "fitting", lambda *arguments: Plan(4, 2))
    looks = iter([3.0, 2.0, 2.5, 2.6, 1.0])
    chosen = text_settings(epochs=30, validate_steps=2, early_stop=2, holdout=0.2, samples=0)
    recipe = recipe_of(chosen)

    def validate(count):
        recipe.figures["held_out_loss"] = next(looks)
        yield 1
        return recipe.figures

    monkeypatch.setattr(recipe, "validate", validate)
    lines = [p.text or "" for p in loop.run(recipe, chosen, chosen.output_dir, {})]
    assert any(line.startswith("Stopped after step 12: no gain") for line in lines)
    assert any(line.startswith("The weights of step 4 are kept") for line in lines)


def test_judging_leaves_something_for_samples_and_proof(settings, slow, monkeypatch):
    """Of a budget of six seconds judging gets two where samples and a proof are to come."""
    monkeypatch.setattr(budget, "LEAST_SECONDS", 6.0)
    most, own = [], judging.fitting

    def fitting(asked, sample, room, step, total):
        most.append(room)
        return own(asked, sample, room, step, total)

    monkeypatch.setattr(judging, "fitting", fitting)
    last(settings(samples=1, prove=True, max_steps=2))
    assert 1.0 < most[0] <= 2.0


def test_a_proof_keeps_to_what_is_left(settings, monkeypatch, kind):
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    chosen = settings(prove=True, keep_loras=1, save_steps=4)
    reports = list(train(chosen))
    said = [str(p.text) for p in reports if p.text and str(p.text).startswith("The proof would take")]
    few = {"image": " pictures, not ", "text": " replies, not "}[kind]
    assert len(said) == 1 and few in said[0]
    proof = {"image": image_proof, "text": text_proof}[kind]
    found = json.loads((proof_page.folder_of(reports[-1].result) / "proof.json").read_text())
    assert len(found["figures"]) == 2  # the base and the finished LoRA
    assert len(found.get("prompts") or found["topics"]) == {"image": 1, "text": 3}[kind]
    assert proof._fewer and isinstance(reports[-1].text, Sentence)
