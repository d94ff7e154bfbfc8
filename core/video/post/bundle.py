"""A zip with all that a film is posted with, and all that made it but models.

The storyboard in it names its pictures, clips and music beside it, so that it opens elsewhere; neither it nor
the report names a place on this machine.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from core.files import contents
from core.messages import Mistake, attempt
from core.project import replacing
from core.video.storyboard import file
from core.video.storyboard.board import Storyboard

MATERIAL = "material"
MOST_REPORT = 20_000_000  # bytes
PACKED = {".txt", ".srt", ".ass", ".yaml", ".json"}  # what zip makes smaller


def bundled(target: Path, parts: Mapping[str, Path], board: Storyboard, report: Path) -> Path:
    """Writes the zip; returns its path.

    parts: what goes in as it is, by its name there; those that aren't there are left out. Raises Mistake for
    what a full disk does.
    """
    material = named(materials(board))
    elsewhere = {str(path): f"{MATERIAL}/{name}" for name, path in material.items()}
    shown = Storyboard.model_validate(_told(board.model_dump(mode="json"), elsewhere))
    with replacing(target) as part, zipfile.ZipFile(part, "w") as zipped:
        for name, path in {**parts, **{f"{MATERIAL}/{one}": path for one, path in material.items()}}.items():
            if path.is_file():
                kind = zipfile.ZIP_DEFLATED if path.suffix in PACKED else zipfile.ZIP_STORED
                zipped.write(path, name, kind)
        zipped.writestr("storyboard.yaml", file.dump(shown), zipfile.ZIP_DEFLATED)
        if report.is_file() and not isinstance(said := attempt(lambda: _read(report)), Mistake):
            values = json.dumps(_told(said, elsewhere), indent=1, ensure_ascii=False)
            zipped.writestr("report.json", values, zipfile.ZIP_DEFLATED)
    return target


def materials(board: Storyboard, gone: bool = False) -> list[Path]:
    """The pictures, clips and music of a person's own that a storyboard names; `gone`: also if they are."""
    own = [one.picture for one in board.scenes] + [one.picture for one in board.subjects]
    return [
        path for path in dict.fromkeys([*own, board.film.music_file]) if path and (gone or path.is_file())
    ]


def named(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their names, each another one."""
    found: dict[str, Path] = {}
    for path in paths:
        name, number = path.name, 2
        while name.lower() in map(str.lower, found):
            name, number = f"{path.stem}-{number}{path.suffix}", number + 1
        found[name] = path
    return found


def _read(report: Path) -> Any:
    try:
        return json.loads(contents(report, MOST_REPORT))
    except ValueError as error:
        raise Mistake("{path} can't be read ({reason}).", path=report, reason=error) from None


def _told(value: Any, elsewhere: Mapping[str, str]) -> Any:
    """The same without places on this machine: what is packed by its name there, all else by its name."""
    if isinstance(value, dict):
        return {name: _told(one, elsewhere) for name, one in value.items()}
    if isinstance(value, list):
        return [_told(one, elsewhere) for one in value]
    if not isinstance(value, str) or "\n" in value:
        return value
    if value in elsewhere:
        return elsewhere[value]
    if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
        return PureWindowsPath(value).name
    return value
