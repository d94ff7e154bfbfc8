"""Pictures that are taken into a folder: copied once, each under a name of its own.

Works on files, or folders of them, that a person names. Originals stay as they are.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.images.picture_file import Picture, SetAside
from core.images.picture_folder import check_all, picture_files
from core.messages import Mistake
from core.project import LONGEST_STEM, file_hash, replacing, shortened, unused


@dataclass(frozen=True)
class Imported:
    """What an import did: copies made, sources that were there already, and those set aside."""

    added: tuple[Path, ...]
    known: tuple[Path, ...]
    set_aside: tuple[SetAside, ...]


def import_pictures(sources: Iterable[Path], folder: Path) -> Imported:
    """Copies pictures (files, or folders of them) into `folder`; the originals stay as they are.

    A copy gets its format's own ending, whatever the source is called, so that every program knows it, and of
    its name what every disk and table takes. A picture whose bytes are there already is not copied again; a
    name, or a name up to its ending, that is taken gets a number, because `1.png` and `1.jpg` would share one
    caption file. Raises Mistake where a source doesn't exist.
    """
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += picture_files(source)
        elif source.exists():
            files.append(source)
        else:
            raise Mistake("There is no file or folder {path}; check the name.", path=source)
    folder.mkdir(parents=True, exist_ok=True)
    present = picture_files(folder)
    hashes = {file_hash(path) for path in present if path.is_file()}
    stems = {path.stem.casefold() for path in present if path.parent == folder}
    found = check_all(files)
    added, known = [], []
    for picture in found.pictures:
        digest = file_hash(picture.path)
        if digest in hashes:
            known.append(picture.path)
            continue
        target = _free(folder, picture, stems)
        with replacing(target) as part:
            shutil.copyfile(picture.path, part)
        hashes.add(digest)
        stems.add(target.stem.casefold())
        added.append(target)
    return Imported(tuple(added), tuple(known), found.set_aside)


def _free(folder: Path, picture: Picture, stems: set[str]) -> Path:
    """A name for the copy that is not taken; of a source's name only what can be an ending is dropped.

    And what hides a file (a dot in front), what is no sign to be seen, and what is too long.
    """
    shown = "".join(sign for sign in picture.path.name if sign.isprintable() and sign not in "/\\")
    named = re.sub(r"\.\w{1,12}$", "", shown) or shown
    own = shortened(named, LONGEST_STEM).strip(". ") or "picture"
    stem, number = own, 2
    while stem.casefold() in stems:
        stem = f"{own}-{number}"
        number += 1
    return unused(folder / f"{stem}{picture.ending}")
