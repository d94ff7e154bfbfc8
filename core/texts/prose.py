"""Plain text, Markdown and Word documents as (topic, text) pairs.

A blank line parts samples; a heading or a first line `Topic: …` is their topic, and a question with its
answer makes a pair. A text much longer than the chosen spoken length is split. Knows nothing about cleaning.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.settings import TextCleaning
from core.texts.records import Pair, archive, pairs, unopened
from core.texts.speech import DENSE, passages, sentences, spoken_seconds

WHOLE = 2.5  # times the chosen length up to which a text that stands alone isn't split

_HEADED = re.compile(r"(?i)^(?:topic|title|prompt|主题|标题)\s*[:：]\s*(.+)$")
_ASKED = re.compile(r"(?i)^(?:q|question|customer|问|问题|客户|顾客|买家)\s*[:：]\s*(.+)$")
_ANSWERED = re.compile(r"(?i)^(?:a|answer|reply|shop|答|回答|客服|店主|卖家)\s*[:：]\s*")


def plain(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """A blank line parts samples; where there is none, each line is one. `Topic: …` may open a sample."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
    if len(blocks) == 1:
        lines = [line.strip() for line in blocks[0].split("\n") if line.strip()]
        if not any(_ANSWERED.match(line) for line in lines[1:]):
            blocks = lines if _one_a_line(lines) else [" ".join(lines)]
    for block in blocks:
        yield from _block(block, choices)


def _one_a_line(lines: Sequence[str]) -> bool:
    """True where lines are texts of their own; a text wrapped at some column breaks inside its sentences."""
    ended = sum(1 for line in lines if re.search(r"[.!?…。！？~”\"']$", line))
    return len(lines) >= 2 and (ended >= 0.7 * len(lines) or all(DENSE.search(line) for line in lines))


def _block(block: str, choices: TextCleaning, topic: str = "") -> Iterator[Pair]:
    first, _, rest = block.partition("\n")
    if (headed := _HEADED.match(first)) and rest.strip():
        topic, block = headed[1], rest.strip()
    elif _ASKED.match(first) and _ANSWERED.search(rest.strip()):
        yield from _answers(block)
        return
    if spoken_seconds(block) <= WHOLE * choices.seconds:
        yield topic, block
    else:
        yield from ((topic, passage) for passage in passages(sentences(block), choices.seconds))


def _answers(block: str) -> Iterator[Pair]:
    """Each `Q: …` with the `A: …` lines below it."""
    asked, said = "", list[str]()
    for line in block.split("\n"):
        if question := _ASKED.match(line.strip()):
            if said:
                yield asked, "\n".join(said)
            asked, said = question[1], []
        else:
            said.append(_ANSWERED.sub("", line.strip()))
    if said:
        yield asked, "\n".join(said)


def markdown(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """Paragraphs under their nearest heading, their topic; code, tables and front matter are dropped."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"(?ms)^(```|~~~).*?^\1\s*$", "", text)
    text = re.sub(r"!\[[^\]]{0,300}\]\([^)]{0,2000}\)", "", text)
    text = re.sub(r"\[([^\]]{1,300})\]\([^)]{0,2000}\)", r"\1", text)
    text = re.sub(r"(\*\*|__|~~|`)(.{1,300}?)\1", r"\2", text)
    text = re.sub(r"(?<!\w)([*_])(\S.{0,300}?\S|\S)\1(?!\w)", r"\2", text)
    topic = ""
    for block in re.split(r"\n\s*\n|(?m:(?<=\n)(?=#{1,6}\s))", text):
        lines = block.strip().split("\n")
        if heading := re.match(r"#{1,6}\s+(.+?)\s*#*$", lines[0]):
            topic, lines = heading[1], lines[1:]
        lines = [re.sub(r"^\s*(?:>+|[-*+]|\d+[.)])\s+", "", line) for line in lines]
        body = "\n".join(line for line in lines if not re.fullmatch(r"\s*(?:\|.*|[-*_=\s]*)", line))
        if body.strip():
            yield from _block(body.strip(), choices, topic)


def docx(path: Path, raw: bytes, choices: TextCleaning) -> Iterator[Pair]:
    """A Word document: paragraphs under their heading, and its tables.

    An empty paragraph parts samples; where there is none, each paragraph is one.
    """
    from docx import Document
    from docx.table import Table

    archive(path, raw)
    try:
        parts = list(Document(io.BytesIO(raw)).iter_inner_content())
    except (KeyError, ValueError, LookupError, SyntaxError, zipfile.BadZipFile, OSError) as error:
        raise unopened(path, type(error).__name__) from None
    texts = [part for part in parts if not isinstance(part, Table)]
    gaps = any(not part.text.strip() for part in texts[:-1])
    topic, block = "", list[str]()

    def done() -> Iterator[Pair]:
        if block:
            yield from _block("\n".join(block), choices, topic)
            block.clear()

    for part in parts:
        if isinstance(part, Table):
            yield from done()
            yield from pairs(path, [[cell.text.strip() for cell in row.cells] for row in part.rows])
        elif not (said := part.text.strip()):
            yield from done()
        elif _is_heading(part):
            yield from done()
            topic = said
        else:
            if not gaps and not _answers_to(block, said):
                yield from done()
            block.append(said)
    yield from done()


def _is_heading(paragraph: Any) -> bool:
    name = paragraph.style.name if paragraph.style is not None else ""
    return bool(name and re.match(r"(?i)heading|title|subtitle|标题", name))


def _answers_to(block: Sequence[str], said: str) -> bool:
    return bool(block and _ASKED.match(block[0]) and not _ASKED.match(said))
