"""What of a finished film should be mended before it is posted: each with its scene and what mends it.

Works on the film as it was put together, on its storyboard, and on the file; changes nothing. What is so by
intent is no fault: a still scene that is not long, a film without voice and music.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.messages import Sentence
from core.progress import Progress
from core.settings.style import Style
from core.texts.letters import language_of_letters
from core.video.audio import mix
from core.video.picture import own
from core.video.picture.lettering import Lettering, safe_area
from core.video.picture.phrasing import Phrase
from core.video.picture.signs import missing
from core.video.post import listening, platforms, watching
from core.video.post.finding import Action, Finding
from core.video.post.platforms import Made
from core.video.post.watching import Looked, Span
from core.video.render.film import LABEL_SECONDS, Film
from core.video.render.frames import ai_label
from core.video.storyboard.board import Scene, Storyboard

BLACK, FROZEN, STILL, SILENT = (
    0.4,
    3.0,
    8.0,
    3.0,
)  # seconds from which on it is told; STILL: by intent
PEAK = -1.0  # dBTP
OFF = 1.5  # LU that the loudness may be off
APART = 15.0  # decibels of the music below the voice
CUT_OFF = 20  # tops of a sound
USUAL_MUSIC, USUAL_VOLUME, USUAL_MOTION = "calm", 0.25, 0.08

UNFIT = {  # what is told of a film that platforms don't take
    "longest": Sentence("{platforms}: the film has {seconds} s, {limit} s at most are taken"),
    "shortest": Sentence("{platforms}: the film has {seconds} s, {limit} s at least are taken"),
    "megabytes": Sentence("{platforms}: the file has {size} MB, {limit} MB at most are taken"),
    "rates": Sentence("{platforms}: the film has {rate} frames a second, {limit} at least are taken"),
    "least_side": Sentence(
        "{platforms}: the film is small, {limit} pixels at least on its shorter side are taken"
    ),
    "upright": Sentence("{platforms}: the film is wide, upright and square ones alone are taken"),
}


@dataclass(frozen=True)
class Finished:
    """A film as it was made: its storyboard and style, what was put together of them, and the file.

    measured: LUFS and dBTP, None for a silent film.
    """

    board: Storyboard
    style: Style
    film: Film
    phrases: Sequence[Phrase]
    video: Path
    measured: tuple[float, float] | None

    @property
    def starts(self) -> list[float]:
        """Seconds at which the scenes begin."""
        return [shot.first / self.film.fps for shot in self.film.scenes]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """From which second to which each scene lasts; title and end card are none."""
        return list(itertools.pairwise([*self.starts, self.film.scenes[-1].end / self.film.fps]))

    def at(self, second: float) -> int:
        """The scene, counted from 0, that a second is in."""
        return max(0, bisect.bisect_right(self.starts, second + 1e-6) - 1)

    def parts(self, span: Span, least: float) -> Iterator[tuple[int, Span]]:
        """The parts of a span in each scene, where they last so long at least."""
        for at, (start, end) in enumerate(self.spans):
            part = span.within(start, end)
            if part.seconds >= least:
                yield at, part

    @property
    def has_music(self) -> bool:
        """Whether music plays under it."""
        chosen = self.board.film.music_file is not None or self.style.music != "none"
        return chosen and self.style.music_volume > 0


def findings(made: Finished) -> Generator[Progress, None, list[Finding]]:
    """Looks through the film and listens to it; what was found, worst first."""
    yield Progress("Looking through the film", result=made.video)
    drawn = texts(made.film)
    looked = yield from watching.look(made.video, made.starts, hidden(drawn, made.film.height))
    silent = listening.silence(made.video, SILENT)
    checks = (seen(made, looked), heard(made, silent), sounds(made), lettered(made, drawn), fitting(made))
    return [one for found in checks for one in found]


def texts(film: Film) -> dict[int, Lettering]:
    """The captions' phrases by their number, as they are drawn; -1: the label."""
    drawn = dict[int, Lettering | None]()
    if film.captions is not None:
        drawn = {at: film.captions.text(at) for at in range(len(film.captions.shown))}
    if film.label:
        drawn[-1] = ai_label(film.label, film.width, film.height)
    return {at: text for at, text in drawn.items() if text is not None}


def hidden(drawn: Mapping[int, Lettering], height: int) -> list[tuple[float, float]]:
    """Shares of the film's height where something is written."""
    return sorted({(text.top / height, (text.top + len(text.color)) / height) for text in drawn.values()})


def seen(made: Finished, looked: Looked) -> Iterator[Finding]:
    """Where the picture is black, or stands still longer than it should."""
    scenes = made.board.scenes
    for span in looked.black:
        for at, part in made.parts(span, BLACK):
            yield _of(
                made, at, Sentence("Scene {number}: the picture is black for {seconds} s", **_how(at, part))
            )
    for span in looked.frozen:
        for at, part in made.parts(span, FROZEN):
            meant = scenes[at].motion == "still" or not made.style.motion
            if part.seconds < (STILL if meant else FROZEN) or _dark(looked, part):
                continue
            what = Sentence("Scene {number}: nothing moves for {seconds} s", **_how(at, part))
            yield Finding(what, _moving(made, at, meant), scenes[at].id)


def _how(at: int, part: Span) -> dict[str, Any]:
    return {"number": at + 1, "seconds": f"{part.seconds:.1f}"}


def _dark(looked: Looked, part: Span) -> bool:
    return any(one.within(part.start, part.end).seconds > part.seconds / 2 for one in looked.black)


def _moving(made: Finished, at: int, meant: bool) -> Action:
    """What sets a still picture in motion; a clip, or a picture on which no motion is seen, is looked at."""
    scene = made.board.scenes[at]
    if not meant or (scene.picture is not None and own.is_clip(scene.picture)):
        return opened(made.board, at)
    text = Sentence("Let the camera move over scene {number}", number=at + 1)
    fields = {"motion": "auto"} if scene.motion == "still" else {}
    return Action(text, scene.id, {} if made.style.motion else {"motion": USUAL_MOTION}, fields)


def opened(board: Storyboard, at: int) -> Action:
    """The scene `at`, counted from 0, to be worked on."""
    return Action(Sentence("Open scene {number}", number=at + 1), board.scenes[at].id)


def _of(made: Finished, at: int, what: Sentence) -> Finding:
    return Finding(what, opened(made.board, at), made.board.scenes[at].id)


def heard(made: Finished, silent: Sequence[Span]) -> Iterator[Finding]:
    """Where nothing is heard, and what is too loud or too low."""
    speaks = any(speaking(scene, made.board) for scene in made.board.scenes)
    voiceless = made.board.film.voice == "none" and not speaks
    if not (voiceless and not made.has_music):
        if made.measured is None:
            yield Finding(Sentence("Nothing is heard in the whole film"), _music(made))
        else:
            for span in silent:
                at = made.at((span.start + span.end) / 2)
                what = Sentence("Scene {number}: nothing is heard for {seconds} s", **_how(at, span))
                yield Finding(what, _music(made), made.board.scenes[at].id)
    if made.measured is None:
        return
    loudness, peak = made.measured
    if peak > PEAK:
        what = Sentence(
            "The sound's peaks reach {peak} dBTP and may crackle; -1 is the most", peak=f"{peak:.1f}"
        )
        yield Finding(what, _lower(made) if made.has_music else opened(made.board, 0))
    if abs(loudness - mix.LOUDNESS) > OFF:
        what = Sentence(
            "The film's loudness is {loudness} LUFS; platforms level to {usual}",
            loudness=f"{loudness:.1f}",
            usual=f"{mix.LOUDNESS:.0f}",
        )
        yield Finding(what, _lower(made) if loudness > mix.LOUDNESS and made.has_music else _music(made))
    volume = made.style.music_volume
    if speaks and made.has_music and (apart := -mix.DUCK - 20 * math.log10(volume)) < APART:
        what = Sentence(
            "The music is only {decibels} dB below the voice; words are hard to make out",
            decibels=f"{apart:.0f}",
        )
        yield Finding(what, _lower(made))


def speaking(scene: Scene, board: Storyboard) -> bool:
    """Whether a scene's words are said."""
    return bool(scene.say.strip()) and (scene.voice or board.film.voice) != "none"


def _music(made: Finished) -> Action:
    """Music where there is none; the studio's in place of one's own that is silent; else it louder."""
    film, style = made.board.film, made.style
    mood = style.music if style.music != "none" else USUAL_MUSIC
    if film.music_file is not None:
        return Action(
            Sentence("Play the studio's music instead of yours"), film={"music_file": None, "music": mood}
        )
    if style.music == "none":
        return Action(Sentence("Put music under the film"), film={"music": mood})
    return Action(
        Sentence("Make the music louder"), film={"music_volume": min(1.0, style.music_volume + 0.15)}
    )


def _lower(made: Finished) -> Action:
    volume = USUAL_VOLUME if made.style.music_volume > USUAL_VOLUME else made.style.music_volume / 2
    return Action(Sentence("Lower the music"), film={"music_volume": volume})


def sounds(made: Finished) -> Iterator[Finding]:
    """Sounds of one's own whose tops are cut off, which no mixing mends."""
    film = made.board.film
    if film.music_file is not None and made.has_music and listening.cut_off(film.music_file) >= CUT_OFF:
        what = Sentence("Your music is clipped: it was made too loud, and crackles")
        yield Finding(what, _music(made))
    for at, scene in enumerate(made.board.scenes):
        clip = scene.picture if scene.clip_sound else None
        if clip is not None and own.is_clip(clip) and listening.cut_off(clip) >= CUT_OFF:
            what = Sentence("Scene {number}: the clip's own sound is clipped, and crackles", number=at + 1)
            text = Sentence("Show the clip of scene {number} without its sound", number=at + 1)
            yield Finding(what, Action(text, scene.id, fields={"clip_sound": False}), scene.id)


def lettered(made: Finished, drawn: Mapping[int, Lettering]) -> Iterator[Finding]:
    """Captions where they can't be read: outside, over something else, of signs that no font has."""
    film, board, font = made.film, made.board, made.style.caption_font
    safe, label = safe_area(film.width, film.height), drawn.get(-1)
    outside, over = set[int](), False
    for number, text in drawn.items():
        if number < 0:
            continue
        phrase, (height, width) = made.phrases[number], text.color.shape[:2]
        across = text.left < safe.left or text.left + width > safe.right
        if across or text.top < safe.top or text.top + height > safe.bottom:
            outside.add(made.at(phrase.start))
        over |= label is not None and phrase.start < LABEL_SECONDS and _meet(text, label)
    size = made.style.caption_size
    for at in sorted(outside):
        what = Sentence("Scene {number}: captions reach under the apps' buttons and texts", number=at + 1)
        smaller = Action(
            Sentence("Make the captions smaller"), film={"caption_size": max(32, round(size * 0.8))}
        )
        yield Finding(what, smaller, board.scenes[at].id)
    if over:
        below = Action(Sentence("Put the captions at the bottom"), film={"caption_place": "bottom"})
        yield Finding(Sentence("Captions stand over the AI label at the start"), below, board.scenes[0].id)
    if any(one.end > after.start + 0.02 for one, after in zip(made.phrases, made.phrases[1:], strict=False)):
        longer = Action(Sentence("Leave longer pauses"), board={"pause": max(0.6, board.pause)})
        yield Finding(Sentence("Subtitles of one scene are still shown when the next one's begin"), longer)
    for at, scene in enumerate(board.scenes):
        if signs := missing(scene.say, font):
            what = Sentence(
                "Scene {number}: no font here has these signs: {signs}", number=at + 1, signs=signs
            )
            yield _of(made, at, what)
    if signs := missing(board.topic, font):
        without = " ".join("".join(sign for sign in board.topic if sign not in signs).split())
        leave = Action(Sentence("Leave them out of the title"), board={"topic": without})
        yield Finding(Sentence("The title has signs that no font here has: {signs}", signs=signs), leave)


def _meet(one: Lettering, other: Lettering) -> bool:
    (high, wide), (tall, broad) = one.color.shape[:2], other.color.shape[:2]
    beside = one.left >= other.left + broad or other.left >= one.left + wide
    return not (beside or one.top >= other.top + tall or other.top >= one.top + high)


def fitting(made: Finished) -> Iterator[Finding]:
    """What the platforms don't take, and the label that China asks for."""
    film, board = made.film, made.board
    size = made.video.stat().st_size
    values = {"seconds": f"{film.seconds:.1f}", "size": math.ceil(size / 1e6), "rate": film.fps}
    for one in platforms.unfit(Made(film.seconds, film.width, film.height, film.fps, size)):
        told, action = UNFIT[one.what], _fitting(one.what, made)
        what = Sentence(told.template, platforms=one.names, limit=f"{one.limit:g}", **values)
        yield Finding(what, action, action.scene)
    drawn = any(scene.picture is None or scene.strength for scene in board.scenes)
    spoken = any(speaking(scene, board) for scene in board.scenes)
    words = " ".join(scene.say for scene in board.scenes) or board.topic
    if (drawn or spoken) and not board.film.ai_label and language_of_letters(words) == "zh":
        what = Sentence("Platforms in China ask for a visible AI label at the start")
        yield Finding(what, Action(Sentence("Show the AI label"), film={"ai_label": True}))


def _fitting(what: str, made: Finished) -> Action:
    """What makes a film fit; where nothing does it by itself, the longest scene is worked on."""
    film = made.film
    if what == "rates":
        return Action(Sentence("Set 30 frames a second"), film={"fps": 30})
    if what == "upright":
        return Action(Sentence("Make it 1080×1920"), film={"width": 1080, "height": 1920})
    if what == "least_side":
        wide, high = film.width > film.height, film.height > film.width
        full = {"width": 1920 if wide else 1080, "height": 1920 if high else 1080}
        return Action(Sentence("Make it full size"), film=full)
    if what == "megabytes" and film.height > film.width > 540:
        return Action(Sentence("Make it 540×960"), film={"width": 540, "height": 960})
    lengths = [end - start for start, end in made.spans]
    return opened(made.board, lengths.index(max(lengths)))
