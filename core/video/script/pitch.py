"""A product's pitch: what makes one look, one scene a point, the price, what to do.

Nothing that a model writes is taken on trust: a line must say its own point and no other, and no number that
the sheet hasn't (core.video.script.claims); else the point itself is said. Knows the writer and the sheet;
nothing about pictures or sound.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from core.bases.language_model import LARGE
from core.bases.places import EMBEDDED
from core.messages import Sentence
from core.progress import Progress
from core.settings.video import WriteSettings
from core.texts.engine import Engine
from core.texts.overlap import Known
from core.texts.samples import TASKS, Task, messages, task_of
from core.texts.speech import ended_sentences, words_for
from core.texts.writer import Messages, Writer
from core.video.script import narration
from core.video.script.brief import Brief, Wishes
from core.video.script.claims import invented, says, touches
from core.video.script.fitting import repeated
from core.video.script.language import CHINESE, Language, language_of
from core.video.script.product import Product
from core.video.script.scoring import Line, faults, telling, worth

CANDIDATES = 24
TRUSTED = LARGE  # numbers of a language model that is asked without a LoRA; smaller ones claim what isn't so
TEMPERATURE, TOP_P = 0.6, 0.9
CHINESE_PITCH = Task("你为短视频写带货文案。", "用一句话说出这个卖点：{topic}。", "语气：{tone}。")
EXAMPLES = (
    ("Oak stool: folds flat", "The oak stool folds flat and waits behind the door."),
    ("Linen apron: deep pockets", "A linen apron with deep pockets. Even the ladle fits."),
)
CHINESE_EXAMPLES = (
    ("橡木凳：可以折叠", "这张橡木凳可以折叠，靠在门后也不占地方。"),
    ("亚麻围裙：口袋很深", "亚麻围裙口袋很深，连汤勺都放得下。"),
)
BORROWED = frozenset(
    word for example in (*EXAMPLES, *CHINESE_EXAMPLES) for word in telling(" ".join(example))
)
"""Words of the examples, which a small model takes for the product's."""


@dataclass(frozen=True)
class Beat:
    """A scene of a pitch: what it must say (a hook: the name), and the plain sentence that says it."""

    kind: str
    point: str
    plain: str


def beats(sheet: Product) -> list[Beat]:
    """A sheet's scenes in order."""
    chinese = language_of(sheet.words) is CHINESE
    found = [Beat("hook", sheet.name, _hook(sheet, chinese))]
    found += [Beat("point", point, _sentence(point, chinese)) for point in sheet.points]
    if sheet.price and not any(sheet.price in point for point in sheet.points):
        said = f"价格{sheet.price}。" if chinese else f"It costs {sheet.price}."
        found.append(Beat("price", sheet.price, said))
    asked = "喜欢的话，现在就去看看吧。" if chinese else "Take a closer look today."
    return [*found, Beat("action", sheet.action, _sentence(sheet.action, chinese) or asked)]


def _hook(sheet: Product, chinese: bool) -> str:
    who = sheet.audience.rstrip(".。")
    if not who:
        return _sentence(sheet.name, chinese)
    if chinese:
        return f"{sheet.name}，{who}。" if who[0] in "适给为" else f"{sheet.name}，为{who}准备。"
    return (
        f"{who[0].upper()}{who[1:]}: {sheet.name}."
        if who.lower().startswith("for ")
        else f"For {who}: {sheet.name}."
    )


def _sentence(point: str, chinese: bool) -> str:
    """A point as a sentence: with a mark at its end, and a capital."""
    if not point:
        return ""
    said = point[0].upper() + point[1:]
    return said if said[-1] in ".!?…。！？" else said + ("。" if chinese else ".")


def check(sheet: Product, settings: WriteSettings) -> None:
    """Raises Mistake for a sheet in a script that the studio can't write, or the voice can't say."""
    narration.check_topic(
        sheet.words, settings.text_base if writable(sheet, settings) else "", settings.voice
    )


def writable(sheet: Product, settings: WriteSettings) -> bool:
    """Whether the language model writes the sheet's language; else the sheet's own words are said."""
    return settings.text_base != EMBEDDED or language_of(sheet.words) is not CHINESE


def written(
    sheet: Product,
    briefs: Sequence[Brief],
    writer: Engine | None,
    wishes: Wishes,
) -> Generator[Progress, None, list[str]]:
    """What is said in each of a sheet's scenes, told of by `briefs`; by the sheet alone without a writer."""
    scenes = beats(sheet)
    plain = [beat.plain for beat in scenes]
    if writer is None:
        told = Sentence(
            "The pitch is in the sheet's own words, as the embedded language model writes English only"
        )
        yield Progress("Writing the script", text=told)
        return plain
    language = language_of(sheet.words)
    chats = [_chat(beat, brief, sheet, language, wishes) for beat, brief in zip(scenes, briefs, strict=True)]
    longest = max(brief.seconds for brief in briefs)
    most = words_for(1.3 * longest, wishes.spoken, max(plain, key=len))
    lines: list[str] = []
    known = Known([reply for _, reply in (*EXAMPLES, *CHINESE_EXAMPLES)])
    for at, (beat, brief) in enumerate(zip(scenes, briefs, strict=True)):
        yield Progress("Writing the script", at, len(scenes))
        if not beat.point or (beat.kind == "hook" and brief.lora is None):
            lines.append(beat.plain)  # nothing holds a line to the sheet there
            continue
        if brief.lora is None and writer.size < TRUSTED:
            lines.append(beat.plain)
            continue
        seed = wishes.seed + at
        with writer.voice(brief.lora):
            [found] = writer.candidates_for([chats[at]], CANDIDATES, seed, most, TEMPERATURE, TOP_P)
        fits = functools.partial(_fits, beat=beat, sheet=sheet, language=language, known=known)
        if brief.lora is None:  # what follows a base's first sentence is said of nothing on the sheet
            found = [line for line in found if len(ended_sentences(line)) == 1]
        sound = [line for line in dict.fromkeys(found) if fits(line) and not repeated([*lines, line])]
        lines.append(_best(sound, brief, chats[at], writer, wishes.spoken) if sound else beat.plain)
    return lines


def _chat(beat: Beat, brief: Brief, sheet: Product, language: Language, wishes: Wishes) -> Messages:
    """Asks for a line: a LoRA in the words that it learnt, the base with examples before it."""
    named = beat.kind == "hook"
    topic = f"{sheet.name}: {sheet.audience if named else beat.point}".rstrip(": ")
    if brief.lora is not None:
        return messages(topic, task=task_of(brief.lora))
    task, examples = (CHINESE_PITCH, CHINESE_EXAMPLES) if language.dense else (TASKS["pitch"], EXAMPLES)
    tone = "; ".join(filter(None, (wishes.tone, wishes.ending if brief.last else "")))
    system, request = messages(topic, tone, task)
    turns = []
    for asked, reply in examples:
        turns += [messages(asked, task=task)[1], {"role": "assistant", "content": reply}]
    return [system, *turns, request]


def _fits(line: str, beat: Beat, sheet: Product, language: Language, known: Known) -> bool:
    """Whether a line may be said: it says its own point, no other, and nothing that the sheet hasn't."""
    wrong = {*faults(line, known, language)} - {*faults(beat.plain, language=language), "a year or a price"}
    if wrong - ({"instruction"} if beat.kind == "action" else set()):
        return False
    if invented(line, f"{beat.plain} {sheet.name}") or (beat.point and not says(line, beat.point)):
        return False
    if (telling(line) & BORROWED) - telling(sheet.words):
        return False
    own = f"{beat.point} {sheet.name}"
    others = [point for point in (*sheet.points, sheet.action) if point and point != beat.point]
    return not any(touches(line, point, own) for point in others)


def _best(
    sound: Sequence[str], brief: Brief, chat: Messages, writer: Engine, spoken: Callable[[str], float]
) -> str:
    """The line of most worth: likely in its voice, where the model can tell, and in time."""
    probable: Sequence[float] = [0.0] * len(sound)
    if isinstance(writer, Writer):
        with writer.voice(brief.lora):
            probable = writer.log_probs(chat, sound)
    about = replace(brief, thing="")
    worths = [
        worth(Line(text, spoken(text)), about, sure, sure, sure)
        for text, sure in zip(sound, probable, strict=True)
    ]
    return sound[max(range(len(sound)), key=worths.__getitem__)]
