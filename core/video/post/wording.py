"""A post's words: title, text and hashtags, in the film's language and in the length that platforms take.

Plainly, from the film's title and its own lines, or as a language model that is large enough writes them; a
small one would babble. What a person wrote stands as it is. Gives plain data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from core.messages import Sentence, together
from core.progress import Progress
from core.texts import chinese
from core.texts.engine import Engine, told
from core.texts.letters import DENSE, HAN, language_of_letters
from core.texts.speech import ended_sentences, joined
from core.video.picture.cover import title_case
from core.video.picture.phrasing import WEAK
from core.video.post.platforms import ALL, DOUYIN
from core.video.script.scoring import COMMON
from core.video.storyboard.board import Storyboard

LIKED = {True: 30, False: 70}  # signs of a title that a model writes, at most
TEXT = {True: 140, False: 300}  # signs of a plain text, of a language without spaces, or with
LEAST_TAGS, TAGS, LONGEST_TAG = 3, 5, 24
ALWAYS = {True: ("AI生成", "短视频", "原创"), False: ("AIart", "shorts", "story")}
LITTLE = set("的了着是在有和与也都就把被让给从到向对这那一不没很更最又再还地得之其它他她我你们个只吗呢吧啊")
TEMPERATURE, TOP_P = 0.6, 0.92
ASKED = {
    True: (
        "你为短视频写发布文案，只说视频里有的内容。",
        "视频：{topic}\n旁白：\n{lines}\n写一个标题（不超过{most}个字）、一小段简介和五个话题标签，JSON。",
        "^[一-鿿，、：！？《》“”A-Za-z0-9 ]{{4,{most}}}$",
    ),
    False: (
        "You write what is posted beside a short video. You tell only what is in it.",
        "Video: {topic}\nNarration:\n{lines}\nWrite a title (at most {most} letters), a short text and five "
        "hashtags, as JSON.",
        "^[A-Z0-9][A-Za-zÀ-ÿ0-9 ,:!?'-]{{6,{most}}}$",
    ),
}
LONG = {  # what is told of a text that platforms cut off or refuse
    "title": Sentence("{platforms}: the title has {length} signs, {limit} at most are taken"),
    "text": Sentence("{platforms}: text and hashtags have {length} signs, {limit} at most are taken"),
    "hashtags": Sentence("{platforms}: there are {length} hashtags, {limit} at most are taken"),
}


@dataclass(frozen=True)
class Words:
    """A post's words; hashtags without their sign."""

    title: str
    description: str
    hashtags: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, as it is kept beside the film."""
        tags = " ".join(f"#{tag}" for tag in self.hashtags)
        return "\n\n".join(filter(None, (self.title, self.description, tags))) + "\n"


def words(board: Storyboard) -> Words:
    """A storyboard's post: what it says, and plainly made where it says nothing."""
    said, own = board.post, plain(board)
    return Words(
        said.title or own.title, said.description or own.description, tags(said.hashtags) or own.hashtags
    )


def tags(given: tuple[str, ...]) -> tuple[str, ...]:
    """Hashtags as platforms read them: letters and digits alone, each once."""
    made = ("".join(re.findall(r"\w+", tag)) for tag in given)
    return tuple(dict.fromkeys(filter(None, made)))


def dense(board: Storyboard) -> bool:
    """Whether a film's language is written without spaces."""
    return bool(DENSE.search(board.topic or " ".join(scene.say for scene in board.scenes)))


def longest_title(board: Storyboard) -> int:
    """Signs that a title may have: of those platforms on which the film's language is at home."""
    titles = [one.title for one in ALL if one.title]
    return min(titles) if language_of_letters(_all(board)) == "zh" else max(titles)


def _all(board: Storyboard) -> str:
    return " ".join([board.topic, *(scene.say for scene in board.scenes)])


def plain(board: Storyboard) -> Words:
    """The words made of the film's title and of what is said in it, none of them new."""
    lines = [line for scene in board.scenes if (line := " ".join(scene.say.split()))]
    title = title_case(board.topic) or title_case((ended_sentences(lines[0]) or lines)[0] if lines else "")
    return Words(
        shortened(title, longest_title(board)), _beginning(lines, TEXT[dense(board)]), _hashtags(board)
    )


def shortened(text: str, most: int) -> str:
    """A text's beginning of at most so many signs, cut between words where there are any."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    whole = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return whole.rstrip(" ,.;:，。、；：") + "…"


def _beginning(lines: list[str], most: int) -> str:
    """As many whole sentences from the first on as fit; at least the first one's beginning."""
    said = [sentence for line in lines for sentence in ended_sentences(line) or [line]]
    taken: list[str] = []
    for sentence in said:
        if len(joined([*taken, sentence])) > most:
            break
        taken.append(sentence)
    return joined(taken) if taken else shortened(said[0], most) if said else ""


def _hashtags(board: Storyboard) -> tuple[str, ...]:
    """Names of what the film is about: of its title first, then what its lines name most often."""
    wide = dense(board)
    lines = " ".join(scene.say for scene in board.scenes)
    counted = Counter(_named(lines, wide))
    often = sorted(counted, key=lambda word: (-counted[word], list(counted).index(word)))
    found = [*_named(board.topic, wide), *(word for word in often if counted[word] > 1)]
    few = tags(tuple(found))[:TAGS]
    if len(few) < LEAST_TAGS:
        few = tags((*few, *ALWAYS[wide]))[:LEAST_TAGS]
    return tuple(tag[:LONGEST_TAG] for tag in few)


def _named(text: str, wide: bool) -> list[str]:
    """What a text names, in its order: content words, in English those that stand together as one."""
    if wide:
        cut = chinese.usual().lcut(text)
        return [word for word in cut if re.fullmatch(f"[{HAN}]{{2,8}}", word) and not set(word) & LITTLE]
    found: list[str] = []
    for sentence in re.split(r"[^\w\s'’-]+", text):
        said = [word.strip("'’-") for word in sentence.split()]
        for telling, run in groupby(said, key=_telling):
            some = [*run]
            if telling:
                found += ["".join(word[:1].upper() + word[1:] for word in some)] if len(some) < 3 else some
    return found


def _telling(word: str) -> bool:
    return len(word) > 2 and word.lower() not in COMMON | WEAK


def written(board: Storyboard, engine: Engine, seed: int) -> Generator[Progress, None, dict[str, Any]]:
    """Title, description and hashtags as a language model writes them, in the voice of the film's text LoRA.

    Raises Mistake where the model comes to no end.
    """
    wide = dense(board)
    most = min(longest_title(board), LIKED[wide])
    system, asked, title = ASKED[wide]
    lines = "\n".join(f"- {scene.say}" for scene in board.scenes if scene.say.strip())
    request = asked.format(topic=board.topic, lines=lines[:4000], most=most)
    chat = [{"role": "system", "content": system}, {"role": "user", "content": request}]
    text = {"type": "string", "minLength": 20, "maxLength": TEXT[wide]}
    tag = "^[一-鿿A-Za-z0-9]{2,10}$" if wide else "^[A-Za-z0-9]{3,24}$"
    fields: dict[str, Any] = {
        "title": {"type": "string", "pattern": title.format(most=most - 1)},
        "description": text,
        "hashtags": {
            "type": "array",
            "items": {"type": "string", "pattern": tag},
            "minItems": 3,
            "maxItems": TAGS,
        },
    }
    form = {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
    lora = next(iter(board.film.text_lora), None)
    with engine.voice(lora):
        answer = engine.structuring(chat, form, seed, TEMPERATURE, TOP_P)
        found = yield from told(answer, "Writing the post", '":', len(fields))
    return {
        "title": shortened(found["title"].strip(), most),
        "description": found["description"].strip(),
        "hashtags": tags(tuple(found["hashtags"])),
    }


def too_long(board: Storyboard) -> list[Sentence]:
    """What of a post some platforms cut off or refuse; Douyin is asked where the film is in Chinese."""
    post = words(board)
    asked = [one for one in ALL if one is not DOUYIN or language_of_letters(_all(board)) == "zh"]
    below = len(post.description) + sum(len(tag) + 2 for tag in post.hashtags)

    told = []
    for what, length, said in (
        ("title", len(post.title), LONG["title"]),
        ("text", below, LONG["text"]),
        ("hashtags", len(post.hashtags), LONG["hashtags"]),
    ):
        some = [one for one in asked if (most := getattr(one, what)) and length > most]
        if some:
            limit = min(getattr(one, what) for one in some)
            names = together([one.name for one in some])
            told.append(Sentence(said.template, platforms=names, length=length, limit=limit))
    return told
