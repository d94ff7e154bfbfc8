"""What a disk does to a write: full, read-only, forbidden, gone. Told in one sentence that names the folder.

The atomic writer (core.project) and the borders to a person (the command line, the runner, the window's
handlers) ask here, so that no command has to think of it. Only the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.messages import Mistake

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
GONE = {errno.ENOENT, errno.ESTALE, errno.ENODEV, errno.ENXIO}
IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY}


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there: on its disk the path would be written."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def mistake(error: BaseException, path: Path | None = None) -> Mistake | None:
    """An error of the disk as a Mistake; None for any other error, and for a Mistake.

    `path`: the file or folder that was written, where the error itself doesn't name another one.
    """
    code = _code(error)
    if code is None or isinstance(error, Mistake):
        return None
    at = path or _named(error) or _fullest()
    with contextlib.suppress(OSError):  # of a working folder that is gone
        at = at.absolute()
    folder = at if os.path.isdir(at) else at.parent
    if code in NO_ROOM:
        return Mistake(
            "There is no room left on the disk of {folder}; make some there or choose another folder, and "
            "start again.",
            folder=folder,
        )
    if code in FORBIDDEN and path is None and os.path.isfile(at) and not os.access(at, os.R_OK):
        return Mistake("{path} can't be read; change its permissions.", path=at)
    if code in FORBIDDEN:
        return Mistake(
            "{folder} can't be written to; choose another folder or change its permissions.", folder=folder
        )
    if code in GONE:
        gone = at if os.path.isdir(at.parent) else at.parent
        return Mistake("{path} is no longer there; put it back or choose another folder.", path=gone)
    if code in IN_THE_WAY:
        return Mistake(
            "{path} can't be written where a file or folder stands in its way; choose another name.", path=at
        )
    if code == errno.ENAMETOOLONG:
        return Mistake("The name {name} is too long for the disk; choose a shorter one.", name=at.name)
    if code == errno.EIO:
        return Mistake("The disk of {folder} gives errors; check it or choose another folder.", folder=folder)
    return None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """For what is written in place, such as a log: raises Mistake for what the disk of `path` does to it."""
    try:
        yield
    except OSError as error:
        raise mistake(error, path) or error from error


def while_writing(error: BaseException, path: Path, part: Path) -> Mistake | None:
    """The Mistake for an error in writing `path`, of which `part` is what there is so far.

    Some libraries keep the reason to themselves (Pillow says "encoder error -2"): then it is tried whether
    `part` takes one more block.
    """
    if isinstance(error, Mistake):
        return None
    named = _named(error)
    if named is not None and not {path, part} & {named, *named.parents}:
        return mistake(error)  # of what is read
    if isinstance(error, FileNotFoundError) and os.path.isdir(path.parent):
        return None  # no disk's: nothing was written
    if _code(error) is None:
        try:
            with (part / "more" if part.is_dir() else part).open("ab") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        except OSError as reason:
            error = reason
    return mistake(error, path)


def _named(error: BaseException) -> Path | None:
    """The file that an error names."""
    named = getattr(error, "filename", None)
    return Path(os.fsdecode(named)) if isinstance(named, str | bytes) else None


def _code(error: BaseException) -> int | None:
    """The system's number for an error, also where it is told in words (Rust, ffmpeg, a Python)."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = str(error)
    if number := re.search(r"\bos error (\d+)\)|\bOs { code: (\d+),|\[Errno (\d+)\]", said):
        return int(next(filter(None, number.groups())))
    return next((code for code in (*NO_ROOM, errno.EROFS) if os.strerror(code) in said), None)


def _fullest() -> Path:
    """The folder most likely meant where an error names none: that with the least room."""
    places = [Path(os.curdir)]
    with contextlib.suppress(OSError):
        places.append(Path(tempfile.gettempdir()))
    return min(places, key=_free)


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # it is gone
        return 0
