"""Plain text, Markdown and Word documents as (topic, text) pairs.

A blank line parts samples; a heading or a first line `Topic: …` is their topic, and a question with its
answer makes a pair. A transcript (lines that open with times) is one speech, and subtitles are read as such,
whatever the file's ending says. Lines are cleaned before they are joined; a text much longer than the chosen
spoken length is split.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.settings.data import TextCleaning
from core.texts import subtitles, tables
from core.texts.cleaning import clean, is_transcript, speakers, tight
from core.texts.letters import DENSE
from core.texts.reasoning import spoken
from core.texts.records import MOST_PARTS, Found, Pair, archive, taken, unopened, unspoken
from core.texts.speech import parted, run_on

_HEADED = re.compile(r"(?i)^(?:topic|title|prompt|主题|标题)\s*[:：]\s*(.+)$")
_ASKED = re.compile(r"(?i)^(?:q|question|customer|问|问题|客户|顾客|买家)\s*[:：]\s*(.+)$")
_ANSWERED = re.compile(r"(?i)^(?:a|answer|reply|shop|答|回答|客服|店主|卖家)\s*[:：]\s*")

_MARKDOWN = re.compile(
    r"(?m)^#{1,6}[ \t]+[^#\n]+#*[ \t]*$|\A---\n(?:.*\n)*?---$|^```"
    r"|\[[^\]\n]{1,300}\]\((?:https?:|[./#])[^)\n]{0,2000}\)"
)


def plain(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """A blank line parts samples; where there is none, each line is one. `Topic: …` may open a sample.

    Subtitles, and a transcript of one person, are passages of speech instead.
    """
    said = spoken(text)
    if said != text:
        yield unspoken(path, 1)
    yield from _plain(path, said, choices)


def _plain(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    if ending := subtitles.ending(text):
        yield from (subtitles.styled if ending == ".ass" else subtitles.timed)(path, text, choices)
        return
    names = speakers(text)
    said = clean(text, choices, names)
    answered = any(_ANSWERED.match(line) for line in said.split("\n"))
    if is_transcript(text) and not names and not answered:
        yield from (("", passage) for passage in run_on(said.split("\n"), choices.seconds))
        return
    blocks = said.split("\n\n")
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
    yield from ((topic, part) for part in parted(block, choices.seconds))


def _answers(block: str) -> Iterator[Pair]:
    """Each `Q: …` with the `A: …` lines below it."""
    topic, said = "", list[str]()
    for line in block.split("\n"):
        if question := _ASKED.match(line.strip()):
            if said:
                yield topic, "\n".join(said)
            topic, said = question[1], []
        else:
            said.append(_ANSWERED.sub("", line.strip()))
    if said:
        yield topic, "\n".join(said)


def markdown(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """Paragraphs under their nearest heading, their topic; code, tables and front matter are dropped."""
    said = spoken(text)
    if said != text:
        yield unspoken(path, 1)
    yield from _markdown(said, choices)


def _markdown(text: str, choices: TextCleaning) -> Iterator[Pair]:
    text = _without_code(re.sub(r"\A---\n.*?\n---\n", "", tight(text), flags=re.DOTALL))
    text = unmarked(re.sub(r"!\[[^\]]{0,300}\]\([^)]{0,2000}\)", "", text))
    names = speakers(text)
    topic = ""
    for block in re.split(r"\n\s*\n|(?m:(?<=\n)(?=#{1,6}\s))", text):
        lines = block.strip().split("\n")
        if heading := re.match(r"#{1,6}\s+(.+)", lines[0]):
            topic, lines = clean(heading[1].rstrip("# "), choices), lines[1:]
        lines = [re.sub(r"^\s*(?:>+|[-*+]|\d+[.)])\s+", "", line) for line in lines]
        body = "\n".join(line for line in lines if not re.fullmatch(r"\|.*|[-*_=\s]*", line.strip()))
        if said := clean(body, choices, names):
            yield from _block(said, choices, topic)


def unmarked(text: str) -> str:
    """Markdown without the marks of links and of bold, slanted and crossed-out words; the words stay."""
    text = re.sub(r"\[([^\]]{1,300})\]\([^)]{0,2000}\)", r"\1", text)
    text = re.sub(r"(\*\*|__|~~|`)(.{1,300}?)\1", r"\2", text)
    return re.sub(r"(?<!\w)([*_])(\S.{0,300}?\S|\S)\1(?!\w)", r"\2", text)


def _without_code(text: str) -> str:
    """The lines that stand outside of fences; one that is never closed is a line like any other."""
    kept, fenced, fence = list[str](), list[str](), ""
    for line in text.split("\n"):
        if fence and line.rstrip() == fence:
            fenced, fence = [], ""
        elif fence:
            fenced.append(line)
        elif line.startswith(("```", "~~~")):
            fenced, fence = [line], line[:3]
        else:
            kept.append(line)
    return "\n".join([*kept, *fenced])


def is_markdown(text: str) -> bool:
    """True where a text has a heading, front matter, code, a link, or bold words in parted paragraphs."""
    text = tight(text)
    return bool(_MARKDOWN.search(text)) or ("\n\n" in text and bool(re.search(r"\*\*[^*\n]+\*\*", text)))


def docx(path: Path, raw: bytes, choices: TextCleaning) -> Iterator[Found]:
    """A Word document: paragraphs under their heading, and its tables.

    An empty paragraph parts samples; where there is none, each paragraph is one. Subtitles and transcripts
    are read as in plain text. Raises Mistake where it can't be opened.
    """
    parts = yield from taken(path, parts_of(path, raw))
    texts = [part.text for part in parts if part.rows is None]
    whole = "\n".join(texts)
    as_plain = subtitles.ending(whole) or is_transcript(whole) or spoken(whole) != whole
    if len(texts) == len(parts) and as_plain:
        yield from plain(path, whole, choices)
        return
    names = speakers(whole)
    gaps = any(not text.strip() for text in texts[:-1])
    topic, block = "", list[str]()

    def done() -> Iterator[Pair]:
        if block:
            yield from _block("\n".join(block), choices, topic)
            block.clear()

    for part in parts:
        if part.rows is not None:
            yield from done()
            yield from tables.found(path, part.rows, choices)
        elif not part.text.strip():
            yield from done()
        elif not (said := clean(part.text, choices, names)):
            continue
        elif part.heading:
            yield from done()
            topic = said
        else:
            if not gaps and not _answers_to(block, said):
                yield from done()
            block.append(said)
    yield from done()


@dataclass(frozen=True)
class Part:
    """A Word document's paragraph, or a table's rows of cells."""

    text: str = ""
    heading: bool = False
    rows: list[list[str]] | None = None


def parts_of(path: Path, raw: bytes) -> list[Part]:
    """A document's paragraphs and tables in order, at most one more than are read.

    Raises Mistake for a damaged one.
    """
    from docx import Document

    archive(path, raw)
    try:
        parts = itertools.islice(Document(io.BytesIO(raw)).iter_inner_content(), MOST_PARTS + 1)
        return [_part(part) for part in parts]
    except Exception as error:  # of a damaged one python-docx raises errors of many kinds
        raise unopened(path, type(error).__name__) from None


def _part(part: Any) -> Part:
    from docx.table import Table, _Cell

    if isinstance(part, Table):
        # A row's own cells: `row.cells` gives one as often as it says that it spans columns.
        rows = itertools.islice(part._tbl.tr_lst, MOST_PARTS)
        return Part(rows=[[_Cell(cell, part).text.strip() for cell in row.tc_lst] for row in rows])
    name = part.style.name if part.style is not None else ""
    return Part(part.text, bool(name and re.match(r"(?i)heading|title|subtitle|标题", name)))


def _answers_to(block: Sequence[str], said: str) -> bool:
    return bool(block and _ASKED.match(block[0]) and not _ASKED.match(said))
