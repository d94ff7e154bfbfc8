"""Captions by their pixels: inside the safe area, whole, in time, in the right colours."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.texts.letters import WIDE
from core.video.audio.speech import Word, silent
from core.video.picture.captions import Captions
from core.video.picture.lettering import Look, safe_area
from core.video.picture.phrasing import Phrase, phrases, shifted
from core.video.picture.subtitles import srt
from core.video.picture.typesetting import held, line_text

LONG = "In the quiet river town, mist rises slowly over the old stone bridges, and nobody minds at all."
CHINESE = "江南小镇的清晨，薄雾从河面升起，“你好”，老渔夫点亮了他的灯。"
HUGE = "Pneumonoultramicroscopicsilicovolcanoconiosis-and-then-some!"
LOOKS = [Look("serif", 60), Look("sans", 120, back="box"), Look("hand", 72, "#101010", back="none")]


def drawn_at(text: str, look: Look, width: int, height: int) -> list[np.ndarray]:
    """A mid-grey frame for each phrase, with the phrase drawn in the middle of its time."""
    shown = phrases(silent(text).words, look, width, height)
    captions = Captions(shown, look, width, height)
    frames = []
    for phrase in shown:
        frame = np.full((height, width, 3), 128, np.uint8)
        captions.blend(frame, (phrase.start + phrase.end) / 2)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("size", [(270, 480), (480, 270), (300, 300)])
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.font)
@pytest.mark.parametrize("text", [LONG, CHINESE, HUGE], ids=["long", "chinese", "huge"])
def test_nothing_reaches_out_of_the_safe_area(text: str, look: Look, size: tuple[int, int]) -> None:
    width, height = size
    safe = safe_area(width, height)
    for frame in drawn_at(text, look, width, height):
        inked = np.argwhere((frame != 128).any(2))
        assert len(inked), "something is drawn"
        (top, left), (bottom, right) = inked.min(0), inked.max(0)
        assert safe.left <= left and right < safe.right
        assert safe.top <= top and bottom < safe.bottom


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.font)
def test_no_letter_is_clipped_by_its_own_box(look: Look) -> None:
    from core.video.picture.lettering import caption_area, lettering

    area = caption_area(1080, 1920)
    block = lettering(
        [[("Ägypten", look.color), ("gjpqy|", look.accent)]], replace(look, back="none"), area, 1.0
    )
    assert block is not None
    ink = block.color.max(2) if look.color == "#ffffff" else 255 - block.keep.max(2)
    assert ink[:1].max() < 40 and ink[-1:].max() < 40 and ink[:, :1].max() < 40 and ink[:, -1:].max() < 40


def test_phrases_keep_every_word_in_order_and_two_lines_at_most() -> None:
    words = silent(LONG).words
    shown = phrases(words, LOOKS[0], 1080, 1920)
    assert [word for phrase in shown for word in phrase.words] == list(words)
    assert max(len(phrase.lines) for phrase in shown) <= 2
    for phrase, following in itertools.pairwise(shown):
        assert phrase.start < phrase.words[0].start + 0.01
        assert phrase.end <= following.start


def test_chinese_lines_never_start_with_punctuation() -> None:
    for width in (200, 270, 540):
        for phrase in phrases(silent(CHINESE).words, Look("serif", 80), width, width * 16 // 9):
            for line in phrase.text.split("\n"):
                assert WIDE.match(line) or line[0] in "“"
                assert not line.endswith("“")


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("这辆车现在只要120元，第一个月还能再减20元。", ["120元，", "20元。"]),
        ("价格只要¥1,299.00元，2024年3月5日上午10:30开始。", ["¥1,299.00元，", "2024年", "3月", "5日"]),
        ("保温12小时，容量500ml，3万人买了，约2 公斤。", ["12小时，", "3万人", "2公斤。"]),
        (
            "It weighs 12 kg, and 5 % of it ! Really ? At 3 p.m.",
            ["12 kg,", "5 %", "it !", "Really ?", "3 p.m."],
        ),
        ("大约15%的人用iPhone15Pro写代码（真的），“不错！”", []),
    ],
)
def test_a_number_and_its_unit_and_what_closes_stand_together(text: str, together: list[str]) -> None:
    words = silent(text).words
    assert [line_text(run) for run in held([word.text for word in words]) if len(run) > 1] == together
    for width, height in ((270, 480), (1080, 1920)):
        for size in (40, 64, 100):
            lines = [line for one in phrases(words, Look("sans", size), width, height)
                     for line in one.text.split("\n")]  # fmt: skip
            for whole in together:
                assert any(whole in line for line in lines), (size, whole, lines)


HAN = st.text("我们买了很多的书去看", min_size=1, max_size=6)
WHOLE = st.sampled_from(
    ["12元", "¥1,299元", "2024年", "3.5kg", "15%", "ChatGPT", "iPhone15", "（真的）", "“好”"]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(HAN, WHOLE, st.sampled_from(["", "，", "。", "！", "……"])), min_size=1, max_size=5))
def test_no_line_parts_a_number_or_a_word_begins_with_what_closes_or_ends_with_what_opens(
    said: list[tuple[str, str, str]],
) -> None:
    shown = phrases(silent("".join(map("".join, said))).words, Look("sans", 64), 1080, 1920)
    lines = [line for phrase in shown for line in phrase.text.split("\n")]
    for whole in {whole for _, whole, _ in said if whole[0] not in "（“"}:
        assert sum(line.count(whole) for line in lines) == "".join(lines).count(whole), lines
    assert not [line for line in lines if line[0] in "）”，。！…%" or line[-1] in "（“¥"], lines


def test_the_spoken_word_has_the_accent_colour() -> None:
    look = Look("sans", 64, "#ffffff", "#ff0000", "none")
    (phrase,) = phrases(silent("slow river").words, look, 540, 960)
    captions = Captions([phrase], look, 540, 960)
    middles = []
    for word in phrase.words:
        frame = np.zeros((960, 540, 3), np.uint8)
        captions.blend(frame, word.start + 0.15)
        red = np.argwhere((frame[..., 0] > 200) & (frame[..., 1] < 60))
        middles.append(red[:, 1].mean())
    assert middles[0] < 270 < middles[1]


def test_srt_times_are_the_phrases_own() -> None:
    shown = [shifted(phrase, 61.5) for phrase in phrases(silent("slow river").words, LOOKS[0], 1080, 1920)]
    number, times, text = srt(shown).strip().split("\n")
    assert (number, text) == ("1", "slow river")
    assert times.startswith("00:01:01,500") and " --> 00:01:0" in times


def test_srt_is_plain_text_cue_by_cue() -> None:
    said = [("{a} <b>", 0.0004, 59.9996), ("你好，", 3599.9996, 36_000.5)]
    shown = [Phrase(((Word(text, start, end),),), start, end, 40) for text, start, end in said]
    assert srt(shown) == (
        "1\n00:00:00,000 --> 00:01:00,000\n{a} <b>\n\n2\n01:00:00,000 --> 10:00:00,500\n你好，\n"
    )
    assert srt([]) == ""


def test_words_join_with_spaces_and_chinese_without() -> None:
    assert line_text(["你", "好，", "world", "again"]) == "你好，world again"
