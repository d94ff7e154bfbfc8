"""Title and end card in a finished film: seen in their seconds and not after, heard under, kept, and told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import kept
from core.messages import Mistake
from core.settings.style import styled
from core.settings.video import ComposeSettings, FilmSettings
from core.video import assembly, drawing, publish_check, speaking, titling
from core.video.audio.speech import RATE
from core.video.compose import compose
from core.video.picture import cards, titles
from core.video.picture.cards import Card
from core.video.picture.lettering import Lettering, Look, caption_area
from core.video.picture.titles import Title
from core.video.picture.typesetting import MARKS
from core.video.render import pieces
from core.video.render.film import Film
from core.video.scene import one_alone
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard
from core.video.timeline import timeline
from tests.running import finished

LINK = "https://example.com/river"
SIZE = {"width": 270, "height": 480, "fps": 10}
PLAIN = {"voice": "none", "motion": 0.0, "transition": "fade", "transition_seconds": 0.4}
GREEN, BLUE = (20, 90, 40), (20, 40, 90)
SIZES = [(1080, 1920), (1920, 1080), (1080, 1080), (270, 480), (480, 270)]
WORDS = {
    "en": "A quiet morning in a river town, and a boat that waits",
    "zh": "江南水乡的清晨，薄雾中的乌篷船🌊",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for name, color in (("a", GREEN), ("b", BLUE)):
        Image.new("RGB", (270, 480), color).save(folder / f"{name}.png")
    return [folder / "a.png", folder / "b.png"]


def board(photos: list[Path], **film: object) -> Storyboard:
    scenes = [Scene(say="The boat waits.", picture=photos[0]), Scene(say="It leaves.", picture=photos[1])]
    settings = FilmSettings(**{"style": "neon-night", **SIZE, **PLAIN, **film})
    return Storyboard(topic="River town", film=settings, scenes=scenes).numbered()


def assembled(made: Storyboard) -> Film:
    style = styled(made.film)
    plans = drawing.plans(made, style)
    speeches, drawn = finished(speaking.spoken(made, style))[1], finished(drawing.drawn(plans))[1]
    return finished(assembly.assembled(made, style, speeches, drawn, plans))[1][0]


@dataclass
class Filmed:
    """A finished film: its path, its frames by time, its sound, and its storyboard."""

    path: Path
    times: list[float]
    frames: list[np.ndarray]
    sound: np.ndarray
    board: Storyboard

    def at(self, seconds: float) -> np.ndarray:
        return self.frames[int(np.searchsorted(self.times, seconds + 1e-3)) - 1]


def filmed(made: Storyboard, folder: Path) -> Filmed:
    import av

    path = file.write(made, folder / "storyboard.yaml")
    video = list(compose(ComposeSettings(storyboard=path, output=folder / "video.mp4")))[-1].result
    assert video is not None
    with av.open(str(video)) as opened:
        frames = [(float(one.time), one.to_ndarray(format="rgb24")) for one in opened.decode(video=0)]
    with av.open(str(video)) as opened:
        sound = np.concatenate([one.to_ndarray() for one in opened.decode(audio=0)], 1)[0]
    times, pictures = zip(*frames, strict=True)
    return Filmed(video, [*times], [*pictures], sound, made)


@pytest.fixture(scope="module")
def film(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """A film with a card before its first scene and one after its last."""
    values = {"title_shown": "card", "title_seconds": 1.5, "end_link": LINK, "end_seconds": 2.0}
    return filmed(board(photos, **values), tmp_path_factory.mktemp("film"))


def light(frame: np.ndarray) -> int:
    """How many pixels are as light as letters."""
    return int((frame.min(-1) > 200).sum())


def test_the_cards_lengthen_the_film_and_move_all_that_is_said(film: Filmed, photos: list[Path]) -> None:
    plain = board(photos)
    style = styled(plain.film)
    speech = [one.seconds for one in finished(speaking.spoken(plain, style))[1]]
    alone, when = timeline(plain, speech), timeline(plain, speech, (), 1.5, 2.0)
    assert when.starts == tuple(start + 15 for start in alone.starts) and when.frames == alone.frames + 35
    assert [when.length(at) for at in (0, 1)] == [alone.length(at) for at in (0, 1)]
    assert publish_check.streams(film.path).seconds == pytest.approx(when.seconds, abs=0.05)
    assert len(film.frames) == when.frames
    srt = film.path.with_suffix(".srt").read_text("utf-8")
    first = re.search(r"00:00:(\d\d),(\d\d\d) -->", srt)
    assert first is not None
    start = int(first[1]) + int(first[2]) / 1000
    assert start == pytest.approx(when.spoken[0] + 0.04 - 0.05, abs=0.02) and start > 1.5
    assert srt.count("-->") == 2 and "River" not in srt


def test_the_title_is_seen_from_the_first_frame_and_gone_after_its_seconds(film: Filmed) -> None:
    assert light(film.at(0)) > 300 and light(film.at(1.1)) > 300
    first = film.at(2.0)[300:360, 20:60].mean((0, 1))
    assert np.abs(first - GREEN).max() < 8 and light(film.at(1.75)) == 0, "the first scene, nothing said yet"


def test_the_code_is_read_from_the_films_own_frames(film: Filmed) -> None:
    import cv2

    last = film.at(film.times[-1])
    said, *_ = cv2.QRCodeDetector().detectAndDecode(cv2.cvtColor(last, cv2.COLOR_RGB2BGR))
    assert said == LINK
    before = film.at(film.times[-1] - 2.6)
    assert cv2.QRCodeDetector().detectAndDecode(before)[0] == ""


def test_the_music_goes_on_under_the_end_card_and_goes_out_with_it(film: Filmed) -> None:
    length = len(film.sound)
    under = film.sound[length - 2 * RATE : length - RATE]
    assert np.sqrt((under**2).mean()) > 0.003 and np.abs(film.sound[-RATE // 50 :]).max() < 0.05


def test_the_cover_shows_the_first_scene_and_no_card(film: Filmed) -> None:
    cover = np.asarray(Image.open(film.path.with_name("cover.png")).convert("RGB"))
    assert np.abs(cover[-40:, :40].mean((0, 1)) - GREEN).max() < 8


def test_another_end_card_costs_its_own_stretch_alone(film: Filmed, photos: list[Path]) -> None:
    def names(made: Storyboard) -> list[Path]:
        return [piece.path for piece in pieces.cut(assembled(made), "final")]

    def changed(**values: object) -> Storyboard:
        return film.board.model_copy(update={"film": film.board.film.model_copy(update=values)})

    known = names(film.board)
    assert all(kept.there(path) for path in known)

    def differing(**values: object) -> list[int]:
        return [at for at, pair in enumerate(zip(known, names(changed(**values)), strict=True))
                if len({*pair}) > 1]  # fmt: skip

    *_, joined, last = range(len(known))
    assert differing(end_words="Bye") == differing(end_link="other") == [joined, last]
    assert differing(end_picture=photos[0]) == [joined, last] == differing(title_look="band")[-2:]
    assert differing(title_words="Another title") == [0, 1], "the title's, and how the first scene follows it"
    assert differing(title_seconds=3.0) == [0, 1], "what only moves is kept"
    cut = {"transition": "cut"}
    one, other = names(changed(**cut)), names(changed(**cut, end_words="Bye"))
    assert [at for at, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1] == [len(one) - 1]


def test_a_title_over_the_first_scene_stays_its_seconds_and_costs_its_own(photos: list[Path]) -> None:
    from core.video.render.frames import Frames

    made = board(photos, title_words="Hello 🌊", title_seconds=1.0, captions=False)
    film, plain = assembled(made), assembled(board(photos, captions=False))
    assert film.frames == plain.frames and film.title is not None and film.title.words == "Hello 🌊"
    frames, without = Frames(film), Frames(plain)
    touched = [bool((frames(number) != without(number)).any()) for number in (0, 5, 9, 10, 30)]
    assert touched == [True, True, True, False, False]
    assert light(frames(0)) > 200 > light(frames(9)), "it fades away"
    cut, before = pieces.cut(film, "final"), pieces.cut(plain, "final")
    assert (cut[0].first, cut[0].end) == (0, 10)
    assert [one.path for one in cut[2:]] == [one.path for one in before[1:]]
    long = assembled(board(photos, title_words="Hello", title_seconds=9.0))
    assert long.title is not None and long.title.seconds <= long.shots[1].first / 10 - 0.2


def test_nothing_is_shown_unless_it_is_wanted(photos: list[Path]) -> None:
    def shown(**film: object) -> tuple[str, bool]:
        style = styled(board(photos, **film).film)
        return style.title_shown, style.end_card

    assert shown() == ("none", False) == shown(style="ink-wash")
    assert shown(title_words="Hi", end_link=LINK) == ("over", True), "who gives words wants them seen"
    assert shown(title_words="Hi", title_shown="none", end_words="Bye", end_card=False) == ("none", False)
    assert shown(end_picture=photos[0]) == ("none", True)
    assert assembled(board(photos)).title is None and len(assembled(board(photos)).shots) == 2


def test_a_preview_of_one_scene_shows_neither(photos: list[Path]) -> None:
    made = board(photos, title_words="Hello", end_link=LINK)
    film = assembled(one_alone(made, made.scenes[0]))
    assert film.title is None and len(film.shots) == 1


def test_on_the_beat_the_first_scene_and_the_end_card_come_on_one() -> None:
    made = Storyboard(film=FilmSettings(fps=10), scenes=(Scene(say="a"), Scene(say="b")))
    when = timeline(made, [1.0, 2.0], [0.7 * beat for beat in range(30)], 1.5, 2.0)
    on = {round(7 * beat) for beat in range(30)}
    assert {*when.starts, when.ends} <= on and when.starts[0] == 21 and when.frames == when.ends + 20


def within(layer: Lettering, width: int, height: int) -> bool:
    area, (rows, columns) = caption_area(width, height), layer.color.shape[:2]
    across = area.left <= layer.left and layer.left + columns <= area.right
    return across and area.top <= layer.top and layer.top + rows <= area.bottom


@pytest.mark.parametrize("kind", ["rule", "band", "frame"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_of_a_card_stands_in_the_free_area_and_no_part_over_another(
    width: int, height: int, kind: str, photos: list[Path]
) -> None:
    look = Look("serif", 60)
    for words in (*WORDS.values(), "Hi", "word " * 40):
        for link, picture in ((LINK, photos[0]), (LINK, None), ("", photos[0]), ("", None)):
            parts = cards.laid_out(Card(words, kind, look, link, picture, ends=True), width, height)
            assert len(parts) == 1 + bool(link) + bool(picture)
            assert all(within(layer, width, height) for part in parts for layer in part)
            seen = np.zeros((height, width), int)
            for part in parts:
                mine = np.zeros((height, width), bool)
                for layer in part:
                    rows, columns = layer.color.shape[:2]
                    mine[layer.top : layer.top + rows, layer.left : layer.left + columns] = True
                seen += mine
            assert seen.max() == 1
        [title] = cards.laid_out(Card(words, kind, look), width, height)
        assert within(title[-1 if kind != "rule" else 0], width, height), "its letters; a band goes across"


@pytest.mark.parametrize("place", ["top", "middle", "lower", "bottom"])
@pytest.mark.parametrize("kind", ["rule", "band", "frame"])
def test_a_title_stands_clear_of_the_captions_and_the_note(kind: str, place: str) -> None:
    from core.video.audio.speech import silent
    from core.video.picture.captions import Captions
    from core.video.picture.phrasing import phrases
    from core.video.render.frames import ai_label

    look = Look("sans", 66, "#ffffff", "#ff0000", "box", place=place)
    said = phrases(silent("Mist rises slowly over the old stone bridges.").words, look, 270, 480)
    caption = Captions(said, look, 270, 480)._drawn(0, frozenset({0}))
    label = ai_label(assembly.LABEL, 270, 480)
    assert caption is not None and label is not None
    for words in WORDS.values():
        title = titles.over(Title(words, kind, look, 2.0, noted=True), 270, 480)
        block = title[1:] if kind == "rule" else title
        for other in (caption, label):
            rows = range(other.top, other.top + other.color.shape[0])
            mine = range(min(one.top for one in block), max(one.top + len(one.color) for one in block))
            assert not {*rows} & {*mine}, (place, kind)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_letter_of_a_card_is_smaller_than_three_hundredths(width: int, height: int) -> None:
    assert titles.least_letters(width, height) >= 0.03 * min(width, height)
    area, film = caption_area(width, height), (width, height)
    for words in (*WORDS.values(), "word " * 40):
        lines, size, whole = titles.set_lines(words, Look(), area, 0.5 * (area.bottom - area.top), film)
        assert size >= 0.03 * min(film) and (whole or lines[-1][-1].endswith("…"))
        shown = "".join(word.rstrip(MARKS) for line in lines for word in line)
        assert not whole or shown == words.replace(" ", "")[:1].upper() + words.replace(" ", "")[1:]


def test_a_sentence_is_parted_at_its_commas_and_a_chinese_word_never() -> None:
    area = caption_area(1080, 1920)
    lines, *_ = titles.set_lines("喜欢就关注我们吧，每周日更新", Look("serif"), area, 700, (1080, 1920))
    assert ["".join(line) for line in lines] == ["喜欢就关注我们吧，", "每周日更新"]
    lines, *_ = titles.set_lines("江南水乡清晨里的一只乌篷船慢慢离岸", Look("sans"), area, 700, (1080, 1920))
    words = [word for line in lines for word in line]
    assert len(lines) > 1 and {"江南水乡", "清晨"} & {*words}


def test_what_has_no_room_or_no_font_is_told_and_a_picture_that_is_none_stops_it(
    photos: list[Path], tmp_path: Path
) -> None:
    made = board(photos, title_words="title " * 33, end_link=LINK, end_words="\u0378", width=64, height=64)
    told = [str(line) for line in assembly.unshown(made, styled(made.film))]
    assert told == [
        "No font here has these signs, so the film leaves them out: \u0378",
        "The title is too long for a film of 64×64 pixels, so its end is left out",
        "A film of 64×64 pixels is too small for a QR code, so it ends with the address alone",
    ]
    (tmp_path / "none.png").write_bytes(b"no picture")
    with pytest.raises(Mistake, match=r"none\.png"):
        assembly.check(
            ComposeSettings(topic="a", end_picture=tmp_path / "none.png", style="neon-night"),
            styled(made.film),
        )


def test_an_end_card_without_words_thanks_in_the_films_language(photos: list[Path]) -> None:
    english = board(photos)
    chinese = english.model_copy(update={"topic": "江南", "scenes": (Scene(say="船来了。"),)})
    said = [titling.end_words(one, styled(one.film)) for one in (english, chinese)]
    assert said == ["Thanks for watching", "谢谢观看"]
