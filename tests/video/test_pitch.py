"""Pitches by tiny real models: each point once, and no number that the sheet hasn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import commands
from core.messages import Mistake
from core.settings.video import WriteSettings
from core.texts.writer import Writer
from core.video.script import pitch
from core.video.script.brief import Brief, Wishes
from core.video.script.claims import invented, numbers, says
from core.video.script.language import ENGLISH
from core.video.script.product import Product, read
from core.video.script.scoring import NOTHING
from core.video.script.write import sized, write
from core.video.storyboard import file
from tests.running import finished
from tests.tiny import language_model

SHEET = """name: Steel flask
points: warm for 12 hours; no plastic inside; opens with one hand
price: $24.90
audience: hikers
"""
表 = """名称：保温杯
卖点：保温12小时；内胆不含塑料；一只手就能打开
价格：129元
人群：上班族
"""


def said_once(sheet: Product, lines: list[str]) -> None:
    for point in sheet.points:
        assert sum(says(line, point) for line in lines) == 1, point
    assert not invented("\n".join(lines), sheet.words)
    assert {value for value, _ in numbers("\n".join(lines))} <= {value for value, _ in numbers(sheet.words)}


def test_what_a_model_says_is_taken_where_it_says_the_point_and_no_more(
    pitching: tuple[Product, list[list[str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pitch, "TRUSTED", 1)
    sheet, known, base = pitching
    scenes = pitch.beats(sheet)
    asked = [Brief(at + 1, sheet.name, seconds=4, last=at + 1 == len(scenes)) for at in range(len(scenes))]
    job = pitch.written(sheet, asked, Writer(str(base), "fp32"), Wishes(seed=1))
    lines = finished(job)[1]
    said_once(sheet, lines)
    assert not [line for line, (_, *unfit) in zip(lines, known, strict=True) if line in unfit]
    plain = [beat.plain for beat in scenes]
    assert (lines[0], lines[-1]) == (plain[0], plain[-1])
    assert sum(line not in plain for line in lines) >= 2, "what the model knows is said"


def test_a_small_model_is_not_asked_what_a_product_can(
    pitching: tuple[Product, list[list[str]], Path],
) -> None:
    """It claims what the sheet doesn't: "Wool socks with a warm 12-hour lifespan."."""
    sheet, _, base = pitching
    scenes = pitch.beats(sheet)
    asked = [Brief(at + 1, sheet.name, seconds=4) for at in range(len(scenes))]
    writer = Writer(str(base), "fp32")
    job = pitch.written(sheet, asked, writer, Wishes(seed=1))
    assert finished(job)[1] == [beat.plain for beat in scenes]


def test_a_line_that_takes_the_examples_product_for_the_sheets_is_not_said() -> None:
    """The embedded model said of socks: A linen apron with no seams. Even the ladle fits."""
    sheet = Product("Wool socks", ("no seams",))
    beat = pitch.beats(sheet)[1]
    said = [
        pitch._fits(line, beat, sheet, ENGLISH, NOTHING)
        for line in ("A linen apron with no seams.", "Wool socks with no seams.")
    ]
    assert said == [False, True]


@pytest.mark.parametrize("text", [SHEET, 表])
def test_a_model_that_babbles_leaves_the_sheets_own_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "表 sheet.txt"
    path.write_text(text, encoding="utf-8")
    settings = WriteSettings(
        product=path, text_base=str(language_model(tmp_path / "llm")), voice="none", seconds=20
    )
    told, board = finished(write(settings))
    sheet = read(path)
    lines = [scene.say for scene in board.scenes]
    assert len(lines) == len(sheet.points) + 3 == sized(settings).scenes
    said_once(sheet, lines)
    assert board.topic == sheet.name and [step.text for step in told[-6:]] == lines
    assert all(scene.draw.isascii() and scene.about.startswith(sheet.name) for scene in board.scenes)


def test_a_chinese_sheet_needs_no_model_that_knows_chinese(tmp_path: Path) -> None:
    path = tmp_path / "表.txt"
    path.write_text(表, encoding="utf-8")
    told, board = finished(write(WriteSettings(product=path, voice="none", topic="新品")))
    assert [scene.say for scene in board.scenes] == [
        "保温杯，为上班族准备。",
        "保温12小时。",
        "内胆不含塑料。",
        "一只手就能打开。",
        "价格129元。",
        "喜欢的话，现在就去看看吧。",
    ]
    assert board.topic == "新品"
    assert "own words" in "".join(str(step.text) for step in told)


def test_a_price_that_a_point_says_is_said_once() -> None:
    sheet = Product("Flask", ("only $24.90 today",), "$24.90", action="Find it in the shop!")
    assert [beat.plain for beat in pitch.beats(sheet)] == [
        "Flask.",
        "Only $24.90 today.",
        "Find it in the shop!",
    ]


def test_the_command_writes_a_pitch(
    tmp_path: Path, tiny_llm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "sheet.csv", tmp_path / "board.yaml"
    path.write_text("name,points,price\nFlask,no plastic,$9\n", encoding="utf-8")
    asked = ["write", "--product", str(path), "--text-base", str(tiny_llm), "--output", str(output)]
    assert commands.run(asked, lambda _: 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Flask.", "No plastic.", "It costs $9.", "Take a closer look today.", str(output)]
    assert [scene.say for scene in file.read(output).scenes] == lines[:-1]


def test_a_sheet_that_can_not_be_used_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "表.txt"
    path.write_text("名称：マグカップ\n卖点：とても軽い", encoding="utf-8")
    with pytest.raises(Mistake, match="Japanese"):
        next(write(WriteSettings(product=path)))
    with pytest.raises(Mistake, match="no file"):
        next(write(WriteSettings(product=tmp_path / "nowhere.csv")))
