"""The result stands before anything is drawn or proved at the end; samples take a tenth of the time."""

from __future__ import annotations

import json
import shutil
import time
from itertools import pairwise

import pytest
import torch

from core import device
from core.jobs import Runner
from core.jobstate import DONE, STOPPED
from core.lineage import read_lineage
from core.lora import preflight
from core.lora.adapters import image_file
from core.lora.engine import budget, loop, sample_plan
from core.lora.engine.sample_plan import Plan
from core.lora.estimate import timings
from core.lora.image import recipe as image_recipe
from core.lora.proof import page as proof_page
from core.lora.text import recipe as text_recipe
from core.lora.text import tokens
from core.lora.train import train
from core.messages import Sentence
from tests.running import last

PICTURES = Plan(3, 20, least_area=0.25, early=True)
LAST = ("Judging", "Drawing samples", "Writing samples", "Drawing", "Writing replies")


@pytest.fixture(params=["image", "text"])
def settings(request):
    """Settings of each kind of LoRA, with held-out samples."""
    make = request.getfixturevalue(f"{request.param}_settings")
    return lambda **changes: make(**{"holdout": 0.2, "max_steps": 4, "save_steps": 2} | changes)


def lora(path):
    if path.is_dir():
        return (path / "adapter_model.safetensors").read_bytes()
    return {key: layer.delta() for key, layer in image_file.read(path).layers.items()}


def stopped_at(tmp_path, chosen, here):
    """The job's state after a stop at the first report that `here` says yes to."""
    runner, ids = Runner(tmp_path / "jobs"), []

    def job():
        for progress in train(chosen):
            if here(progress):
                runner.stop(ids[0])
            yield progress

    ids.append(runner.submit("image", "LoRA", job))
    return runner.wait(ids[0], 120)


def test_plans_leave_out_more_and_more():
    plans = list(sample_plan.smaller(PICTURES))
    assert plans == [
        PICTURES,
        Plan(1, 20, least_area=0.25, early=True),
        Plan(1, 10, least_area=0.25, early=True),
        Plan(1, 10, area=0.25, least_area=0.25, early=True),
        Plan(1, 10, area=0.25, least_area=0.25, early=False),
    ]
    assert all(
        one.steps(4, True) * one.area > other.steps(4, True) * other.area for one, other in pairwise(plans)
    )
    assert PICTURES.steps(4, base=True) == 5 * 3 * (20 + 1) and plans[-1].steps(4, base=True) == 2 * 11
    words = Plan(2, 80, together=True)
    assert [plan.length for plan in sample_plan.smaller(words)] == [80, 40] and words.steps(1) == 80
    assert sample_plan.fitting(PICTURES, lambda plan: plan.steps(1), 20).count == 1
    assert sample_plan.fitting(PICTURES, lambda plan: plan.steps(1), 5).count == 0


def test_what_is_left_out_is_named():
    changes = tuple(sample_plan.left_out(PICTURES, sample_plan.least(PICTURES)))
    said = budget.told(Sentence("The samples"), 720, 5, 0.1, changes)
    assert str(said) == (
        "The samples would take 720 s beside 5 s of training, of which all looks at it may take 10 % "
        "(look_share); so there are 1 of 3 samples; 10 drawing steps, not 20; pictures half as wide and "
        "high; samples only at the end"
    )
    assert list(sample_plan.left_out(PICTURES, Plan(0, 20))) == ["no samples"]


def test_the_result_stands_before_the_last_look_samples_and_proof(settings):
    chosen, seen = settings(prove=True), set()
    for progress in train(chosen):
        found = [path for path in chosen.output_dir.glob("lora_v*") if path.suffix != ".yaml"]
        found = [path for path in found if not path.name.endswith(".proof")]
        if progress.message in LAST and progress.result:
            seen.add(progress.message)
            assert found == [progress.result] and read_lineage(progress.result)["steps"] == 4
            assert not list((chosen.output_dir / "checkpoint").glob("*.json"))
    assert len(seen) == 3  # the look, the samples, the proof


@pytest.mark.parametrize("part", ["look", "samples", "proof"])
def test_a_stop_at_the_end_ends_that_alone(part, settings, tmp_path):
    parts = {"look": LAST[:1], "samples": LAST[1:3], "proof": LAST[3:]}[part]
    chosen = settings(prove=True)
    state = stopped_at(tmp_path, chosen, lambda progress: progress.message in parts and progress.result)
    assert state.status == DONE and state.progress.message in parts
    assert state.result and lora(state.result) and read_lineage(state.result)["steps"] == 4
    assert bool(read_lineage(state.result)["figures"]) == (part != "look")
    assert not (proof_page.folder_of(state.result) / "proof.html").exists()


def test_a_stop_at_samples_along_the_way_stops_the_training(settings, tmp_path):
    chosen = settings(sample_steps=2)
    state = stopped_at(tmp_path, chosen, lambda progress: progress.message in LAST[1:3])
    assert state.status == STOPPED and state.result is None
    notes = sorted((chosen.output_dir / "checkpoint").glob("*.json"))
    assert json.loads(notes[-1].read_text())["state"]["step"] == 2
    assert last(chosen).result.exists()


def test_samples_change_nothing_of_what_is_learnt(settings, tmp_path):
    made = [
        last(settings(samples=number, sample_steps=number, output_dir=tmp_path / f"{number}", dropout=0.2))
        for number in (0, 1)
    ]
    drawn = [list((tmp_path / name).glob("samples/*")) for name in "01"]
    assert not drawn[0]
    first, second = (lora(one.result) for one in made)
    if isinstance(first, bytes):
        assert first == second
    else:
        assert drawn[1] and all(torch.equal(second[key], delta) for key, delta in first.items())


def test_none_are_made_where_none_are_asked_for(settings):
    assert not [p for p in train(settings(samples=0, sample_steps=1)) if p.message in LAST[1:3]]


def test_samples_are_of_captions_and_topics_where_nothing_is_named(image_settings, text_settings, recipe_of):
    for make, more in ((image_settings, "sample_prompts"), (text_settings, "sample_topics")):
        counts = [recipe_of(make(samples=count, holdout=0.3)).plan.count for count in (0, 3)]
        assert counts == [0, 3]
        named = {more: ("a cat", "tea")}
        assert [recipe_of(make(samples=count, **named)).plan.count for count in (0, 1)] == [0, 2]


def test_each_part_of_the_end_shows_its_steps(settings):
    reports: dict[str, list] = {}
    for progress in train(settings(samples=2, holdout=0.4)):
        if progress.message in LAST and progress.total and not progress.text:
            reports.setdefault(progress.message, []).append(progress)
    assert len(reports) == 2
    for told in reports.values():
        assert told[-1].step <= told[-1].total and len(told) > 2
        assert any(progress.seconds_left is not None for progress in told)
    drawn = reports.get("Drawing samples")
    if drawn:  # two pictures of base and LoRA, two steps and a decoding each
        assert [(p.step, p.total) for p in drawn if not p.picture][-1] == (12, 12)


@pytest.mark.parametrize(
    ("seconds", "most", "said"),
    [(0.5, 6.5, "so there are 1 of 3 samples"), (0.5, 0.1, "so there are no samples"), (0.0, 90.0, "")],
)
def test_samples_take_no_more_than_their_share(image_settings, monkeypatch, seconds, most, said):
    """Three pictures beside their base's own, two steps and a decoding each: 18 steps; one alone takes 6."""
    monkeypatch.setattr(budget, "LEAST_SECONDS", most)
    monkeypatch.setattr(device, "wait", lambda place: time.sleep(seconds))
    chosen = image_settings(sample_prompts=("a cat", "tea", "rain"), max_steps=2)
    steps = list(train(chosen))
    lines = [p.text for p in steps if p.text and p.text.startswith("The samples would take")]
    assert [line.rpartition("; ")[2] for line in lines] == ([said] if said else [])
    assert sum(bool(p.picture) for p in steps) == {6.5: 1, 0.1: 0, 90.0: 3}[most]
    assert steps[-1].result.is_file()


@pytest.mark.parametrize("guess", [1.0, 10.0])
def test_a_guess_decides_how_the_timing_begins(guess, image_settings, recipe_of, monkeypatch):
    """One step at 32 pixels beside a base that draws at 64 times the area: a small one is timed, or none."""
    chosen = image_settings(max_steps=1, batch_size=1)
    recipe = recipe_of(chosen)
    pixels = sum(w * h for w, h in (recipe.pictures[number].size for number in recipe.numbers)) / 6
    recipe.drawing = image_recipe.Drawing((256, 256), (256, 448), (448, 256), 20, 2.0)
    assert recipe.guess(3.0) == pytest.approx(2 * 256 * 256 / pixels)
    asked, made = [], recipe.samples
    monkeypatch.setattr(recipe, "guess", lambda update: guess)
    monkeypatch.setattr(budget, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(device, "wait", lambda place: time.sleep(0.5))

    def samples(folder, step, plan):
        asked.append(plan)
        return made(folder, step, plan)

    monkeypatch.setattr(recipe, "samples", samples)
    lines = [p.text for p in loop.run(recipe, chosen, chosen.output_dir, {}) if p.text]
    assert asked == ([sample_plan.least(recipe.plan)] if guess == 1.0 else [])
    assert sample_plan.least(recipe.plan).area == 0.25
    assert any(line.endswith("so there are no samples") for line in lines)


def test_the_pre_flight_counts_the_samples_as_they_will_be(image_settings, monkeypatch):
    monkeypatch.setattr(budget, "LEAST_SECONDS", 0.0)
    chosen = image_settings(epochs=4, samples=0)
    last(chosen)
    plain = preflight.needs(chosen).seconds
    key = next(name for name in timings._all() if name.count("|") == 3)
    for pace, more in ((0.0001, True), (1e3, False)):
        values = timings._all() | {f"{key} | {timings.PACE}": pace * plain}
        timings.file().write_text(json.dumps(values))
        assert (preflight.needs(image_settings(epochs=4)).seconds > plain) == more


def test_a_text_sample_is_the_writers_own(text_settings, recipe_of, tmp_path):
    """The same rows as the writer draws by the same generators, a token at a time."""
    from core.texts.sampling import Sampling
    from core.texts.writer import Writer

    recipe = recipe_of(text_settings(sample_topics=("a boat", "the long rain of a whole winter")))
    made = list(recipe.samples(tmp_path, 0, recipe.plan))
    words = [sample.text for sample in made if sample]
    assert len(words) == 2 and 0 < made.count(None) <= text_recipe.SAMPLE_TOKENS
    writer = Writer(recipe.settings.base_model, "fp32")
    prompts = [writer._plain(tokens.prompt(writer.tokenizer, topic)) for topic in recipe.topics]
    rows = writer.sample(prompts, 1, recipe.settings.seed, Sampling(text_recipe.SAMPLE_TOKENS, 0.7, 0.9))
    assert words == [writer.tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]


def test_old_files_and_checkpoints_keep_their_meaning(image_settings, picture_folder):
    chosen = image_settings(max_steps=4, save_steps=2)
    state = iter(train(chosen))
    next(p for p in state if p.message == "Training" and p.step == 3)
    state.close()
    for note in (chosen.output_dir / "checkpoint").glob("*.json"):
        said = json.loads(note.read_text())
        assert not {"samples", "sample_steps"} & said["fingerprint"].keys()
    lines = [p.text for p in train(chosen.model_copy(update={"samples": 0})) if p.text]
    assert any(line.startswith("Continuing after step 3") for line in lines)
    shutil.rmtree(chosen.output_dir)
