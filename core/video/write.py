"""Writes the script of a video: plans a topic's scenes, then what is said in each.

The one way to a script, for a video and for a script alone. Knows how a film's time is shared between speech
and silence; nothing about pictures or sound.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from core import basemodels, device
from core.jobs import Mistake, Progress, Sentence
from core.settings import Style, WriteSettings, load_style, read_yaml
from core.texts.writer import Writer
from core.video import script, storyboard, voice
from core.video.storyboard import Storyboard

LEAD = 0.35  # seconds of picture before each scene's voice, after its cross-fade's middle
TAIL = 0.9  # seconds of picture after the last word's pause
LEAST_SPEECH = 1.5  # seconds a scene: four words


def write(settings: WriteSettings, writer: Writer | None = None) -> Generator[Progress, None, Storyboard]:
    """Plans the scenes and writes what is said in each; reports progress and returns the storyboard.

    writer: a language model that is loaded already, for several scripts in a row, each with its own text
    LoRAs; without one `text_base` is loaded, and gone when this returns. Raises Mistake for a topic, style,
    base or LoRA that can't be used.
    """
    style = load_style(settings.style)
    script.check_topic(settings.topic, settings.text_base, settings.voice)
    if writer is None:
        yield Progress("Loading the language model")
        writer = Writer(settings.text_base)
    try:
        yield Progress("Planning the scenes")
        board = plan(settings, style, writer)
        least = settings.scenes * (LEAST_SPEECH + LEAD + style.pause) + TAIL
        if settings.seconds < least:
            told = Sentence(
                "{count} scenes take at least {least} s, not {asked} s; ask for fewer scenes or a longer "
                "video",
                count=settings.scenes,
                least=f"{least:.0f}",
                asked=f"{settings.seconds:.0f}",
            )
            yield Progress("Planning the scenes", text=told)
        board = yield from script.narrate(
            board,
            writer,
            tone=style.tone,
            ending=style.ending,
            known=[line for lora in settings.text_lora for line in training_lines(lora)],
            spoken=functools.partial(voice.seconds, voice=settings.voice, speed=style.voice_speed),
        )
    finally:
        del writer
        device.free()
    for scene in board.scenes:
        yield Progress("Writing the script", scene.number, len(board.scenes), text=scene.narration)
    return board


def plan(settings: WriteSettings, style: Style, writer: Writer) -> Storyboard:
    """The scenes, each with the seconds that its speech may take and the text LoRA whose turn it is."""
    vocabulary = basemodels.vocabulary(settings.image_base)
    known = vocabulary.get("object") or storyboard.things()
    board = storyboard.plan(
        settings.topic,
        settings.scenes,
        settings.seed,
        vocabulary,
        style=style.name,
        mood=style.look,
        seconds=speech_seconds(settings, style),
        relevance=script.relevance(writer, settings.topic, known),
    )
    turns = [str(lora) for lora in settings.text_lora] or [""]
    scenes = (replace(scene, text_lora=turns[at % len(turns)]) for at, scene in enumerate(board.scenes))
    return replace(board, scenes=tuple(scenes))


def speech_seconds(settings: WriteSettings, style: Style) -> float:
    """How long the speech of one scene may take for the film to have the length asked for."""
    silence = settings.scenes * (LEAD + style.pause) + TAIL
    return max(LEAST_SPEECH, (settings.seconds - silence) / settings.scenes)


def training_lines(text_lora: Path) -> tuple[str, ...]:
    """The lines a text LoRA was trained on, where its lineage names them and they are still there."""
    note = text_lora / "lineage.yaml"
    if not note.is_file():
        return ()
    source = read_yaml(note).get("settings", {}).get("train_data_path")
    if not source or not Path(source).exists():
        return ()
    from core.texts.importing import read_texts

    try:
        return tuple(sample.reply for sample in read_texts(Path(source)).samples)
    except Mistake:  # texts that were emptied since then: nothing left to be copied
        return ()
