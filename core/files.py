"""Opens what a person names or left in a folder: a regular file, and no more of it than asked for.

A pipe waits for ever and a device never ends. Knows nothing about what a file holds.
"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

from core.encodings import mended
from core.messages import Mistake

MEGABYTE = 1_000_000
LARGEST_NOTE = 100 * MEGABYTE
# A table gives no such name back as it was: line ends and other control signs, bytes that are no UTF-8.
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd\ud800-\udfff]|\s$")


def contents(path: Path, most: int) -> bytes:
    """The bytes of a regular file.

    Raises Mistake where there is none, where it may not be read, and where it has more than `most` bytes.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Mistake("{path} is a folder, a pipe or a device; give the name of a file.", path=path)
        with path.open("rb") as file:
            raw = file.read(most + 1) if found.st_size <= most else None
    except FileNotFoundError:
        raise Mistake("There is no file {path}; check the name.", path=path) from None
    except OSError as error:
        raise Mistake("{path} can't be read ({reason}).", path=path, reason=error.strerror) from None
    except ValueError:  # NUL in a name
        raise Mistake("There is no file {path}; check the name.", path=path) from None
    if raw is None or len(raw) > most:
        raise Mistake(
            "{path} is larger than {most} MB; split it, or take a part of it.",
            path=path,
            most=f"{most / MEGABYTE:g}",
        )
    return raw


def note(path: Path) -> Any:
    """The value in a JSON file of the studio's own; None where there is none, or a damaged one."""
    try:
        return json.loads(contents(path, LARGEST_NOTE))
    except (Mistake, ValueError, RecursionError):
        return None


def is_text(path: Path) -> bool:
    """Whether a path can be written into a file; bytes of a name that are no UTF-8, and NUL, can't."""
    return not re.search(r"[\x00\ud800-\udfff]", str(path))


def nameable(path: Path) -> bool:
    """Whether a table of names gives this one back as it is, and not put right."""
    return not _UNNAMEABLE.search(str(path)) and mended(path.name) == path.name


def within(folder: Path, path: Path) -> bool:
    """Whether a file is in a folder, also where links on the way to it lead."""
    return path.resolve().is_relative_to(folder.resolve())
