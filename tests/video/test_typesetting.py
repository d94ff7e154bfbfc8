"""Any text in a film of any size: all of it, in letters that can be read, inside the area that is free."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.settings.style import load_style
from core.settings.video import FilmSettings
from core.video.assembly import LABEL, unshown
from core.video.audio.speech import silent, split_words
from core.video.picture.captions import Captions
from core.video.picture.cover import cover, title_lines
from core.video.picture.lettering import Lettering, Look, blend, safe_area
from core.video.picture.phrasing import phrases
from core.video.picture.subtitles import srt
from core.video.picture.typesetting import (
    BREAK,
    HYPHEN,
    MARKS,
    least_size,
    letter_size,
    line_text,
    line_width,
    parts,
    wrapped,
)
from core.video.render.frames import ai_label
from core.video.storyboard.board import Scene, Storyboard

SIZES = [(64, 64), (64, 114), (114, 64), (64, 3840), (270, 480), (480, 270), (1080, 1080), (1080, 1920),
         (1920, 1080), (2160, 2160), (2160, 3840), (2160, 1216)]  # fmt: skip
TEXTS = {
    "plain": "In the quiet river town, mist rises slowly over the old stone bridges.",
    "address": "See https://www.example.com/shop/spring-2026/very_long_path?item=12345&colour=deep-red today",
    "mail": "Write to firstname.middlename.lastname@a-rather-long-company-name.example.org",
    "german": "Die Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzgebung gilt.",
    "one letter": "A" * 200,
    "chinese": "江南小镇的清晨薄雾从河面升起老渔夫点亮了他的灯没有人在意时间慢慢地流过石桥和白墙黑瓦的老屋",
    "emoji": "🎉🎉 hello 🌊 world 👩‍👩‍👧 🎬",
    "emoji alone": "🎉 🌊",
    "mixed": "我们去 Yangtze-River-Cruise.com 看看，price ¥1299！",
    "marks": "e\u0301" * 60,
    "signs": "—" * 90 + " … " + "." * 90,
    "empty": "",
}  # fmt: skip
LOOKS = [Look("serif", 60), Look("sans", 120, back="box"), Look("hand", 32, "#101010", back="none")]


def within(text: Lettering, width: int, height: int) -> bool:
    safe, (rows, columns) = safe_area(width, height), text.color.shape[:2]
    across = safe.left <= text.left and text.left + columns <= safe.right
    return across and safe.top <= text.top and text.top + rows <= safe.bottom


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.font)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_captions_are_whole_inside_and_never_smaller_than_the_least(
    width: int, height: int, look: Look
) -> None:
    for name, text in TEXTS.items():
        words = silent(text).words
        shown = phrases(words, look, width, height)
        said = [word.text.rstrip(MARKS) for phrase in shown for word in phrase.words]
        assert "".join(said) == "".join(word.text for word in words), name
        times = [(word.start, word.end) for phrase in shown for word in phrase.words]
        assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(times))
        assert not set(srt(shown)) & set(MARKS)
        captions = Captions(shown, look, width, height)
        for at, phrase in enumerate(shown):
            assert phrase.size >= least_size(width, height) and len(phrase.lines) <= 2
            drawn = captions._drawn(at, frozenset({0}))
            assert drawn is None or within(drawn, width, height), (name, phrase.text)
        assert any(captions._drawn(at, frozenset({0})) for at in range(len(shown))) == (name != "empty")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_smallest_letters_are_a_thirtieth_of_the_shorter_side_and_eight_pixels(
    width: int, height: int
) -> None:
    least = least_size(width, height)
    assert least >= 8 and least >= 0.0296 * min(width, height)
    if height * 9 <= width * 16:
        assert least >= height / 60.01
    assert letter_size(1, width, height) == least


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_covers_title_and_the_label_have_room(width: int, height: int) -> None:
    picture = np.full((112, 64, 3), 128, np.uint8)
    for text in TEXTS.values():
        lines, size, whole = title_lines(text, LOOKS[0], width, height)
        assert size >= least_size(width, height)
        shown = "".join(word.rstrip(MARKS) for line in lines for word in line)
        title = "".join(split_words(text[:1].upper() + text[1:].rstrip(".。")))
        assert shown.removesuffix("…") == title[: len(shown.removesuffix("…"))]
        assert whole == (shown == title) and (whole or (shown.endswith("…") and len(lines) > 2))
        assert cover(picture, text, LOOKS[0], width, height).shape == (height, width, 3)
    label = ai_label(LABEL, width, height)
    assert label is not None and within(label, width, height)
    frame = np.full((height, width, 3), 128, np.uint8)
    blend(frame, label)
    assert (frame != 128).any()


def test_an_address_is_broken_at_its_signs_and_a_word_gets_a_hyphen() -> None:
    room = line_width(["example.com/"], "sans", 40) + 1
    address = parts("https://www.example.com/shop/spring_2026", "sans", 40, room)
    assert [part.rstrip(MARKS) for part in address] == [
        "https://", "www.", "example.", "com/", "shop/", "spring_", "2026",
    ]  # fmt: skip
    assert all(part.endswith(BREAK) for part in address[:-1])
    assert line_text(address[2:4]) == "example.com/" and line_text(["See", address[0]]) == "See https://"
    word = parts("Donaudampfschifffahrt", "sans", 40, room)
    assert all(part.endswith(HYPHEN) for part in word[:-1])
    assert line_text(word[:1]).endswith("-") and line_text(word) == "Donaudampfschifffahrt"
    assert parts("river", "sans", 40, room) == ["river"]


def test_a_short_word_is_rather_drawn_smaller_than_broken() -> None:
    (phrase,) = phrases(silent("Unforgettable").words, Look("sans", 110), 1080, 1920)
    assert phrase.text == "Unforgettable" and 0.75 * 110 <= phrase.size < 110


def test_what_has_no_room_ends_in_an_ellipsis() -> None:
    lines, size, whole = wrapped(["one", "two,", "three", "four", "five", "six"], "sans", 20, (90, 60), 2, 20)
    assert (size, whole) == (20, False) and len(lines) == 2
    assert lines[-1][-1].endswith("…") and not lines[-1][-1].endswith(",…")


def test_what_the_film_leaves_out_is_told_before_it_is_rendered() -> None:
    scenes = (Scene(say="Waves 🌊 \u0378 come in."),)
    small = FilmSettings(width=64, height=64)
    board = Storyboard(topic="A very long topic " * 12, film=small, scenes=scenes)
    told = [str(line) for line in unshown(board, load_style("ink-wash"))]
    assert told == [
        "No font here has these signs, so the film leaves them out: \u0378",
        "The topic is too long for a cover of 64×64 pixels, so its end is left out there",
    ]
    board = Storyboard(topic="waves", film=FilmSettings(captions=False), scenes=scenes)
    assert list(unshown(board, load_style("ink-wash"))) == []
