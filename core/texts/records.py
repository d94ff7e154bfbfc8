"""Records of tables and JSON: a topic and a text each, found by the names that people and programs give them.

One place says what a column or field means, how a record's parts make its topic, which texts may be split,
and what is told about those left out. Also what readers of Office files share.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.messages import Mistake
from core.settings.data import TextCleaning
from core.texts.cleaning import clean, speakers
from core.texts.reasoning import FIELDS, spoken
from core.texts.speech import flowing, parted

PartT = TypeVar("PartT")
Pair = tuple[str, str]
"""(topic, reply); the topic is "" where the source has none."""
Found = Pair | Mistake
"""What a reader finds, in order; a Mistake says what it left out."""

_TITLES = "topic title subject 主题 标题 选题 话题 题目"
_REQUESTS = (
    "prompt instruction input question product user customer 产品 商品 产品名称 商品名称 品名 问题 提问 问 "
    "指令 提示词 客户 顾客 买家"
)
_POINTS = "points selling_points features highlights 卖点 产品卖点 特点 要点"
_REPLIES = (
    "reply narration response output completion answer pitch text script content assistant chosen voiceover "
    "body 文案 正文 回答 内容 脚本 口播 口播稿 台词 旁白 解说 解说词 回复 答案 答 文本"
)
TITLES, REQUESTS, REPLIES = _TITLES.split(), _REQUESTS.split(), _REPLIES.split()
DETAILS = (_POINTS.split(), ["input"])
LARGEST_BYTES, LARGEST_XML_BYTES, MOST_FILES = 100_000_000, 40_000_000, 10_000  # in an Office file, unpacked
MOST_PARTS = 20_000  # rows, records, paragraphs or cues that are read of a file


@dataclass(frozen=True)
class Record:
    """A record's topic and text, "" where it has none.

    `whole`: it answers a request, so that a part of it would be no answer; `system`: it came with a system
    prompt; `left`: turns of its talk that are not in its topic; `thought`: it came with a model's reasoning.
    """

    topic: str = ""
    reply: str = ""
    whole: bool = False
    system: bool = False
    left: int = 0
    thought: bool = False


def key(name: object) -> str:
    """A column's or field's name as the lists above write it."""
    return re.sub(r"[\s_-]+", "_", str(name).strip().casefold())


def text_of(value: Any, between: str = "\n") -> str:
    """The text of a field: a string, a number, a part of a message but of reasoning, or a list of these."""
    if isinstance(value, list):
        return between.join(filter(None, (text_of(one) for one in value if not isinstance(one, list))))
    if isinstance(value, dict):
        if key(value.get("type")) in FIELDS:
            return ""
        value = next((value[name] for name in ("text", "content", "value") if value.get(name)), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def named(fields: Mapping[str, Any]) -> Record:
    """The record of named fields: the topic, after a colon its points or its input, and the first reply."""
    name, topic = _first(fields, [*TITLES[:1], *REQUESTS, *TITLES[1:]])
    details = [_first(fields, [one for one in names if one != name])[1] for names in DETAILS]
    written = _first(fields, REPLIES)[1]
    reply = spoken(written)
    return Record(
        ": ".join(filter(None, (topic, *details))),
        reply,
        whole=name in REQUESTS or any(details),
        thought=reply != written or thinks(fields),
    )


def thinks(fields: Mapping[str, Any]) -> bool:
    """Whether a record or a message holds reasoning in a field or a part of its own."""
    parts = fields.get("content")
    return any(fields.get(name) for name in FIELDS) or (
        isinstance(parts, list)
        and any(isinstance(part, dict) and key(part.get("type")) in FIELDS for part in parts)
    )


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> tuple[str, str]:
    said = ((name, text_of(fields.get(name), "\n" if name in REPLIES else ", ")) for name in names)
    return next((one for one in said if one[1]), ("", ""))


def cleaned(path: Path, records: Sequence[Record], choices: TextCleaning) -> Iterator[Found]:
    """The records' pairs, cleaned; texts that may be split are, to the chosen length. Then what is told."""
    records = yield from taken(path, records)
    names = speakers("\n".join(record.reply for record in records))
    for record in records:
        text = flowing(clean(record.reply, choices, names))
        topic = clean(record.topic, choices)
        parts = [text] if record.whole else parted(text, choices.seconds)
        yield from ((topic, part) for part in parts)
    yield from not_learnt(path, records)


def not_learnt(path: Path, records: Sequence[Record]) -> Iterator[Mistake]:
    """What of the records isn't learnt."""
    if empty := sum(not record.reply for record in records):
        yield Mistake(
            "Left out of {name}, as without a text or an answer: {count}.", name=path.name, count=empty
        )
    if thoughts := sum(record.thought for record in records):
        yield unspoken(path, thoughts)
    if systems := sum(record.system for record in records):
        yield Mistake(
            "System prompts of {name} that are not learnt, as the studio asks in words of its own: {count}.",
            name=path.name,
            count=systems,
        )
    if cut := sum(record.left > 0 for record in records):
        yield Mistake(
            "Answers of {name} that stand without all of the talk before them: {count}; earlier_turns says "
            "how much of it is kept.",
            name=path.name,
            count=cut,
        )


def unspoken(path: Path, thoughts: int) -> Mistake:
    """Tells of a model's reasoning that a file held."""
    return Mistake(
        "A model's reasoning in {name} that is not learnt, as nobody says it: {count}.",
        name=path.name,
        count=thoughts,
    )


def taken(path: Path, parts: Sequence[PartT]) -> Generator[Mistake, None, Sequence[PartT]]:
    """The first `MOST_PARTS` of what a file holds; tells where there is more."""
    if len(parts) > MOST_PARTS:
        yield Mistake(
            "{name} holds more than {most} rows, records, paragraphs or cues; only the first are read.",
            name=path.name,
            most=MOST_PARTS,
        )
    return parts[:MOST_PARTS]


def archive(path: Path, raw: bytes) -> None:
    """Raises Mistake where an Office file isn't whole, or unpacks to more than the studio reads."""
    reason = ""
    try:
        if raw.count(b"PK\x01\x02") > MOST_FILES:  # before each of them takes memory
            raise unopened(path, "too large")
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            entries = file.infolist()
            xml = [entry.file_size for entry in entries if entry.filename.endswith((".xml", ".rels"))]
            if sum(entry.file_size for entry in entries) > LARGEST_BYTES or sum(xml) > LARGEST_XML_BYTES:
                reason = "too large"
            elif file.testzip() is not None:
                reason = "damaged"
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError):
        reason = "damaged"
    if reason:
        raise unopened(path, reason)


def unopened(path: Path, reason: str) -> Mistake:
    """A file that its library can't read."""
    return Mistake(
        "{name} can't be opened ({reason}); save it again, or as plain text (.txt).",
        name=path.name,
        reason=reason,
    )
