"""Every scene's words, spoken: found where they were spoken before, else spoken and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import numpy as np

from core import kept
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
from core.project import replacing
from core.settings.style import Style, styled
from core.texts.letters import language_of_letters
from core.video.audio import voice
from core.video.audio.speech import Speech, Word
from core.video.audio.voice import Choice
from core.video.storyboard.board import Scene, Storyboard

SPOKEN = 2  # how voices sound; another number speaks all anew


def spoken(board: Storyboard, style: Style) -> Generator[Progress, None, list[Speech]]:
    """Speaks every scene's narration."""
    made: list[Speech] = []
    speaking = Steps("Speaking", len(board.scenes))
    yield speaking.report()
    for note in dict.fromkeys(check(board)):
        yield speaking.report(text=note)
    for scene in board.scenes:
        made.append(say(scene, board, style))
        yield speaking.report(1)
    voice.rest()
    return made


def check(board: Storyboard) -> list[Sentence]:
    """What is to be told of who speaks. Raises Mistake where a scene's voice can't say its words."""
    said = (choice(scene, board).note for scene in board.scenes if scene.say.strip())
    return [note for note in said if note]


def choice(scene: Scene, board: Storyboard) -> Choice:
    """Who says a scene's words."""
    return voice.check(scene.voice or board.film.voice, language_of_letters(scene.say))


def say(scene: Scene, board: Storyboard, style: Style) -> Speech:
    """A scene's narration as its own voice, or the film's, says it; a scene without words is silent."""
    if not scene.say.strip():
        return Speech("", np.zeros(0, np.float32), ())
    who, chosen = scene.voice or board.film.voice, choice(scene, board)
    path = kept.place(
        "voices",
        ".npz",
        text=scene.say,
        spoken=SPOKEN,
        engine=chosen.engine.name if chosen.engine else "",
        voice=chosen.voice,
        how=[style.voice_speed, style.voice_pitch],
    )
    found = _read(path, scene.say) if kept.there(path) else None
    if found is None:
        found = voice.speak(scene.say, who, style.voice_speed, style.voice_pitch)
        _write(path, found)
    return found


def _read(path: Path, text: str) -> Speech | None:
    """A kept speech; None where the file is damaged."""
    try:
        with np.load(path) as file:
            words = zip(file["words"], file["times"], strict=True)
            said = tuple(Word(str(word), float(start), float(end)) for word, (start, end) in words)
            return Speech(text, file["samples"], said)
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _write(path: Path, speech: Speech) -> None:
    """Keeps a speech; a full disk costs only time at the next film."""
    words = np.array([word.text for word in speech.words], np.str_)
    times = np.array([(word.start, word.end) for word in speech.words], np.float64).reshape(-1, 2)
    with contextlib.suppress(Mistake, OSError), replacing(path) as part, part.open("wb") as file:
        np.savez(file, samples=speech.samples, words=words, times=times)


def expected(scene: Scene, board: Storyboard) -> float:
    """How long a scene's words take to say, in seconds, without saying them."""
    if not scene.say.strip():
        return scene.seconds
    speed = styled(board.film).voice_speed
    return voice.seconds(scene.say, scene.voice or board.film.voice, speed)
