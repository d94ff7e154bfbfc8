"""Tables (csv, tsv, xlsx, those of Word documents) as (topic, text) pairs, by the names of their columns."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.encodings import Table, table
from core.messages import Mistake
from core.settings.data import TextCleaning
from core.texts.records import (
    MOST_PARTS,
    REPLIES,
    REQUESTS,
    TITLES,
    Found,
    Record,
    archive,
    cleaned,
    key,
    named,
    unopened,
)

MOST_COLUMNS, MOST_SHEETS = 100, 50
_QUOTED = re.compile(r'(?:[^",]*|"(?:[^"]|"")*"),\s*"(?:[^"]|"")*"\s*')  # topic,"text"


def separated(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """A csv or tsv table. Raises Mistake where it is no table, or has no column of texts."""
    read = read_table(path, text)
    yield from read.problems(path.name)
    yield from found(path, read.rows, choices)


def read_table(path: Path, text: str) -> Table:
    """The rows of a csv or tsv table. Raises Mistake where it is none."""
    try:
        return table(text)
    except csv.Error as error:
        raise Mistake(
            "{path} is no table ({reason}); save it as CSV UTF-8.", path=path, reason=error
        ) from None


def xlsx(path: Path, raw: bytes, choices: TextCleaning) -> Iterator[Found]:
    """Every sheet of an Excel workbook that has a column with texts, formulas by their last results.

    Raises Mistake where it can't be opened, or no sheet has one.
    """
    records: list[Record] = []
    without: Mistake | None = None
    for rows in sheets(path, raw):
        try:
            records += _records(path, rows)
        except Mistake as mistake:
            without = without or mistake
    if without and not records:
        raise without
    return cleaned(path, records, choices)


def sheets(path: Path, raw: bytes) -> list[list[list[str]]]:
    """The rows of a workbook's sheets that aren't empty, each up to `MOST_COLUMNS`.

    Raises Mistake for a damaged workbook. openpyxl fills the gap before a cell that stands in row
    2,000,000,000: it is asked for few more rows than are read.
    """
    from openpyxl import load_workbook

    archive(path, raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            bounds = {"max_row": MOST_PARTS + 2, "max_col": MOST_COLUMNS, "values_only": True}
            return [
                [_cells(row) for row in sheet.iter_rows(**bounds) if any(row)]
                for sheet in book.worksheets[:MOST_SHEETS]
            ]
    except Exception as error:  # of a damaged one openpyxl raises errors of many kinds
        raise unopened(path, type(error).__name__) from None


def _cells(row: Sequence[Any]) -> list[str]:
    """A row's values as text, without empty cells at its end."""
    cells = ["" if value is None else str(value).strip() for value in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def is_separated(lines: Sequence[str]) -> bool:
    """True where lines are a csv table: known names in the first, or topics with quoted texts in all."""
    try:
        rows = table("\n".join(lines)).rows
    except csv.Error:
        return False
    header = {key(cell) for cell in rows[0]} if rows else set()
    known = header & {*REPLIES, *REQUESTS, *TITLES}
    names = len(header) > 1 and header & set(REPLIES) and len(known) >= 0.5 * len(header)
    if len(rows) > 1 and names and not re.search(r"[.!?…。！？]\s*$", lines[0]):
        return True
    return len(lines) > 1 and all(_QUOTED.fullmatch(line) for line in lines)


def found(path: Path, rows: Sequence[Sequence[str]], choices: TextCleaning) -> Iterator[Found]:
    """A table's pairs, cleaned. Raises Mistake where no column is known to hold the texts."""
    return cleaned(path, _records(path, rows), choices)


def _records(path: Path, rows: Sequence[Sequence[str]]) -> list[Record]:
    """A record a row, by the usual names; two columns without a known name, or one of texts, have none."""
    if not rows:
        return []
    header = [key(cell) for cell in rows[0]]
    if not set(header) & set(REPLIES):
        if set(header) & {*TITLES, *REQUESTS} or len(header) > 2:
            raise Mistake(
                "{path} has no column with the texts; name its columns topic and reply in the first line.",
                path=path,
            )
        header = ["topic", "reply"] if len(header) == 2 else ["reply"]
    else:
        rows = rows[1:]
    return [named(_fields(header, row)) for row in rows if any(map(str.strip, row))]


def _fields(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    """A row's cells by name; what commas without quotes parted is the last's, equal names are the first's."""
    last = len(header) - 1
    cells = [*row[:last], ", ".join(row[last:])]
    return dict(reversed(list(zip(header, cells, strict=False))))
