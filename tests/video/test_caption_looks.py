"""How captions show what is being said, and where; read back from pixels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysubs2
import pytest

from core.settings.style import CAPTION_LOOKS, Style, styled
from core.settings.video import FilmSettings
from core.video.assembly import look as look_of
from core.video.audio.speech import Word, silent
from core.video.picture.captions import Captions, scaled
from core.video.picture.lettering import Look, safe_area
from core.video.picture.phrasing import in_words, phrases
from core.video.picture.subtitles import ass
from core.video.storyboard import file

SIZE = 540, 960
RED, WHITE = (255, 0, 0), (255, 255, 255)
TEXT = "Slow river, a boat waits under the bridge."
CHINESE = "清晨的小镇很安静，河面上有一层薄雾。"


def frame_at(look: Look, seconds: float, text: str = TEXT) -> np.ndarray:
    words = silent(text).words
    frame = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    Captions(phrases(words, look, *SIZE), look, *SIZE).blend(frame, seconds)
    return frame


def ink(frame: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where a colour stands: rows and columns of its pixels, [n, 2]."""
    return np.argwhere((np.abs(frame.astype(int) - color) < 12).all(-1))


def words_of(text: str) -> tuple[Word, ...]:
    return silent(text).words


PLAIN = Look("sans", 64, "#ffffff", "#ff0000", "none")


def test_filling_goes_from_left_to_right_and_never_back() -> None:
    look = replace(PLAIN, show="fill", lines=1)
    phrase = phrases(words_of("Slow river waits"), look, *SIZE)[0]
    times = np.linspace(phrase.start + 0.2, phrase.words[-1].end, 12)
    filled = [len(ink(frame_at(look, float(at), "Slow river waits"), RED)) for at in times]
    assert filled == sorted(filled) and filled[0] < 0.3 * filled[-1]
    middle = frame_at(look, float(times[6]), "Slow river waits")
    assert ink(middle, RED)[:, 1].max() <= ink(middle, WHITE)[:, 1].min() + 8
    assert len(ink(frame_at(look, float(times[-1]), "Slow river waits"), WHITE)) == 0


def test_one_word_at_a_time_stands_alone_and_pops() -> None:
    look = replace(PLAIN, show="word")
    shown = phrases(words_of(TEXT), look, *SIZE)
    assert [phrase.text for phrase in shown] == TEXT.split()
    wide = [np.ptp(ink(frame_at(look, shown[1].start + age), WHITE)[:, 1]) for age in (0.09, 0.3)]
    assert wide[0] > wide[1] * 1.03, "larger at first"


def test_a_plain_look_marks_nothing() -> None:
    for seconds in (0.3, 0.9, 1.5):
        assert len(ink(frame_at(replace(PLAIN, show="plain"), seconds), RED)) == 0
        assert len(ink(frame_at(PLAIN, seconds), RED)) > 20


@pytest.mark.parametrize("back", ["outline", "box", "bar", "none"])
@pytest.mark.parametrize("show", ["mark", "fill", "word", "plain"])
def test_each_place_is_where_it_says_and_inside_the_safe_area(back: str, show: str) -> None:
    area, middles = safe_area(*SIZE), []
    for place in ("top", "middle", "lower", "bottom"):
        look = replace(PLAIN, back=back, show=show, place=place, size=72)
        touched = np.argwhere((frame_at(look, 0.8) != 90).any(-1))
        assert touched[:, 0].min() >= area.top and touched[:, 0].max() < area.bottom
        assert touched[:, 1].min() >= area.left and touched[:, 1].max() < area.right
        middles.append(touched[:, 0].mean())
    assert middles == sorted(middles) and middles[-1] - middles[0] > 0.35 * SIZE[1]


def test_a_bar_stands_left_of_words_that_begin_at_the_left() -> None:
    frame = frame_at(replace(PLAIN, back="bar", show="plain"), 0.8)
    bar, letters = ink(frame, RED), ink(frame, WHITE)
    assert len(bar) > 50 and bar[:, 1].max() < letters[:, 1].min()


def test_chinese_is_marked_by_words() -> None:
    words = [word.text for word in in_words(words_of(CHINESE))]
    assert "".join(words) == CHINESE
    assert {"清晨", "小镇", "安静，"} <= {*words} and max(map(len, words)) <= 5
    times = [(word.start, word.end) for word in in_words(words_of(CHINESE))]
    assert times[0][0] == words_of(CHINESE)[0].start and times[-1][1] == words_of(CHINESE)[-1].end
    assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(times))


@pytest.mark.parametrize(
    "text", ["你好 world，2024年見。", "「こんにちは」世界！", "안녕하세요 여러분.", "…", "😀 好"]
)
def test_putting_signs_together_loses_none(text: str) -> None:
    before, after = words_of(text), [*in_words(words_of(text))]
    assert "".join(word.text for word in after) == "".join(word.text for word in before)


def test_there_are_eight_ready_looks_and_no_two_look_the_same() -> None:
    assert len(CAPTION_LOOKS) >= 9 and "none" in CAPTION_LOOKS
    seen = {}
    for name in CAPTION_LOOKS.keys() - {"none"}:
        style = styled(FilmSettings(style="neon-night", caption_look=name))
        look = look_of(style)
        assert {f"caption_{what}" for what in CAPTION_LOOKS[name]} <= {*Style.model_fields}
        seen[name] = frame_at(look, 0.8).tobytes()
    assert len({*seen.values()}) == len(seen)
    own = styled(FilmSettings(caption_look="pop", caption_size=40))
    assert (own.caption_size, own.caption_show) == (40, "word"), "what is asked for goes before the look"


@pytest.mark.parametrize("name", sorted(CAPTION_LOOKS.keys() - {"none"}))
def test_the_ass_file_tells_the_same_words_and_times(name: str) -> None:
    look = look_of(styled(FilmSettings(caption_look=name)))
    text = "A {curly} river \\N waits, 河水 at 5 o'clock."
    shown = phrases(words_of(text), look, *SIZE)
    read = pysubs2.SSAFile.from_string(ass(shown, look, *SIZE))
    assert len(read) == len(shown) and read.info["PlayResX"] == "540"
    for event, phrase in zip(read, shown, strict=True):
        assert event.start == pytest.approx(phrase.start * 1000, abs=10)
        said = event.plaintext.replace("（", "{").replace("）", "}").replace("⧵", "\\")
        assert said.split() == phrase.text.split()
        marks = sum(int(part.split("}")[0]) for part in event.text.split("\\k")[1:])
        assert marks == pytest.approx(100 * (phrase.words[-1].end - phrase.start), abs=len(phrase.words))


def test_scaling_keeps_the_middle() -> None:
    look = replace(PLAIN, show="word")
    captions = Captions(phrases(words_of("river"), look, *SIZE), look, *SIZE)
    text = captions._drawn(0, frozenset())
    assert text is not None
    larger = scaled(text, 1.2)
    assert larger.left + larger.color.shape[1] / 2 == pytest.approx(
        text.left + text.color.shape[1] / 2, abs=1
    )
    assert scaled(text, 1.0) is text


def test_a_films_own_setting_goes_before_its_look_and_that_before_its_style(tmp_path: Path) -> None:
    style = tmp_path / "loud.yaml"
    style.write_text("name: loud\ntitle: {en: L}\nabout: {en: x}\ncaption_size: 90\ncaption_place: top\n")
    film = f"{{style: {style}, caption_look: karaoke, caption_place: lower}}"
    (tmp_path / "storyboard.yaml").write_text(f"scenes: [{{say: Tea.}}]\nfilm: {film}\n")  # no version
    found = look_of(styled(file.read(tmp_path / "storyboard.yaml").film))
    assert (found.show, found.size, found.place) == ("fill", 76, "lower")
