"""Text and tables as other programs write them: encodings and separators are found out, not asked for.

Works on bytes and strings alone; knows nothing about what they are for. Only the standard library.
"""

from __future__ import annotations

import codecs
import csv
import re


def decoded(raw: bytes) -> str:
    """The text of `raw` without its byte order mark, lines ended by a line feed.

    UTF-8; UTF-16 where its mark stands first; else GB18030 (which holds GBK) where most of the bytes above
    127 stand in pairs, as in Chinese, and Windows Western (cp1252) where they stand alone between letters.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode(_legacy(raw), errors="replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _legacy(raw: bytes) -> str:
    runs = re.findall(rb"(?:[\x81-\xfe][0-9]){2}|[\x80-\xff]+", raw)  # the former: four-byte GB18030
    return "gb18030" if sum(map(len, runs)) >= 1.5 * len(runs) else "cp1252"


def table(text: str) -> tuple[list[list[str]], str]:
    """(rows of a CSV text, its separator): comma, semicolon or tab, whichever its first line has most of.

    Blank lines and Excel's `sep=;` line are passed over. Raises csv.Error.
    """
    lines = [f"{line}\n" for line in text.split("\n") if line.strip()]
    if lines and re.fullmatch(r"sep=.\n", lines[0]):
        lines = lines[1:]
    separator = max(",;\t", key=lines[0].count) if lines else ","
    return list(csv.reader(lines, delimiter=separator, skipinitialspace=True)), separator
