"""What the studio writes, it reads again: every file of its own, with whatever a person may type into it."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core import files, jobs, jobstate, messages
from core.encodings import mended
from core.images import caption_table, captions, label
from core.jobstate import JobState
from core.lineage import lineage, read_lineage, write_lineage
from core.lora.engine import checkpoints, metrics
from core.lora.estimate import timings
from core.lora.proof import image_report, text_report
from core.messages import Mistake, Sentence
from core.progress import Progress
from core.project import MAX_NAME_BYTES, Home, safe_name
from core.settings.data import LabelSettings
from core.settings.reading import dump, load, make
from core.settings.style import Style
from core.settings.training import ImageTraining, TextTraining, training
from core.settings.video import ComposeSettings
from core.texts import editing
from core.texts.importing import read_file
from core.texts.samples import TextSample, read_samples, topic_of, write_samples
from core.video.audio.speech import Word
from core.video.picture.phrasing import Phrase
from core.video.picture.subtitles import srt

tried = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
SIGNS = st.sampled_from(
    [*"\"',;\t\n\r\\/=+-@#:{}[]<>&|`~%\x00\x07\x1b\x85\u2028\ufeff\ufffd\ud83d", "<think>", "\r\n"]
)
LETTERS = st.sampled_from([*string.ascii_letters, *string.digits, " ", *"中文，。“”é🦊한"])
PLAIN = st.lists(LETTERS, max_size=40).map("".join)
MISREAD = PLAIN.map(lambda said: said.encode().decode("cp1252", "ignore"))
GARBLED = PLAIN.map(lambda said: said.encode().decode("gb18030", "ignore"))
TEXT = st.one_of(
    PLAIN, MISREAD, GARBLED, st.lists(SIGNS | LETTERS, max_size=40).map("".join), st.text(max_size=40)
)


def names() -> st.SearchStrategy[str]:
    """Names that a picture may have on a disk, and a table gives back."""
    said = st.one_of(
        PLAIN, MISREAD, st.lists(LETTERS | st.sampled_from([*"\"',;=+-@'\\#(){}"]), max_size=20).map("".join)
    )
    return said.map(lambda name: f"{name[:20]}x.png").filter(
        lambda name: files.nameable(Path(name)) and name[0] != "."
    )


@tried
@given(rows=st.dictionaries(names(), TEXT, min_size=1, max_size=4))
def test_captions(rows: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("set")
    rows = {
        name: said
        for name, said in rows.items()
        if not (folder / name).exists() and not _paint(folder / name)
    }
    try:
        caption_table.write(folder / "metadata.csv", rows)
    except Mistake as garbled:
        assert " garbled" in str(garbled) and not (folder / "metadata.csv").exists()
        return
    found = captions.read_captions(folder)
    problems = [str(one) for one in found.problems if "Without a caption" not in str(one)]
    assert problems == []
    meant = {name: mended(caption_table.one_line(said)) for name, said in rows.items()}
    assert {image.path.name: image.caption for image in found.images} == meant


def _paint(path: Path) -> None:
    Image.new("RGB", (16, 16), "teal").save(path)


@tried
@given(pairs=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_text_set(pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("set")
    samples = [TextSample(topic, reply) for topic, reply in pairs]
    try:
        write_samples(folder / "train.jsonl", samples)
    except Mistake as garbled:
        assert "is garbled" in str(garbled)
        return
    once = read_file(folder / "train.jsonl")
    write_samples(folder / "train.jsonl", once)
    assert read_file(folder / "train.jsonl") == once
    assert [one.reply for one in read_samples(folder / "train.jsonl")] == [one.reply for one in once]


@tried
@given(topic=PLAIN, reply=PLAIN)
def test_plain_texts_come_back_unchanged(
    topic: str, reply: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("set") / "train.jsonl"
    reply, topic = f"a boat {reply}".strip(), " ".join(topic.split())
    write_samples(path, [TextSample(topic, reply)])
    assert [(one.topic, one.reply) for one in read_file(path)] == [(topic or topic_of(reply), reply)]


NAME = TEXT.map(lambda said: re.sub(r"[/\\\\]", "", said))  # a style brings what lies under assets


@tried
@given(data=st.data())
def test_settings_and_styles(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    for cls in (ImageTraining, TextTraining, ComposeSettings, LabelSettings, Style):
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if field.annotation is str and not field.metadata:
                values[name] = data.draw(NAME if cls is Style and name.endswith("lora") else TEXT)
            elif field.annotation == tuple[str, ...] and not field.metadata:
                values[name] = data.draw(st.lists(PLAIN, max_size=2))
        words = {"title": {"en": data.draw(PLAIN)}, "about": {"zh": data.draw(PLAIN)}}
        needed = {LabelSettings: {"pictures": "a b"}, ComposeSettings: {"topic": "a boat"}, Style: words}
        values |= needed.get(cls, {})
        chosen = make(cls, values)
        path.write_text(dump(chosen), encoding="utf-8")
        assert load(cls, path) == chosen


@tried
@given(told=st.dictionaries(PLAIN, TEXT.map(lambda said: messages.printable(said)), max_size=4))
def test_lineage(told: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    artefact = tmp_path_factory.mktemp("lora") / "a.safetensors"
    values = lineage(settings=told, pictures=list(told.values()))
    write_lineage(artefact, values)
    assert read_lineage(artefact) == values


@tried
@given(line=TEXT, number=st.integers(), loss=st.floats(allow_nan=False, allow_infinity=False))
def test_job_states(line: str, number: int, loss: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    runner = jobs.Runner(tmp_path_factory.mktemp("jobs"))
    said = Sentence("{line} {number}", line=line, number=number)
    progress = Progress("Training", 1, 2, loss=loss, text=said, result=runner.folder)
    state = JobState(
        "a", "image", str(messages.printable(line)), "done", progress, (said, "plain"), ((1, loss),)
    )
    runner._states[state.id] = state
    assert runner._kept(state)
    assert jobstate.read_state(runner.folder / "a.json") == replace(state, losses=((1, loss),))


FIGURE = st.floats(allow_nan=False, allow_infinity=False, width=32)
COUNT = st.integers(0, 10**6)
SAID = TEXT.map(lambda said: str(messages.printable(said)))  # as what goes into a proof is read


def few(what: st.SearchStrategy[Any], least: int = 1, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Tuples of it."""
    return st.lists(what, min_size=least, max_size=most).map(tuple)


IMAGE_FIGURES = st.builds(
    image_report.Figures,
    **{"step": st.none() | COUNT, "nearest": SAID, "copies": COUNT},
    **{
        name: FIGURE
        for name in ("weight", "style", "gain", "spread", "prompt", "kept", "likeness", "correlation")
    },
)
TRAITS = st.builds(
    text_report.Traits,
    **{"longest": COUNT, "passage": SAID, "copies": COUNT, "off": st.none() | FIGURE},
    **{name: FIGURE for name in ("shared", "repeated", "ended", "seconds")},
)


@tried
@given(data=st.data(), prompts=few(SAID), seeds=few(COUNT, 1, 2), figures=few(IMAGE_FIGURES, 2))
def test_proofs_of_pictures(
    data: st.DataObject,
    prompts: tuple[str, ...],
    seeds: tuple[int, ...],
    figures: tuple[image_report.Figures, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("x.proof")
    lora, base, style, likeness, correlation = (data.draw(one) for one in (SAID, SAID, *[FIGURE] * 3))
    proof = image_report.Proof(lora, base, prompts, seeds, style, likeness, correlation, figures)
    for one in figures:
        for prompt, seed in itertools.product(range(len(prompts)), seeds):
            (folder / image_report.picture_name(one.step, one.weight, prompt, seed)).write_bytes(b"jpeg")
    assert image_report.write(proof, folder) == folder / "proof.html"
    assert image_report.read(folder) == proof


@tried
@given(data=st.data(), topics=few(SAID), count=st.integers(2, 3))
def test_proofs_of_texts(
    data: st.DataObject, topics: tuple[str, ...], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("x.proof")
    replies = st.tuples(*[few(SAID)] * len(topics))
    figures = st.builds(
        text_report.Figures,
        **{"lora": st.booleans(), "step": st.none() | COUNT, "style": st.none() | FIGURE, "traits": TRAITS},
        **{"perplexity": FIGURE, "spread": FIGURE, "replies": replies},
    )
    proof = data.draw(
        st.builds(
            text_report.Proof,
            **{"lora": SAID, "base": SAID, "topics": st.just(topics), "seed": COUNT, "own_traits": TRAITS},
            **{"own": few(SAID, len(topics), len(topics)), "held_out": COUNT, "known": COUNT, "told": FIGURE},
            **{name: st.booleans() for name in ("changed", "trusted", "enough")},
            figures=few(figures, count, count),
        )
    )
    assert text_report.write(proof, folder) == folder / "proof.html"
    assert text_report.read(folder) == proof


@tried
@given(seconds=st.lists(st.integers(0, 3_599_999), min_size=2, max_size=6, unique=True))
def test_subtitles_of_a_film(seconds: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("film") / "film.srt"
    starts = sorted(seconds)
    told = [f"The boat number {letter} goes home." for letter in string.ascii_uppercase[: len(starts)]]
    shown = [
        Phrase(((Word(said, start / 1000, start / 1000 + 1),),), start / 1000, start / 1000 + 1, 60.0)
        for said, start in zip(told, starts, strict=True)
    ]
    path.write_text(srt(shown), encoding="utf-8")
    assert " ".join(one.reply for one in read_file(path)) == " ".join(told)


def test_labels_metrics_proofs_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "cache"))
    memory = label.Memory("ink", {"a 图.png": "ink, “a” fox"}, tags={"a 图.png": [("fox", "object", 0.5)]})
    label.memory_file(tmp_path / "metadata.csv").write_text(json.dumps(vars(memory)), encoding="utf-8")
    assert label.read_memory(tmp_path / "metadata.csv") == memory
    board = metrics.Logs(tmp_path, 0)
    for step, loss in ((1, 0.5), (2, math.nan), (3, 0.25)):
        board.scalars(step, {"loss": loss, "held_out_loss": loss})
    board.close()
    assert metrics.curves(tmp_path) == ([0.5, 0.25], [(1, 0.5), (3, 0.25)])
    timings.keep({"cpu | 图": 0.25})
    assert timings.known("cpu | 图") == 0.25


DEEP = b"[" * 200_000
DAMAGE = (
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'{"step": "x"}\n',
    DEEP,
    b'{"a":' * 100_000,
    b"9" * 5000,
)


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_damaged_notes_count_as_none(damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path))
    table = tmp_path / "metadata.csv"
    read: dict[Path, tuple[Callable[[], Any], Any]] = {
        label.memory_file(table): (lambda: label.read_memory(table), label.Memory()),
        tmp_path / "metrics.jsonl": (lambda: metrics.curves(tmp_path), ([], [])),
        timings.file(): (lambda: timings.known("x"), None),
        tmp_path / "set.yaml": (lambda: editing.task(tmp_path), "narration"),
    }
    for path, (ask, nothing) in read.items():
        path.write_bytes(damage)
        assert ask() == nothing, path.name
    note = tmp_path / "checkpoint" / "step-00000001.json"
    note.parent.mkdir()
    note.write_bytes(damage)
    assert checkpoints.Keeper(note.parent, {}).newest() is None


@pytest.mark.parametrize("damage", [b"", b"\x00\xff\xfe\x80", b"\x89PNG\r\n", b"file_name\n", b"PK\x03\x04"])
def test_damaged_captions_are_told_with_the_way_back(damage: bytes, tmp_path: Path) -> None:
    _paint(tmp_path / "a.png")
    path = tmp_path / "metadata.csv"
    for said in ("one", "two", "three"):
        caption_table.write(path, {"a.png": said})
    path.write_bytes(damage)
    with pytest.raises(
        Mistake, match=r"An earlier version of it is whole: press Undo .*metadata-\d+-\d+(-\d+)?\.csv over it"
    ):
        captions.read_captions(tmp_path)
    caption_table.history(path)[0].write_bytes(damage)  # the newest version is damaged as well
    assert caption_table.undo(path)
    assert captions.read_captions(tmp_path).images[0].caption == "one"
    if damage:
        assert [one.read_bytes() for one in (tmp_path / ".history").glob("damaged-*")] == [damage]
    assert not caption_table.undo(path)


@pytest.mark.parametrize("damage", [b'{"messages": [', b"\x00\xff\xfe\x80", DEEP, b'{"a": 1}\n', b"9" * 5000])
def test_a_damaged_text_set_is_told_with_the_way_back(damage: bytes, tmp_path: Path) -> None:
    versions = [[TextSample("a boat", f"The boat goes {where} today.")] for where in ("home", "away", "down")]
    for samples in versions:
        editing.save(tmp_path, samples)
    train = tmp_path / "train.jsonl"
    train.write_bytes(damage)
    with pytest.raises(
        Mistake, match=r"An earlier version of it is whole: press Undo .*train-000003\.jsonl over it"
    ):
        editing.current(tmp_path)
    editing.history(tmp_path)[-1].write_bytes(damage)
    assert editing.undo(tmp_path)
    assert [one.reply for one in editing.current(tmp_path)] == ["The boat goes home today."]
    assert (tmp_path / ".history" / "damaged-train.jsonl").read_bytes() == damage


@pytest.mark.parametrize(
    "typed",
    ["中" * 300, "🦊a" * 200, "CON", "nul", "com1", "Lpt9", "aux...", "a" * 400, "x\x00y", "e\u0301" * 100],
)
def test_every_name_makes_a_project_with_all_that_belongs_to_it(typed: str, tmp_path: Path) -> None:
    name = safe_name(typed)
    assert len(os.fsencode(name)) <= MAX_NAME_BYTES
    assert name.casefold() not in {"con", "prn", "aux", "nul", "com1", "lpt9"} and not name.endswith(".")
    project = Home(tmp_path).project(typed)
    made = project.loras() / f"lora_v1_{name}_r256_ep10000_step1000000_advised.safetensors"
    write_lineage(made, {"a": 1})
    assert project.new_run(typed).is_dir() and project.new_run(typed).is_dir()
    assert project.new_video(typed).is_dir() and project.images(typed).is_dir()
    assert [one.name for one in Home(tmp_path).projects()] == [name]


def test_training_settings_of_every_kind_are_mistakes_or_settings() -> None:
    chance = random.Random(0)
    odd: list[Any] = [
        None,
        1,
        "x",
        ["image"],
        {"a": 1},
        math.inf,
        "[" * 9000,
        10**400,
        {1: {2: [3]}},
        "\ud83d",
        True,
    ]
    for _ in range(300):
        names = chance.sample(
            [*ImageTraining.model_fields, *TextTraining.model_fields, "kind", "nonsense"], 3
        )
        values = {name: chance.choice(odd) for name in names}
        try:
            training({"kind": chance.choice(odd), **values})
        except Mistake as told:
            assert len(str(told)) < 1000
