"""The music under a film: moods, a person's own file, its beats and the scenes that begin on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.messages import Mistake
from core.settings.style import MOODS, Craft, Style, load_style, styled
from core.settings.video import FilmSettings
from core.video.audio import beats, mix, music
from core.video.audio.speech import RATE
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard
from core.video.timeline import timeline

STYLE = load_style("ink-wash")


def clicks(tempo: float, seconds: float, offset: float = 0.3) -> np.ndarray:
    """A tick at each beat over soft noise, the fourth louder."""
    luck = np.random.default_rng(0)
    sound = 0.01 * luck.normal(size=round(seconds * RATE))
    tick = luck.normal(size=2400) * np.exp(-np.arange(2400) / 300)
    for number, at in enumerate(np.arange(offset, seconds - 0.1, 60 / tempo)):
        start = round(at * RATE)
        sound[start : start + 2400] += tick * (0.6 if number % 4 == 0 else 0.3)
    return sound[:, None].repeat(2, 1).astype(np.float32)


def off_beat(found: np.ndarray, tempo: float, offset: float) -> np.ndarray:
    """How many seconds each lies from the nearest true beat."""
    period = 60 / tempo
    return np.abs((found - offset + period / 2) % period - period / 2)


@pytest.mark.parametrize("tempo", [76, 100, 128, 150])
def test_beats_that_nobody_wrote_down_are_found(tempo: float) -> None:
    found = beats.found(clicks(tempo, 20))
    assert np.median(np.diff(found)) == pytest.approx(60 / tempo, rel=0.03)
    assert np.percentile(off_beat(found, tempo, 0.3), 90) < 0.04


def test_our_own_loops_are_found_where_they_were_composed() -> None:
    """Bright has a drum on each half bar; what is found agrees with the score."""
    found = beats.found(music.read(music.FOLDER / "bright.ogg"))
    tempo = music.TEMPOS["bright"]
    assert np.percentile(off_beat(found, 2 * tempo, 0), 90) < 0.06


@pytest.mark.parametrize("sound", [np.zeros((5 * RATE, 2), np.float32), np.zeros((100, 2), np.float32)])
def test_silence_and_a_moment_have_no_beats(sound: np.ndarray) -> None:
    assert len(beats.found(sound)) == 0


def test_every_mood_has_a_loop_of_whole_beats_and_a_tempo() -> None:
    assert sorted(path.stem for path in music.FOLDER.iterdir()) == sorted(MOODS) == sorted(music.TEMPOS)
    for mood in MOODS:
        loop = music.load(mood)
        assert loop is not None
        count = len(loop) / RATE * music.TEMPOS[mood] / 60
        assert count == pytest.approx(round(count), abs=0.01) and round(count) % 4 == 0
        assert (music.FOLDER / f"{mood}.ogg").stat().st_size < 500_000


def test_scenes_begin_on_the_beat() -> None:
    board = Storyboard(film=FilmSettings(fps=25), scenes=[Scene(say="a")] * 5)
    bed = music.load("bright")
    style = STYLE.model_copy(update={"music": "bright", "music_start": 1.3})
    when = timeline(board, [2.0, 3.1, 2.7, 1.9, 2.2], music.beats_of(style, None, bed, 60).tolist())
    plain = timeline(board, [2.0, 3.1, 2.7, 1.9, 2.2])
    period = 60 / music.TEMPOS["bright"]
    for start in when.starts[1:]:
        assert off_beat(np.array([start / 25]), music.TEMPOS["bright"], -1.3)[0] <= 0.5 / 25 + 1e-6
    for at in range(5):
        assert -1e-6 <= when.length(at) - plain.length(at) < period + 1 / 25


def test_slow_music_counts_half_beats_too() -> None:
    style = STYLE.model_copy(update={"music": "calm"})
    found = music.beats_of(style, None, music.load("calm"), 30)
    assert np.diff(found).max() < 0.7


@pytest.mark.parametrize("ending", ["wav", "mp3", "ogg", "flac"])
def test_a_file_of_ones_own_plays_from_its_second(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine: 曲.{ending}"
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(4 * 44_100) / 44_100)
    tone[: 2 * 44_100] = 0
    soundfile.write(path, np.stack([tone, 0 * tone], 1), 44_100)
    music.check(path)
    bed = music.bed(STYLE.model_copy(update={"music_start": 1.5}), path)
    assert bed is not None and bed.dtype == np.float32
    assert len(bed) / RATE == pytest.approx(2.5, abs=0.1)
    heard = np.flatnonzero(np.abs(bed[:, 0]) > 0.15)[0] / RATE
    assert heard == pytest.approx(0.5, abs=0.08) and np.abs(bed[:, 1]).max() < 0.05
    assert np.abs(bed[-4800:, 0]).max() > 0.15, "nothing is cut off at its end"


def test_what_is_no_music_is_one_sentence(tmp_path: Path) -> None:
    text, empty = tmp_path / "a.mp3", tmp_path / "b.wav"
    text.write_text("not a sound")
    soundfile.write(empty, np.zeros((4800, 2)), RATE)
    for path, words in ((tmp_path / "none.mp3", "There is no music"), (text, "can't be read as music")):
        with pytest.raises(Mistake, match=words):
            music.check(path)
    with pytest.raises(Mistake, match="ends before second 5"):
        music.bed(STYLE.model_copy(update={"music_start": 5.0}), empty)


def test_music_fades_as_long_as_is_asked() -> None:
    bed = np.full((10 * RATE, 2), 0.2, np.float32) * np.sin(np.arange(10 * RATE) / 20)[:, None]

    def level(fade: float, second: float) -> float:
        made = mix.mix(10.0, [], bed.astype(np.float32), 0.5, fade=fade)
        return float(
            np.abs(made[round(second * RATE) :][:4800]).max() / np.abs(made[5 * RATE :][:4800]).max()
        )

    assert level(3.0, 8.5) == pytest.approx(np.sin(np.pi / 4), abs=0.05)
    assert level(1.0, 8.5) == pytest.approx(1, abs=0.05) and level(0.0, 9.85) == pytest.approx(1, abs=0.05)


def test_a_film_may_want_its_craft_otherwise_than_its_style() -> None:
    wanted = styled(FilmSettings(style="neon-night", music="bright", caption_size=90, transition="whip"))
    style = load_style("neon-night")
    assert (wanted.music, wanted.caption_size, wanted.transition) == ("bright", 90, "whip")
    back = {name: getattr(style, name) for name in Craft.model_fields if name in Style.model_fields}
    assert wanted.model_copy(update=back) == style


def test_an_older_styles_seconds_and_an_older_films_switch_still_open(tmp_path: Path) -> None:
    words = "name: x\ntitle: {en: X}\nabout: {en: x}\n"
    (tmp_path / "style.yaml").write_text(f"{words}transition: 0.25\n", encoding="utf-8")
    style = load_style(str(tmp_path / "style.yaml"))
    assert (style.transition, style.transition_seconds) == ("fade", 0.25)
    for said, meant in (("true", None), ("false", "none"), ("bright", "bright")):
        path = tmp_path / "storyboard.yaml"
        path.write_text(f"version: 2\nfilm:\n  music: {said}\nscenes:\n- say: x\n", encoding="utf-8")
        assert file.read(path).film.music == meant
