"""Captions of a picture set: from its table, from files beside the pictures, from sd-scripts' folder names.

Places the table's rows on pictures that open, tells what is missing, left out or there twice, and never
touches a picture. Knows nothing about how captions are made or trained on.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.encodings import Decoded, decoded, shared
from core.files import contents
from core.images.caption_table import (
    LONGEST_CAPTION,
    METADATA,
    as_focus,
    find_metadata,
    first_names,
    one_line,
    read_focus,
    read_metadata,
    within_limit,
)
from core.images.picture_folder import check_all, hopeless, natural, some_pictures
from core.messages import Mistake

MIDDLE = (0.5, 0.5)
CAPTION_FILES = (".txt", ".caption")
LARGEST_CAPTION_BYTES = 1_000_000

# sd-scripts' folders `N_name`; a year is no number of repeats.
_SD_SCRIPTS = re.compile(r"(\d{1,3})_(.+)")


@dataclass(frozen=True)
class CaptionedImage:
    """A picture and its caption, "" for none; `repeats`: times an epoch, from sd-scripts' folder names.

    `focus`: the point that a cut to another shape keeps as near to its middle as it can, in shares of width
    and height from the top left.
    """

    path: Path
    caption: str
    repeats: int = 1
    focus: tuple[float, float] = MIDDLE


@dataclass(frozen=True)
class CaptionedSet:
    """Pictures that open, with captions, in natural order; `problems` are sentences for the person."""

    images: tuple[CaptionedImage, ...]
    problems: tuple[Mistake, ...]


def read_captions(
    folder: Path, metadata_path: Path | None = None, everything: bool = False, outside: bool = False
) -> CaptionedSet:
    """The pictures of `folder` with their captions.

    A metadata file (`metadata_path`, else metadata.csv or metadata.jsonl in the folder) decides which
    pictures belong to the set, as in Hugging Face's imagefolder; with `everything` the others do, too. Where
    it has no caption for a picture, or where there is no such file, the first line of a .txt or .caption file
    beside the picture is its caption, else the name part of an sd-scripts folder `N_name`. Pictures elsewhere
    than in `folder` and beside `metadata_path`, where names with `..` and links may lead, are left out, but
    with `outside`. Raises Mistake where no picture can be used.
    """
    problems: list[Mistake] = []
    metadata = metadata_path or find_metadata(folder)
    files = some_pictures(folder)
    if not outside:
        files = _inside(files, folder, metadata, problems)
    captions: dict[Path, str] = {}
    focus: dict[Path, tuple[float, float]] = {}
    chosen = files
    if metadata is not None:
        focus = _place_focus(metadata, folder, files, problems)
        placed = place_rows(read_metadata(metadata, problems), metadata, folder, files, problems)
        named = list(placed) if outside else _inside(placed, folder, metadata, problems)
        if placed and not named:
            raise problems[-1]
        captions = {path: placed[path] for path in named}
        if not everything:
            chosen = _named(captions, metadata, folder, files, problems)
    found = check_all(chosen)
    problems += [one.reason for one in found.set_aside]
    if not found.pictures:
        raise hopeless(folder, found.set_aside) if found.set_aside else problems[-1]
    bare = [one.path for one in found.pictures if not captions.get(one.path)]
    captions |= _own_captions(bare, problems)
    images = tuple(
        CaptionedImage(
            one.path,
            captions[one.path],
            _repeats(one.path),
            focus.get(one.path, MIDDLE),
        )
        for one in found.pictures
    )
    if without := [image.path for image in images if not image.caption]:
        problems.append(Mistake("Without a caption: {names}.", names=first_names(without)))
    return CaptionedSet(images, tuple(problems))


def _inside(
    pictures: Iterable[Path], folder: Path, metadata: Path | None, problems: list[Mistake]
) -> list[Path]:
    """The pictures in the folder or beside the metadata file; the others are told."""
    places = {folder.resolve(), (metadata or folder / METADATA).parent.resolve()}
    kept, beyond = list[Path](), list[Path]()
    for picture in pictures:
        true = picture.resolve()
        (kept if any(true.is_relative_to(place) for place in places) else beyond).append(picture)
    if beyond:
        problems.append(
            Mistake(
                "Left out, as they lie outside of {folder}: {names}; outside_pictures takes them on the "
                "command line.",
                folder=folder,
                names=first_names(beyond),
            )
        )
    return kept


def _named(
    captions: Mapping[Path, str], metadata: Path, folder: Path, files: Sequence[Path], problems: list[Mistake]
) -> list[Path]:
    if not captions:
        raise Mistake(
            "None of the pictures that {metadata} names is in {folder}; check the names in it.",
            metadata=metadata,
            folder=folder,
        )
    if left_out := [path for path in files if path not in captions]:
        problems.append(
            Mistake(
                "Not named in {name}, so left out: {names}.", name=metadata.name, names=first_names(left_out)
            )
        )
    return sorted(captions, key=natural)


def _place_focus(
    metadata: Path, folder: Path, files: Sequence[Path], problems: list[Mistake]
) -> dict[Path, tuple[float, float]]:
    """The focus of each picture for which the metadata file has one; what is none is named."""
    placed = place_rows(read_focus(metadata), metadata, folder, files, [])
    found = {path: focus for path, text in placed.items() if (focus := as_focus(text))}
    if wrong := [path for path in placed if path not in found]:
        problems.append(
            Mistake(
                "The focus in {name} is two shares of width and height, such as 0.5 0.3; it isn't for: "
                "{names}.",
                name=metadata.name,
                names=first_names(wrong),
            )
        )
    return found


def place_rows(
    rows: Sequence[tuple[str, str]],
    metadata: Path,
    folder: Path,
    files: Sequence[Path],
    problems: list[Mistake],
) -> dict[Path, str]:
    """Captions by picture, names resolved beside the metadata file, then in the folder, then by spelling.

    By spelling: without regard to upper case and to how accents are composed, which differs between systems.
    """
    spelt = {_spelling(path.name): path for path in reversed(files)}
    spelt.update({_spelling(path.relative_to(folder).as_posix()): path for path in files})
    known = {path.resolve(): path for path in files}
    captions: dict[Path, str] = {}
    missing: list[Path] = []
    twice: list[Path] = []
    for name, caption in rows:
        relative = os.path.normpath(name.replace("\\", "/"))
        places = [base / said for said in (name, relative) for base in (metadata.parent, folder)]
        place = next((Path(os.path.normpath(place)) for place in places if os.path.isfile(place)), None)
        path = (known.get(place.resolve()) if place else None) or spelt.get(_spelling(relative)) or place
        if path is None:
            missing.append(Path(relative))
            continue
        if captions.get(path) and captions[path] != caption:
            twice.append(path)
        captions[path] = caption or captions.get(path, "")
    if missing:
        problems.append(
            Mistake("Named in {name} but not there: {names}.", name=metadata.name, names=first_names(missing))
        )
    if twice:
        problems.append(
            Mistake(
                "Twice in {name}, where the last caption counts: {names}.",
                name=metadata.name,
                names=first_names(twice),
            )
        )
    return captions


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def beside(pictures: Iterable[Path], problems: list[Mistake]) -> dict[Path, str]:
    """The captions in .txt or .caption files beside pictures: the first line, as sd-scripts reads it.

    Each is too short to tell its encoding by, so that they are asked together.
    """
    files: dict[Path, Path] = {}
    raws: dict[Path, bytes] = {}
    for picture in pictures:
        for file in map(picture.with_suffix, CAPTION_FILES):
            if picture not in files and file.is_file() and (raw := _caption_file(file, problems)):
                files[picture], raws[picture] = file, raw
    like, sure = shared(raws.values())
    if not sure:
        problems += Decoded("", unsure=like).problems(first_names(list(files.values())))
    found: dict[Path, str] = {}
    damaged: list[Path] = []
    for picture, raw in raws.items():
        try:
            read = decoded(raw, files[picture].name, like)
        except Mistake as mistake:
            problems.append(mistake)
            continue
        if read.broken:
            damaged.append(files[picture])
        found[picture] = one_line(read.text.strip().split("\n")[0])
    if damaged:
        problems.append(
            Mistake("Broken characters were left out of these captions: {names}.", names=first_names(damaged))
        )
    if long := [files[picture] for picture, said in found.items() if len(said) > LONGEST_CAPTION]:
        problems.append(
            Mistake(
                "These captions are longer than {most} characters and were cut there: {names}.",
                most=LONGEST_CAPTION,
                names=first_names(long),
            )
        )
    return {picture: within_limit(said) for picture, said in found.items()}


def _caption_file(file: Path, problems: list[Mistake]) -> bytes:
    """What stands in a caption file; empty, and told, where that can't be read."""
    try:
        return contents(file, LARGEST_CAPTION_BYTES).strip()
    except Mistake as mistake:
        problems.append(mistake)
        return b""


def _own_captions(pictures: Sequence[Path], problems: list[Mistake]) -> dict[Path, str]:
    """Captions from the files beside pictures, else from the folders' names; "" where there are none."""
    written = beside(pictures, problems)
    return {path: written.get(path) or _folder_caption(path) for path in pictures}


def _folder_caption(path: Path) -> str:
    match = _SD_SCRIPTS.fullmatch(path.parent.name)
    return one_line(match[2].replace("_", " ")) if match else ""


def _repeats(path: Path) -> int:
    match = _SD_SCRIPTS.fullmatch(path.parent.name)
    return max(1, int(match[1])) if match else 1
