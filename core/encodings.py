"""Text of an unknown encoding: UTF-8 with or without a mark, UTF-16 with one, GB18030, Windows Western.

Works on bytes alone; knows nothing about what the text is for. Only the standard library.
"""

from __future__ import annotations

import codecs
import re


def decoded(raw: bytes) -> str:
    """The text of `raw` without its byte order mark, lines ended by a line feed.

    Bytes that are not UTF-8 are GB18030 where most stand in pairs, as Chinese characters do, and Windows
    Western (cp1252) where they stand alone between plain letters.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode(_legacy(raw), errors="replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _legacy(raw: bytes) -> str:
    runs = re.findall(rb"[\x80-\xff]+", raw)
    return "gb18030" if sum(map(len, runs)) >= 1.5 * len(runs) else "cp1252"
