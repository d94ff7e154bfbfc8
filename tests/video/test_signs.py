"""Emoji and rare signs: which font draws each, read from pixels; several characters may be one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from core.project import ROOT
from core.settings.style import load_style
from core.settings.video import FilmSettings
from core.video.assembly import LABEL, unshown
from core.video.audio.speech import silent
from core.video.picture import signs
from core.video.picture.captions import Captions
from core.video.picture.cover import cover
from core.video.picture.lettering import Area, Look, lettering
from core.video.picture.phrasing import phrases
from core.video.picture.typesetting import MARKS, line_width, parts
from core.video.render import pieces
from core.video.render.film import Film
from core.video.render.frames import ai_label
from core.video.storyboard.board import Scene, Storyboard

TOGETHER = {
    "a family": "👩‍👩‍👧", "a job": "👩🏽‍🚀", "a bear": "🐻‍❄️", "a flag": "🇨🇳", "a part's flag": "🏴󠁧󠁢󠁥󠁮󠁧󠁿", 
    "a key": "1️⃣", "a key without its mark": "1⃣", "a turn": "🏃‍♀️‍➡️",
}  # fmt: skip
REDUCED = {"👍🏿": "👍", "🤷🏻‍♂️": "🤷", "❤️": "❤", "🧑‍🎄‍🎉": "🧑‍🎄", "🏴\U000e0061\U000e007f": "🏴"}


def ink(text: str, font: str = "sans", size: float = 64) -> np.ndarray:
    """How much of each pixel a text covers, its surroundings cut away."""
    look = Look(font, size, "#ffffff", back="none")
    drawn = lettering([[(text, "#ffffff")]], look, Area(0, 0, 900, 200), 0.5)
    assert drawn is not None, text
    light = drawn.color[..., 0]
    rows, columns = np.nonzero(light > 128)
    return light[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def alone(sign: str, size: float = 64) -> np.ndarray:
    """A sign as the emoji font itself draws it."""
    mask = ImageFont.truetype(ROOT / "assets" / "fonts" / "emoji.woff2", size).getmask(sign)
    light = np.asarray(mask, np.uint8).reshape(mask.size[::-1])
    rows, columns = np.nonzero(light > 128)
    return light[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


@pytest.mark.parametrize("font", signs.NAMES)
@pytest.mark.parametrize("sign", ["🎉", "🌊", "🫨", "😀"])
def test_an_emoji_is_drawn_as_the_emoji_font_has_it(sign: str, font: str) -> None:
    assert np.abs(ink(sign, font).astype(int) - alone(sign)).mean() < 6
    assert signs.missing(sign, font) == ""


@pytest.mark.parametrize("sign", TOGETHER.values(), ids=TOGETHER)
def test_what_several_characters_make_up_is_one_sign_and_no_wider_than_one(sign: str) -> None:
    assert signs.signs(f"a{sign}b") == ["a", sign, "b"]
    [(drawn, face)] = signs.runs(sign, "sans")
    assert (len(drawn), face) == (1, signs.EMOJI)
    assert line_width([sign], "sans", 64) <= 1.01 * line_width(["🎉"], "sans", 64)
    one = ink(sign)
    assert one.shape[1] < 64 * 1.3 and (one > 128).mean() > 0.1
    first = signs.signs(sign)[0][0]
    assert not first.isdigit() or one.shape != ink(first).shape


@pytest.mark.parametrize(("sign", "base"), REDUCED.items())
def test_what_no_font_has_as_one_is_the_first_sign_in_it(sign: str, base: str) -> None:
    assert signs.runs(sign, "sans") == signs.runs(base, "sans") != ()
    assert np.array_equal(ink(sign), ink(base))


def test_a_flag_of_no_land_is_its_letters_and_two_flags_stay_apart() -> None:
    assert signs.runs("🇽🇽", "serif") == (("XX", "serif.ttf"),)
    assert signs.signs("🇨🇳🇩🇪") == ["🇨🇳", "🇩🇪"]


def test_a_sign_may_be_letter_or_picture_and_says_so() -> None:
    assert signs.runs("©", "sans") == (("©", "sans.ttf"),)
    assert signs.runs("©️", "sans") == (("©", signs.EMOJI),)
    assert signs.runs("1", "sans") == (("1", "sans.ttf"),)
    assert signs.runs("e\u0301", "sans") == (("e\u0301", "sans.ttf"),)


def test_letters_that_a_font_lacks_come_from_another_of_the_studios() -> None:
    assert signs.runs("Ж", "hand") == (("Ж", "sans.ttf"),)
    assert signs.borrowed("Ж", "hand") == ["sans.ttf"] and signs.borrowed("Ж 江", "sans") == []


def test_what_the_studio_lacks_comes_from_this_machines_fonts_else_is_told(monkeypatch) -> None:
    rare, none = "\u2135", "\u0378"
    theirs = signs.system_faces()
    assert all(name == str(name) and "lastresort" not in name.lower() for name in theirs)
    found = any(signs._has(face, rare) for face in theirs)
    assert (signs.missing(rare, "sans") == "") == found
    if found:
        [(_, face)] = signs.runs(rare, "sans")
        assert face in theirs and (ink(rare) > 128).mean() > 0.1
    assert signs.missing(f"hello 🌊 {none}{none} wörld, 江南 👩‍👧 e\u0301", "sans") == none


def test_a_word_of_emoji_is_never_cut_within_one() -> None:
    family, flags = "👩‍👩‍👧", "🇨🇳🇩🇪🇫🇷"
    room = line_width([family * 2], "sans", 40)
    cut = [part.rstrip(MARKS) for part in parts(f"{family * 5}{flags}👍🏽👍🏽e\u0301", "sans", 40, room)]
    assert len(cut) > 2 and "".join(cut) == f"{family * 5}{flags}👍🏽👍🏽e\u0301"
    assert [one for part in cut for one in signs.signs(part)] == signs.signs("".join(cut))
    assert not any(part[0] in "\u200d\u0301🏽" for part in cut)


def test_captions_cover_and_label_all_draw_them() -> None:
    look, size = Look("serif", 64, back="none"), (540, 960)
    with_sign, without = (
        np.full((960, 540, 3), 90, np.uint8),
        np.full((960, 540, 3), 90, np.uint8),
    )
    for frame, text in ((with_sign, "🎉"), (without, "")):
        Captions(phrases(silent(text).words, look, *size), look, *size).blend(frame, 0.3)
    assert (with_sign != without).sum() > 500
    grey = np.full((960, 540, 3), 128, np.uint8)
    assert (cover(grey, "Waves 🌊", look, *size) != cover(grey, "Waves", look, *size)).sum() > 500
    plain, more = ai_label(LABEL, *size), ai_label(f"{LABEL} 🤖", *size)
    assert plain is not None and more is not None and not np.array_equal(plain.color, more.color)


def test_only_what_no_font_has_is_told() -> None:
    board = Storyboard(topic="waves 🌊", film=FilmSettings(), scenes=(Scene(say="Look 👩‍👩‍👧 🎬!"),))
    assert list(unshown(board, load_style("ink-wash"))) == []


def test_a_caption_of_borrowed_signs_is_told_by_whose_they_are() -> None:
    """A machine with other fonts draws another picture, so it is another piece of film."""

    def named(text: str) -> object:
        look = Look("sans", 64)
        shown = Captions(phrases(silent(text).words, look, 540, 960), look, 540, 960)
        return pieces._captions(Film((), shown, None, 30, 540, 960, 30), 0, 30)

    assert "emoji.woff2" in str(named("Waves 🌊")) and "woff2" not in str(named("Waves 江"))
