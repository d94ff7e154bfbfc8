"""Writes the script of a video: of a topic, of one's own words, or of a product's sheet.

The one way to a storyboard, for a video and for a script alone. Knows how a film's time is shared between
speech and silence; nothing about pictures or sound.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from core import device
from core.bases import fetching, language_model, picture_base
from core.bases.places import AUTO, EMBEDDED
from core.lineage import read_lineage
from core.lora.adapters import peft_folder
from core.messages import Mistake, Sentence
from core.progress import Progress
from core.project import ROOT, Home, unused
from core.settings.style import Style, styled
from core.settings.video import DraftSettings, FilmSettings, WriteSettings
from core.texts.engine import Engine, opened, writes_storyboards
from core.texts.letters import language_of_letters
from core.texts.writer import Writer
from core.video.audio import voice
from core.video.script import by_model, meaning, narration, own_words, pictures, pitch, product
from core.video.script import plan as planner
from core.video.script import vocabulary as script_vocabulary
from core.video.script.brief import Brief, Wishes
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard, Subject

AskedT = TypeVar("AskedT", bound=FilmSettings)
LORAS = ROOT / "assets" / "loras"  # the starters
LEAD = 0.35  # seconds of picture before each scene's voice, beside the style's pause after it
TAIL = 0.9  # seconds of picture after the last word's pause
MOST_STRETCH = 0.9  # seconds by which a pause may grow to reach the length asked for
LEAST_SPEECH = 1.5  # seconds a scene: four words


def write(settings: WriteSettings, writer: Engine | None = None) -> Generator[Progress, None, Storyboard]:
    """A storyboard from a topic, from one's own words or from a product's sheet; reports progress.

    writer: a language model that is loaded already, for several scripts in a row, each with its own text
    LoRAs; without one `text_base` is loaded, and gone when this returns. Raises Mistake for a topic, script,
    product, style, base or LoRA that can't be used.
    """
    return (yield from script(settings, checked_style(settings), writer))


def draft(settings: DraftSettings) -> Iterator[Progress]:
    """`write` into a file, which the last report names; nothing there already is overwritten."""
    path = unused(settings.output)
    board = yield from write(settings)
    yield Progress("Done", result=file.write(board, path))


def settled(settings: AskedT) -> AskedT:
    """The settings with the language model that `auto` means, so that they say what made a script.

    That is the first text LoRA's own base, else the best that is here. Raises Mistake for what is no LoRA.
    """
    if settings.text_base != AUTO:
        return settings
    loras = settings.text_lora
    base = peft_folder.base_of(loras[0]) if loras else language_model.best()
    return settings.model_copy(update={"text_base": base})


def checked_style(settings: WriteSettings) -> Style:
    """The style asked for. Raises Mistake for a style or a source that can't be used; loads no model."""
    style, settings = styled(settings), settled(settings)
    if settings.script is not None:
        voice.check(settings.voice, language_of_letters(own_words.read(settings.script).words))
    elif settings.product is not None:
        pitch.check(product.read(settings.product), settings)
    else:
        narration.check_topic(settings.topic, settings.text_base, settings.voice)
    return style


def sized(settings: WriteSettings) -> WriteSettings:
    """The settings with as many scenes as one's own words or a product's sheet make, and the words' seconds.

    Raises Mistake where these can't be read.
    """
    if settings.product is not None:
        return settings.model_copy(update={"scenes": len(pitch.beats(product.read(settings.product)))})
    if settings.script is None:
        return settings
    style, parts = styled(settings), own_words.read(settings.script).parts
    said = [voice.seconds(part.say, settings.voice, style.voice_speed) if part.say else 0 for part in parts]
    lengths = [max(part.seconds, LEAD + style.pause + took) for part, took in zip(parts, said, strict=True)]
    seconds = min(600.0, max(3.0, sum(lengths) + TAIL))
    return settings.model_copy(update={"scenes": len(parts), "seconds": seconds})


def script(
    settings: WriteSettings, style: Style, writer: Engine | None = None
) -> Generator[Progress, None, Storyboard]:
    """As `write`, in the style that `checked_style` gave."""
    asked, settings = settings, settled(settings)
    if settings.script is not None and writer is None and settings.text_base == EMBEDDED:
        return (yield from by_words(settings, style, None))
    if settings.product is not None and not pitch.writable(product.read(settings.product), settings):
        return (yield from by_product(sized(settings), style, None))
    if writer is None:
        yield Progress("Loading the language model", text=chosen_line(asked, settings))
    engine = writer or opened(settings.text_base, settings.text_model, chosen_voices(settings, style))
    try:
        if settings.script is not None:
            return (yield from by_words(settings, style, engine))
        if settings.product is not None:
            board = yield from by_product(sized(settings), style, engine)
        elif writes_storyboards(engine):
            board = yield from by_whole(settings, style, engine)
        else:
            assert isinstance(engine, Writer)
            board = yield from by_plan(settings, style, engine)
    finally:
        if writer is None:
            engine.close()
    for number, scene in enumerate(board.scenes, 1):
        yield Progress("Writing the script", number, len(board.scenes), text=scene.say)
    return board


def planning(notes: Sequence[Mistake]) -> Iterator[Progress]:
    """That the scenes are planned now, and what was noticed in the file that they come from."""
    yield Progress("Planning the scenes")
    for note in notes:
        yield Progress("Planning the scenes", text=note.sentence)


def by_words(
    settings: WriteSettings, style: Style, engine: Engine | None
) -> Generator[Progress, None, Storyboard]:
    """One's own words, each of them, with pictures planned for them."""
    assert settings.script is not None
    own = own_words.read(settings.script)
    yield from planning(own.notes)
    topic = settings.topic.strip() or own.name
    texts, shown = [part.say for part in own.parts], [part.draw for part in own.parts]
    scenes, subjects = yield from pictures.pictured(texts, shown, topic, settings, style.look, engine)
    said = [
        scene.model_copy(
            update={"say": part.say, "seconds": part.seconds, "about": part.about or scene.about}
        )
        for scene, part in zip(scenes, own.parts, strict=True)
    ]
    as_long_as_it_takes = settings.model_copy(update={"topic": topic, "seconds": 0.0})
    return board_of(as_long_as_it_takes, style, in_turn(said, settings, style), subjects)


def by_product(
    settings: WriteSettings, style: Style, engine: Engine | None
) -> Generator[Progress, None, Storyboard]:
    """A product's pitch: what makes one look, its points, its price, what to do."""
    assert settings.product is not None
    sheet = product.read(settings.product)
    yield from planning(sheet.notes)
    texts = [f"{sheet.name}: {beat.point}".rstrip(": ")[:500] for beat in pitch.beats(sheet)]
    nothing = [""] * len(texts)
    scenes, subjects = yield from pictures.pictured(texts, nothing, sheet.name, settings, style.look, engine)
    about = [scene.model_copy(update={"about": text}) for scene, text in zip(scenes, texts, strict=True)]
    about = in_turn(about, settings, style)
    lines = yield from pitch.written(
        sheet,
        briefs(about, speech_seconds(settings, style)),
        engine,
        wishes(settings, style),
    )
    said = [scene.model_copy(update={"say": line}) for scene, line in zip(about, lines, strict=True)]
    named = settings.model_copy(update={"topic": settings.topic.strip() or sheet.name})
    return board_of(named, style, said, subjects)


def chosen_line(asked: WriteSettings, settings: WriteSettings) -> Sentence | None:
    """Which language model `auto` chose, and why not the better one; None where a person chose."""
    if asked.text_base != AUTO:
        return None
    there = fetching.WRITER.path(Home.default()).is_file()
    if there and settings.text_base == EMBEDDED and not asked.text_lora:
        return Sentence(
            "The better writer takes {needed} GB of memory and {free} GB are free, so the embedded language "
            "model writes",
            needed=f"{fetching.WRITER.memory / 1e9:.1f}",
            free=f"{device.free_memory_bytes() / 1e9:.1f}",
        )
    name = Path(settings.text_base).name
    if asked.script is not None:
        return Sentence("The pictures are described by {name}", name=name)
    if name == EMBEDDED:
        return Sentence("The script is written by the embedded language model")
    return Sentence("The script is written by {name}", name=name)


def by_whole(settings: WriteSettings, style: Style, engine: Engine) -> Generator[Progress, None, Storyboard]:
    """The storyboard as a large language model writes it, of any subject."""
    scenes, subjects = yield from by_model.story(
        settings.topic,
        settings.scenes,
        speech_seconds(settings, style),
        engine,
        wishes(settings, style),
        chosen_voices(settings, style),
        picture_base.vocabulary(settings.image_base),
    )
    return board_of(settings, style, scenes, subjects)


def by_plan(settings: WriteSettings, style: Style, writer: Writer) -> Generator[Progress, None, Storyboard]:
    """The storyboard of a small language model: scenes of the vocabulary's things, and words for each."""
    yield Progress("Planning the scenes", text=meaning.nothing_to_draw(settings.topic, drawable(settings)))
    scenes = plan(settings, style, writer)
    if settings.seconds < (least := least_seconds(settings, style)):
        told = Sentence(
            "{count} scenes take at least {least} s, not {asked} s; ask for fewer scenes or a longer video",
            count=settings.scenes,
            least=f"{least:.0f}",
            asked=f"{settings.seconds:.0f}",
        )
        yield Progress("Planning the scenes", text=told)
    words = yield from narration.narrate(
        settings.topic,
        briefs(scenes, speech_seconds(settings, style)),
        writer,
        wishes(settings, style),
    )
    spoken = [scene.model_copy(update={"say": said}) for scene, said in zip(scenes, words, strict=True)]
    return board_of(settings, style, spoken)


def drawable(settings: WriteSettings) -> Iterable[str]:
    """The things that the planner can have drawn."""
    return picture_base.vocabulary(settings.image_base).get("object") or script_vocabulary.things()


def wishes(settings: WriteSettings, style: Style) -> Wishes:
    """How a film's words are written: in the style's tone and pace, none copied from what LoRAs learnt."""
    return Wishes(
        settings.seed,
        style.tone,
        style.ending,
        style.beats,
        tuple(line for lora in chosen_voices(settings, style) for line in training_lines(lora)),
        functools.partial(voice.seconds, voice=settings.voice, speed=style.voice_speed),
    )


def plan(settings: WriteSettings, style: Style, writer: Writer) -> list[Scene]:
    """The scenes, each with the text LoRA whose turn it is."""
    scenes = planner.plan(
        settings.topic,
        settings.scenes,
        settings.seed,
        picture_base.vocabulary(settings.image_base),
        mood=style.look,
        relevance=narration.relevance(writer, settings.topic, drawable(settings)),
    )
    return in_turn(scenes, settings, style)


def in_turn(scenes: Sequence[Scene], settings: FilmSettings, style: Style) -> list[Scene]:
    """Scenes, each with the text LoRA whose turn it is."""
    turns = chosen_voices(settings, style) or (None,)
    return [scene.model_copy(update={"text_lora": turns[at % len(turns)]}) for at, scene in enumerate(scenes)]


def briefs(scenes: Sequence[Scene], seconds: float) -> list[Brief]:
    """What the writer is told of scenes whose words may take so many seconds each."""
    return [
        Brief(number, scene.about, scene.thing, seconds, scene.text_lora, number == len(scenes))
        for number, scene in enumerate(scenes, 1)
    ]


def board_of(
    settings: WriteSettings, style: Style, scenes: Sequence[Scene], subjects: Sequence[Subject] = ()
) -> Storyboard:
    """Written scenes as a storyboard; its pauses grow a little where the film is shorter than asked for."""
    film = FilmSettings(**{name: getattr(settings, name) for name in FilmSettings.model_fields})
    speech = sum(voice.seconds(scene.say, settings.voice, style.voice_speed) for scene in scenes)
    spare = (settings.seconds - TAIL - speech) / len(scenes) - LEAD - style.pause
    pause = LEAD + style.pause + min(MOST_STRETCH, max(0.0, spare))
    board = Storyboard(
        topic=settings.topic.strip(),
        film=film,
        pause=round(pause, 2),
        subjects=tuple(subjects),
        scenes=tuple(scenes),
    )
    return board.numbered()


def chosen_voices(settings: FilmSettings, style: Style) -> tuple[Path, ...]:
    """The text LoRAs asked for, else the style's own, which fits the embedded language model alone."""
    if settings.text_lora or not style.text_lora or settled(settings).text_base != EMBEDDED:
        return settings.text_lora
    return (LORAS / style.text_lora,)


def least_seconds(settings: WriteSettings, style: Style) -> float:
    """The shortest film of so many scenes."""
    return settings.scenes * (LEAST_SPEECH + LEAD + style.pause) + TAIL


def speech_seconds(settings: WriteSettings, style: Style) -> float:
    """How long the speech of one scene may take for the film to have the length asked for."""
    silence = settings.scenes * (LEAD + style.pause) + TAIL
    return max(LEAST_SPEECH, (settings.seconds - silence) / settings.scenes)


def training_lines(text_lora: Path) -> tuple[str, ...]:
    """The lines a text LoRA was trained on, where its lineage names them and they are still there.

    A starter's lineage names them from its own folder.
    """
    said = read_lineage(text_lora).get("settings", {}).get("train_data_path")
    named = [text_lora / said, Path(said)] if isinstance(said, str) and said else []
    found = [path for path in named if path.exists()]
    if not found:
        return ()
    from core.texts.importing import read_texts

    try:
        return tuple(sample.reply for sample in read_texts(found[0]).samples)
    except Mistake:  # texts that were emptied since then: nothing left to be copied
        return ()
