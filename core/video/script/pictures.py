"""What is drawn for words that are there already: of a script, or of a product's pitch.

What a script itself says shall be seen goes before all. A language model that can writes the prompts
(core.video.script.prompts). Without one a picture base of a small vocabulary is planned for with its own
words (core.video.script.plan); a larger one is told of a scene in the scene's own words. The small language
model is loaded only where it is asked what belongs to the film.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from core import device
from core.bases import picture_base
from core.bases.places import EMBEDDED
from core.messages import Sentence
from core.progress import Progress
from core.settings.video import FilmSettings
from core.texts.engine import Engine, writes_storyboards
from core.texts.writer import Writer
from core.video.script import narration, plan
from core.video.script.language import CHINESE, language_of
from core.video.script.phrases import phrases
from core.video.script.prompts import prompts
from core.video.script.topic import read_topic
from core.video.script.vocabulary import Vocabulary, things
from core.video.storyboard.board import Scene, Subject

TOPIC_WORDS = 6  # of the film's own topic beside a scene's words, so that all scenes are of one film


def pictured(
    texts: Sequence[str],
    shown: Sequence[str],
    topic: str,
    settings: FilmSettings,
    look: str,
    writer: Engine | None = None,
) -> Generator[Progress, None, tuple[list[Scene], tuple[Subject, ...]]]:
    """A scene for each text, with its picture's prompt in English and without words; who is in several.

    shown: what each picture shall show, by the script; empty: nothing is said of it. topic: the film's. look:
    the style's. writer: a language model that is there already.
    """
    vocabulary = picture_base.vocabulary(settings.image_base)
    seen = [wish or text for wish, text in zip(shown, texts, strict=True)]
    if writer is not None and writes_storyboards(writer):
        return (yield from _by_model(seen, shown, topic, settings.seed, vocabulary, writer))
    chinese = any(language_of(text) is CHINESE for text in seen)
    if vocabulary or chinese:
        weighing = writer if isinstance(writer, Writer) else None
        scenes = yield from _planned(seen, topic, settings, look, vocabulary, weighing)
    else:
        scenes = _in_own_words(seen, topic)
    wished = [
        _as_wished(scene, wish) if _is_prompt(wish) else scene
        for scene, wish in zip(scenes, shown, strict=True)
    ]
    return wished, ()


def _by_model(
    seen: Sequence[str],
    shown: Sequence[str],
    topic: str,
    seed: int,
    vocabulary: Vocabulary,
    writer: Engine,
) -> Generator[Progress, None, tuple[list[Scene], tuple[Subject, ...]]]:
    """Scenes in a language model's prompts, but for those that the script gives a prompt of its own."""
    scenes = [Scene(draw=wish) for wish in shown]
    asked = [at for at, wish in enumerate(shown) if not _is_prompt(wish)]
    lines = [seen[at] for at in asked]
    made, subjects = yield from prompts(topic, lines, writer, vocabulary, seed=seed)
    for at, one in zip(asked, made, strict=True):
        scenes[at] = one.model_copy(update={"about": seen[at][:500]})
    return scenes, subjects


def _is_prompt(wish: str) -> bool:
    """Whether what a script wants to be seen can be drawn as it stands: in English."""
    return bool(wish) and language_of(wish) is not CHINESE


def _as_wished(scene: Scene, wish: str) -> Scene:
    """A scene with the picture that the script asks for; the labeller is told of what is named."""
    named = read_topic(wish, {scene.thing: things()[scene.thing]}) if scene.thing else None
    facts = {} if named and named.things else {"thing": "", "setting": ""}
    return scene.model_copy(update={"draw": wish, **facts})


def _planned(
    texts: Sequence[str],
    topic: str,
    settings: FilmSettings,
    look: str,
    vocabulary: Vocabulary,
    writer: Writer | None,
) -> Generator[Progress, None, list[Scene]]:
    """Scenes in the vocabulary's words; what names none of them gets what belongs to the film."""
    relevance: Mapping[str, float] = {}
    if count := plan.unnamed(texts, topic, vocabulary):
        told = Sentence(
            "Pictures that show what fits the film, as the words of their scenes name nothing that can be "
            "drawn: {count}; say what to show by [picture: …] before them",
            count=count,
        )
        yield Progress("Planning the scenes", text=told)
        relevance = yield from _relevance(texts, topic, vocabulary, writer)
    return list(plan.illustrate(texts, topic, settings.seed, vocabulary, mood=look, relevance=relevance))


def _relevance(
    texts: Sequence[str], topic: str, vocabulary: Vocabulary, writer: Writer | None
) -> Generator[Progress, None, Mapping[str, float]]:
    """How much each thing belongs to the film, by the language model; nothing where it can't tell."""
    asked = topic
    if writer is None and language_of(topic) is CHINESE:  # which the embedded model doesn't know
        whole = read_topic("\n".join((topic, *texts)))
        asked = ", ".join((*whole.things, *whole.settings))
    if not asked:
        return {}
    if writer is None:
        yield Progress("Loading the language model")
        writer = Writer(EMBEDDED)
        yield Progress("Planning the scenes")
    try:
        return narration.relevance(writer, asked, vocabulary.get("object") or things())
    finally:
        del writer
        device.free()


def _in_own_words(texts: Sequence[str], topic: str) -> list[Scene]:
    """Scenes whose prompts are the telling words of each, with some of the film's topic."""
    common = phrases(topic, TOPIC_WORDS)
    made = []
    for text in texts:
        own = phrases(text)
        rest = [phrase for phrase in common if phrase.casefold() not in text.casefold()]
        draw = ", ".join([*own, *rest]) or text or topic
        made.append(Scene(draw=draw[:2000], about=", ".join(own)[:500]))
    return made
