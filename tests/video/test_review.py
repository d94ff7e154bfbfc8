"""What is found in a finished film, and that what is offered for it mends it: real films of few pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from core.messages import Mistake
from core.settings.style import styled
from core.settings.video import ComposeSettings, FilmSettings
from core.video import posting
from core.video.compose import compose
from core.video.covering import moment
from core.video.picture.motion import moves
from core.video.places import Places
from core.video.post import finding, listening, platforms, review, wording
from core.video.post.finding import Finding
from core.video.post.review import Finished
from core.video.post.watching import Looked, Span
from core.video.render.film import LABEL_SECONDS, Film, Shot, still
from core.video.render.frames import ai_label
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard

RATE = 48_000


def pictures(folder: Path) -> tuple[Path, Path]:
    """A black picture, and one of many colours."""
    folder.mkdir(parents=True, exist_ok=True)
    black, tiles = folder / "black.png", folder / "tiles.png"
    Image.new("RGB", (108, 192)).save(black)
    colours = np.random.default_rng(0).integers(60, 255, (24, 14, 3))
    Image.fromarray(np.kron(colours, np.ones((16, 16, 1))).astype(np.uint8)).save(tiles)
    return black, tiles


def made(folder: Path, *scenes: Scene, **film: object) -> Places:
    """A film of few pixels of one's own pictures."""
    how = {"width": 108, "height": 192, "fps": 10, "voice": "none", "music": "none"} | film
    board = Storyboard(topic="tiles", film=FilmSettings(**how), pause=0.6, scenes=scenes)
    file.write(board, folder / "storyboard.yaml")
    for _ in compose(ComposeSettings(storyboard=folder / "storyboard.yaml", output=folder / "video.mp4")):
        pass
    return Places(folder / "video.mp4")


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.what.template, one.scene) for one in found]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Places:
    folder = tmp_path_factory.mktemp("faulty film 片")
    black, tiles = pictures(folder)
    return made(
        folder,
        Scene(id="moving", picture=tiles, seconds=5, say="Tiles move."),
        Scene(id="dark", picture=black, seconds=2, say="Night \u0378 falls."),
        Scene(id="long", picture=tiles, seconds=9, motion="still"),
        Scene(id="short", picture=tiles, seconds=4, motion="still"),
        caption_place="top",
        ai_label=True,
    )


def test_each_fault_is_told_with_its_scene_and_nothing_else_is(faulty: Places) -> None:
    assert said(posting.read_findings(faulty)) == [
        ("Scene {number}: the picture is black for {seconds} s", "dark"),
        ("Scene {number}: nothing moves for {seconds} s", "long"),
        ("Captions stand over the AI label at the start", "moving"),
        ("Scene {number}: no font here has these signs: {signs}", "dark"),
        ("{platforms}: the film has {rate} frames a second, {limit} at least are taken", ""),
        ("{platforms}: the film is small, {limit} pixels at least on its shorter side are taken", ""),
    ]


def test_an_action_is_a_change_of_the_storyboard_or_a_scene_to_work_on(faulty: Places) -> None:
    board = file.read(faulty.beside("storyboard.yaml"))
    dark, long, over, signs, rate, small = (one.action for one in posting.read_findings(faulty))
    assert (dark.changes, dark.scene, signs.changes, signs.scene) == (False, "dark", False, "dark")
    assert edit.place(long.done(board), "long") == 2 and long.done(board).scenes[2].motion == "auto"
    assert over.done(board).film.caption_place == "bottom"
    assert rate.done(board).film.fps == 30
    assert (small.done(board).film.width, small.done(board).film.height) == (1080, 1920)
    with pytest.raises(Mistake, match="no longer in the storyboard"):
        dark.done(edit.removed(board, "dark"))


def test_what_was_mended_is_not_told_again(faulty: Places, tmp_path: Path) -> None:
    board = file.read(faulty.beside("storyboard.yaml"))
    _, long, over, *_ = posting.read_findings(faulty)
    board = over.action.done(long.action.done(board))
    again = made(tmp_path, *board.scenes[::2], **board.film.model_dump())
    templates = {one.what.template for one in posting.read_findings(again)}
    assert not templates & {long.what.template, over.what.template}


def test_the_label_and_its_metadata_are_in_the_film(faulty: Places) -> None:
    """At least two seconds, letters of a twentieth of the shorter side, and the key AIGC (GB 45438)."""
    label = ai_label("AI生成 · AI-generated", 108, 192)
    assert label is not None
    high, wide = label.color.shape[:2]
    rows, columns = slice(label.top, label.top + high), slice(label.left, label.left + wide)
    for second in (0.0, 1.0, 2.0):
        shown = moment(faulty.video, second)[rows, columns].mean()
        assert shown < moment(faulty.video, LABEL_SECONDS + 1)[rows, columns].mean() - 20, second
    large = ai_label("AI生成", 1080, 1920)
    assert large is not None
    ink = np.flatnonzero((large.color.astype(int).sum(2) > 600).any(1))
    assert ink[-1] - ink[0] + 1 >= 0.05 * 1080
    with av.open(str(faulty.video)) as film:
        told = json.loads(film.metadata["AIGC"])
    assert told["Label"] == "1" and told["ContentProducer"] == "LoRA Studio"


def test_ones_own_music_that_is_clipped_or_silent_is_told(tmp_path: Path) -> None:
    _, tiles = pictures(tmp_path)
    now = np.arange(8 * RATE) / RATE
    wave = np.clip(2 * np.sin(2 * np.pi * 220 * now), -0.8, 0.8) * ((now < 2) | (now > 6.5))
    soundfile.write(tmp_path / "loud.wav", wave, RATE)
    places = made(tmp_path, Scene(picture=tiles, seconds=7), music_file=tmp_path / "loud.wav", fps=24)
    found = {one.what.template: one for one in posting.read_findings(places)}
    silent = found["Scene {number}: nothing is heard for {seconds} s"]
    assert 4 < float(str(silent.what.values["seconds"])) < 5
    clipped = found["Your music is clipped: it was made too loud, and crackles"]
    film = clipped.action.done(file.read(places.beside("storyboard.yaml"))).film
    assert (film.music_file, film.music) == (None, "calm")


def test_a_silent_film_is_told_where_it_is_not_by_intent(tmp_path: Path) -> None:
    _, tiles = pictures(tmp_path)
    places = made(tmp_path, Scene(picture=tiles, seconds=3), voice="auto")
    found = {one.what.template: one for one in posting.read_findings(places)}
    whole = found["Nothing is heard in the whole film"]
    assert whole.action.done(file.read(places.beside("storyboard.yaml"))).film.music == "calm"


def test_music_that_is_cut_off_is_told_from_music_that_is_loud(tmp_path: Path) -> None:
    now = np.arange(4 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * pitch * now) for pitch in (30, 60, 441, 3000)) / 4
    for name, wave, many in (
        ("clean", 0.99 * tones / np.abs(tones).max(), False),
        ("cut", np.clip(3 * tones, -0.9, 0.9), True),
        ("low cut", 0.1 * np.clip(3 * tones, -0.9, 0.9), True),
    ):
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE, subtype="PCM_16")
        assert (listening.cut_off(tmp_path / f"{name}.wav") >= review.CUT_OFF) == many, name


def plain(tmp_path: Path, measured: tuple[float, float] | None, **film: object) -> Finished:
    how = FilmSettings(voice="auto", **film)
    board = Storyboard(topic="x", film=how, scenes=[Scene(id="s1", say="Hello.", seconds=4)])
    video = tmp_path / "x.mp4"
    video.write_bytes(b"x")
    picture = still(lambda: np.zeros((1920, 1080, 3), np.uint8))
    shown = Film(
        (Shot("s1", picture, moves([("s1", "still")], 0, 0)[0], 0, 120),), None, None, 120, 1080, 1920, 30
    )
    return Finished(board, styled(how), shown, (), video, measured)


def test_what_is_too_loud_or_too_low_is_told(tmp_path: Path) -> None:
    def told(measured: tuple[float, float] | None, **film: object) -> list[dict]:
        return [dict(one.action.film) for one in review.heard(plain(tmp_path, measured, **film), ())]

    assert told((-14.0, -1.4)) == []
    assert told((-14.0, -0.2), music_volume=0.25) == [{"music_volume": 0.125}]
    assert told((-20.0, -1.4), music_volume=0.25) == [{"music_volume": 0.4}]
    assert told((-20.0, -1.4), music="none") == [{"music": "calm"}]
    assert told((-14.0, -1.4), music_volume=1.0) == [{"music_volume": 0.25}]
    assert told((-14.0, -1.4), music_volume=0.4) == []


def test_black_is_told_once_and_what_stands_still_by_intent_only_when_long(tmp_path: Path) -> None:
    one = plain(tmp_path, None)
    looked = Looked(black=(Span(0, 3.5),), frozen=(Span(0, 4),))
    assert [found.action.scene for found in review.seen(one, looked)] == ["s1"]
    still = replace(one, board=edit.changed(one.board, "s1", motion="still"))
    assert [*review.seen(still, Looked(frozen=(Span(0, 4),)))] == []
    assert [*review.seen(one, Looked(frozen=(Span(0, 4),)))]


def test_platforms_are_named_together_with_the_strictest_limit() -> None:
    film = platforms.Made(700, 1080, 1920, 30, 130_000_000)
    assert [(one.what, str(one.names), one.limit) for one in platforms.unfit(film)] == [
        ("longest", "TikTok, YouTube Shorts", 180),
        ("megabytes", "Douyin", 128),
    ]
    assert platforms.unfit(platforms.Made(30, 1080, 1920, 30, 20_000_000)) == []
    wide = platforms.Made(30, 1920, 1080, 15, 1000)
    assert [one.what for one in platforms.unfit(wide)] == ["rates", "upright"]


def test_a_chinese_film_without_its_label_is_told(tmp_path: Path) -> None:
    one = plain(tmp_path, None)
    chinese = replace(one, board=edit.changed(one.board, "s1", say="河边的早晨。"))
    [found] = review.fitting(chinese)
    assert found.action.done(chinese.board).film.ai_label
    assert [*review.fitting(replace(chinese, board=edit.filmed(chinese.board, ai_label=True)))] == []


def test_findings_of_a_report_change_nothing_else(faulty: Places) -> None:
    told = [finding.plain(one) for one in posting.read_findings(faulty)]
    assert finding.read(json.loads(json.dumps(told))) == posting.read_findings(faulty)
    told[0]["action"]["film"] = {"image_base": "/etc", "fps": 24, "music_file": "/etc/passwd"}
    assert dict(finding.read(told)[0].action.film) == {"fps": 24}
    assert finding.read([1, {}, {"what": "x", "action": {}}, None]) == []


def test_words_of_a_post_are_the_films_own_and_fit() -> None:
    english = Storyboard(
        topic="a quiet morning in a river town",
        scenes=[Scene(say="Fog first. Then the boat comes home."), Scene(say="The boat is late, as ever.")],
    )
    words = wording.words(english)
    assert words.title == "A quiet morning in a river town"
    assert words.description == "Fog first. Then the boat comes home. The boat is late, as ever."
    assert words.hashtags[:2] == ("QuietMorning", "RiverTown") and 3 <= len(words.hashtags) <= 8
    long = "江南水乡小镇清晨薄雾中缓缓驶来的一条乌篷船和船上看书的老人与他的猫"
    chinese = Storyboard(topic=long, scenes=[Scene(say="雾先来。然后是船。")])
    words = wording.words(chinese)
    assert len(words.title) == 30 and words.description == "雾先来。然后是船。"
    assert 3 <= len(words.hashtags) <= 8 and "小镇" in words.hashtags
    own = edit.named(chinese, post={"title": long, "hashtags": ("#河 边", "河边")})
    assert wording.words(own).title == long and wording.words(own).hashtags == ("河边",)
    assert [str(one)[:6] for one in wording.too_long(own)] == ["Douyin"]
