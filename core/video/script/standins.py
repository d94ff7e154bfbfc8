"""Things that stand for lines, chosen by a language model among what a small picture base can draw.

Such a base draws nothing else that one would know. The answer is constrained to its words, those near the
line in meaning; a thing is shown once, but for those that the film's topic or the line itself names. Gives
plain data; loads no picture base.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from core.progress import Progress
from core.texts.engine import Engine, Messages, told
from core.video.script import plan
from core.video.script.meaning import nearest, reads
from core.video.script.story_schema import choice_schema, compact
from core.video.script.topic import read_topic
from core.video.script.vocabulary import Thing, Vocabulary
from core.video.storyboard.board import Scene

TEMPERATURE, TOP_P = 0.3, 0.9
NEAR = 12  # things that a line in English may choose from, the nearest in meaning
SYSTEM = (
    "You choose the picture for each line of a film. Only these can be drawn: {things}. "
    "Choose what the line names, else what a viewer would take for it."
)
REQUEST = "Film: {topic}\nLine: {line}"
EXAMPLES = (
    ("keeping a houseplant alive", "Most don't die of thirst. They drown.", "potted plant", "room", "day"),
    ("how to be on time", "Leave ten minutes before you have to.", "clock", "room", "morning"),
    ("面包为什么会发起来", "酵母吃掉面粉里的糖，吐出一个个小气泡。", "loaf of bread", "table", "morning"),
    ("saving for a journey", "One day there is enough, and you go.", "ship", "sea", "evening"),
)  # fmt: skip


def standins(
    topic: str, lines: Sequence[str], writer: Engine, vocabulary: Vocabulary, *, seed: int = 0
) -> Generator[Progress, None, list[Scene]]:
    """A scene with its picture and without words for each line; the same choices give the same ones.

    vocabulary: the base's words by kind. Raises Mistake where the model can't answer.
    """
    known = plan.drawable(vocabulary)
    main, made = read_topic(topic, known).things, list[Scene]()
    near = nearest([f"{topic}: {line}" for line in lines], [*known])
    for at, line in enumerate(lines):
        yield Progress("Planning the pictures", at, len(lines))
        facts = read_topic(line, known)
        shown = [one.thing for one in made]
        named = [name for name in dict.fromkeys((*facts.things, *main)) if name not in shown[-1:]]
        fresh = [name for name in near[at] if name not in (*shown, *named)]
        offered = [*named, *(fresh[:NEAR] if reads(line) else fresh)] or [*known]
        form = choice_schema(thing=offered, place=vocabulary["setting"], time=vocabulary["time"])
        chat = _chat(topic, line, known)
        answer = writer.structuring(chat, form, seed + at, TEMPERATURE, TOP_P)
        found = yield from told(answer, "Planning the pictures", '"time"', 1)
        made.append(_scene(known[found["thing"]], found["place"], found["time"], facts.weathers, made))
    return made


def _chat(topic: str, line: str, known: Mapping[str, Thing]) -> Messages:
    """Asks for one line's picture, after those examples whose things the base knows."""
    chat = [{"role": "system", "content": SYSTEM.format(things=", ".join(known))}]
    for film, said, thing, place, time in EXAMPLES:
        if thing in known:
            chat += [
                {"role": "user", "content": REQUEST.format(topic=film, line=said)},
                {"role": "assistant", "content": compact({"thing": thing, "place": place, "time": time})},
            ]
    return [*chat, {"role": "user", "content": REQUEST.format(topic=topic, line=line)}]


def _scene(thing: Thing, place: str, time: str, weathers: Sequence[str], made: Sequence[Scene]) -> Scene:
    """A thing where it is wanted, if it can be there; once it was there, elsewhere."""
    there = {one.setting for one in made if one.thing == thing.name}
    places = [one for one in (place, *thing.settings) if one in thing.settings]
    setting = next((one for one in places if one not in there), places[0])
    weather = next(iter(weathers), "")
    return Scene(thing=thing.name, setting=setting, draw=plan.prompt(thing, setting, time, weather))
