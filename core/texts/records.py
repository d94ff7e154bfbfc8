"""Tables (csv, xlsx) and JSON (alpaca, sharegpt, OpenAI messages) as (topic, text) pairs.

Columns and fields are found by the names that people and programs give them. Knows nothing about cleaning.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.encodings import table
from core.jobs import Mistake
from core.settings import TextCleaning

Pair = tuple[str, str]
"""(topic, reply); the topic is "" where the source has none."""

_TOPIC_NAMES = "topic prompt instruction input question product title user 主题 产品 商品 标题 问题"
_POINT_NAMES = "points selling_points features highlights 卖点 特点 要点"
_REPLY_NAMES = (
    "reply narration response output completion answer pitch text script content assistant 文案 正文 回答"
)
TOPIC_COLUMNS, REPLY_COLUMNS = _TOPIC_NAMES.split(), _REPLY_NAMES.split()
POINT_COLUMNS = _POINT_NAMES.split()
LARGEST_BYTES = 100_000_000  # of an Office file, unpacked
ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "model": "assistant"}


def archive(path: Path, raw: bytes) -> None:
    """Raises Mistake where an Office file isn't whole, or unpacks to more than `LARGEST_BYTES`."""
    reason = ""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            if sum(entry.file_size for entry in file.infolist()) > LARGEST_BYTES:
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


def separated(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """A csv or tsv table."""
    try:
        rows, _ = table(text)
    except csv.Error as error:
        raise Mistake(
            "{path} is no table ({reason}); save it as CSV UTF-8.", path=path, reason=error
        ) from None
    return pairs(path, rows)


def xlsx(path: Path, raw: bytes, choices: TextCleaning) -> Iterator[Pair]:
    """Every sheet of an Excel workbook that has a column with texts, formulas by their last results."""
    from openpyxl import load_workbook

    archive(path, raw)
    try:
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheets = [[_cells(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    except (KeyError, ValueError, TypeError, LookupError, SyntaxError, AttributeError, zipfile.BadZipFile,
            OSError, EOFError) as error:  # fmt: skip
        raise unopened(path, type(error).__name__) from None
    found: list[Pair] = []
    without: Mistake | None = None
    for rows in sheets:
        try:
            found += pairs(path, [row for row in rows if row])
        except Mistake as mistake:
            without = without or mistake
    if without and not found:
        raise without
    return iter(found)


def _cells(row: Sequence[Any]) -> list[str]:
    """A row's values as text, without empty cells at its end."""
    cells = ["" if value is None else str(value).strip() for value in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def pairs(path: Path, rows: Sequence[Sequence[str]]) -> Iterator[Pair]:
    """A prompt and a reply column by their usual names; two columns without a known name, or one of texts."""
    if not rows:
        return
    header = [cell.strip().casefold() for cell in rows[0]]
    topic_at = next((header.index(name) for name in TOPIC_COLUMNS if name in header), None)
    points_at = next((header.index(name) for name in POINT_COLUMNS if name in header), None)
    reply_at = next((header.index(name) for name in REPLY_COLUMNS if name in header), None)
    if reply_at is None:
        if topic_at is not None or len(header) > 2:
            raise Mistake(
                "{path} has no column with the texts; name its columns topic and reply in the first line.",
                path=path,
            )
        topic_at, reply_at = (0, 1) if len(header) == 2 else (None, 0)
    else:
        rows = rows[1:]
    for row in rows:
        if reply_at < len(row):
            cells = row[reply_at:] if reply_at == len(header) - 1 else [row[reply_at]]
            named = (row[at] for at in (topic_at, points_at) if at is not None and at < len(row))
            yield ": ".join(cell for cell in named if cell), ", ".join(cells)


def whole_json(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """A JSON array, or an object that holds one."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        yield from jsonl(path, text, choices)
        return
    if isinstance(values, dict):
        lists = [value for value in values.values() if isinstance(value, list)]
        single = any(name in values for name in ("messages", "conversations", *REPLY_COLUMNS))
        values = [values] if single or not lists else lists[0]
    for number, value in enumerate(values if isinstance(values, list) else [values], 1):
        yield from _said(path, number, value)


def jsonl(path: Path, text: str, choices: TextCleaning) -> Iterator[Pair]:
    """One JSON object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise Mistake(
                    "Line {line} of {path} is not JSON; each line must be one object.", line=number, path=path
                ) from None
            yield from _said(path, number, value)


def _said(path: Path, number: int, value: Any) -> list[Pair]:
    """(topic, reply) pairs of one record: messages, conversations, or named fields (alpaca and the like)."""
    if isinstance(value, str):
        return [("", value)]
    turns = value.get("messages") or value.get("conversations") if isinstance(value, dict) else None
    if isinstance(turns, list):
        return _turns(turns)
    if isinstance(value, dict):
        fields = {str(key).casefold(): text for key, text in value.items() if isinstance(text, str)}
        reply = next((fields[name] for name in REPLY_COLUMNS if fields.get(name)), "")
        topic = next((fields[name] for name in TOPIC_COLUMNS if fields.get(name)), "")
        if fields.get("instruction") and fields.get("input"):
            topic = f"{fields['instruction']}: {fields['input']}"
        if reply:
            return [(topic, reply)]
    raise Mistake(
        "Record {number} of {path} is no sample; it needs messages, or an instruction and an output.",
        number=number,
        path=path,
    )


def _turns(turns: Sequence[Any]) -> list[Pair]:
    found: list[Pair] = []
    asked = ""
    for turn in turns:
        if not isinstance(turn, dict):
            continue
        role = ROLES.get(str(turn.get("role") or turn.get("from")).casefold())
        text = turn.get("content") or turn.get("value") or ""
        if isinstance(text, list):
            text = " ".join(part.get("text", "") for part in text if isinstance(part, dict))
        if role == "user":
            asked = str(text)
        elif role == "assistant":
            found.append((asked, str(text)))
            asked = ""
    return found
