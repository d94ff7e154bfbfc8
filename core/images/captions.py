"""Caption files of a picture set: `metadata.csv` in and out, `metadata.jsonl` and sd-scripts' layout in.

Works on what people's programs really write (Excel's BOM, `;`, tabs and GBK; missing files and captions;
rows twice), keeps every earlier version of `metadata.csv` under `.history`, and never touches a picture.
Knows nothing about how captions are made or trained on.
"""

from __future__ import annotations

import csv
import json
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.encodings import Decoded, decoded, json_values, shared, table, whole
from core.images.importing import check_all, hopeless, natural, some_pictures
from core.jobs import Mistake, some
from core.project import unused, write_atomic, write_captions

METADATA = "metadata.csv"
NAME_COLUMNS = ("file_name", "filename", "file", "image", "path", "image_path", "name")
FOCUS_COLUMN = "focus"
MIDDLE = (0.5, 0.5)
TEXT_COLUMNS = ("text", "caption", "prompt", "description", "tags", "label")
CAPTION_FILES = (".txt", ".caption")

# sd-scripts' folders `N_name`; a year is no number of repeats.
_SD_SCRIPTS = re.compile(r"(\d{1,3})_(.+)")
_FORMULA = re.compile(r"'*[=+\-@]")
_NEUTRALISED = re.compile(r"'(?='*[=+\-@])")


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


def read_captions(folder: Path, metadata_path: Path | None = None, everything: bool = False) -> CaptionedSet:
    """The pictures of `folder` with their captions.

    A metadata file (`metadata_path`, else metadata.csv or metadata.jsonl in the folder) decides which
    pictures belong to the set, as in Hugging Face's imagefolder; with `everything` the others do, too. Where
    it has no caption for a picture, or where there is no such file, the first line of a .txt or .caption file
    beside the picture is its caption, else the name part of an sd-scripts folder `N_name`. Raises Mistake
    where no picture can be used.
    """
    files = some_pictures(folder)
    problems: list[Mistake] = []
    metadata = metadata_path or find_metadata(folder)
    captions: dict[Path, str] = {}
    focus: dict[Path, tuple[float, float]] = {}
    chosen = files
    if metadata is not None:
        focus = _place_focus(metadata, folder, files, problems)
        captions = place_rows(read_metadata(metadata, problems), metadata, folder, files, problems)
        if not everything:
            chosen = _named(captions, metadata, folder, files, problems)
    found = check_all(chosen)
    problems += [one.reason for one in found.set_aside]
    if not found.pictures:
        raise hopeless(folder, found.set_aside)
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
        problems.append(Mistake("Without a caption: {names}.", names=_names(without)))
    return CaptionedSet(images, tuple(problems))


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
            Mistake("Not named in {name}, so left out: {names}.", name=metadata.name, names=_names(left_out))
        )
    return sorted(captions, key=natural)


def find_metadata(folder: Path) -> Path | None:
    """metadata.csv or metadata.jsonl in a folder; None where neither is there."""
    for name in (METADATA, "metadata.jsonl"):
        if (folder / name).is_file():
            return folder / name
    return None


def read_metadata(path: Path, problems: list[Mistake] | None = None) -> list[tuple[str, str]]:
    """(file name as written, caption) of each row of a .csv, .tsv or .jsonl file, in its order.

    What was read in spite of a fault is told in `problems`. Raises Mistake where the file is missing or isn't
    such a table.
    """
    told = [] if problems is None else problems
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Mistake("There is no file {path}; check the name.", path=path) from None
    except OSError as error:
        raise Mistake("{path} can't be read ({reason}).", path=path, reason=error.strerror) from None
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Mistake("{path} is an Excel workbook; save it as CSV UTF-8 from Excel.", path=path)
    read = decoded(raw, path.name)
    told += read.told(path.name)
    if path.suffix.lower() in (".jsonl", ".json"):
        return _json_rows(path, read.text)
    return _table_rows(path, read.text, told)


def _table_rows(path: Path, text: str, problems: list[Mistake]) -> list[tuple[str, str]]:
    try:
        read = table(text)
    except csv.Error as error:
        raise Mistake(
            "{path} is no table of file_name,text ({reason}); save it as CSV UTF-8.", path=path, reason=error
        ) from None
    problems += read.told(path.name)
    rows, separator = read.rows, read.separator
    if not rows:
        raise Mistake("{path} is empty; its first line should be file_name,text.", path=path)
    header = [cell.strip().casefold() for cell in rows[0]]
    name_at = _column(header, NAME_COLUMNS)
    text_at = _column(header, TEXT_COLUMNS)
    if name_at is None and len(header) > 1 and _names_a_file(rows[0][0].strip(), path):
        name_at, text_at = 0, 1  # no header line: the first row is a picture already
    elif name_at is None or text_at is None:
        raise Mistake(
            "{path} has no columns file_name and text; its first line should be file_name,text.", path=path
        )
    else:
        rows = rows[1:]
    last = text_at == len(header) - 1
    found = []
    for row in rows:
        name = row[name_at].strip() if name_at < len(row) else ""
        # Written by hand, a caption's own commas are seldom quoted.
        cells = row[text_at:] if last else row[text_at : text_at + 1]
        caption = f"{separator.strip() or ' '} ".join(cell.strip() for cell in cells)
        if name:
            found.append((_plain(name), _plain(one_line(caption))))
    return found


def _names_a_file(cell: str, metadata: Path) -> bool:
    """Whether a cell is a picture's name by its ending, or the name of a file beside the metadata file."""
    return bool(re.search(r"\.\w{3,12}$", cell)) or (bool(cell) and (metadata.parent / cell).is_file())


def _json_rows(path: Path, text: str) -> list[tuple[str, str]]:
    found = []
    try:
        values = json_values(text)
    except json.JSONDecodeError as fault:
        raise _no_row(path, fault.lineno) from None
    for line, value in values:
        if not isinstance(value, dict):
            raise _no_row(path, line)
        row = {str(key).casefold(): said for key, said in value.items()}
        name = next((row[key] for key in NAME_COLUMNS if row.get(key)), None)
        caption = next((row[key] for key in TEXT_COLUMNS if row.get(key)), "")
        if isinstance(name, str):
            found.append((name, one_line(str(caption))))
    return found


def _no_row(path: Path, line: int) -> Mistake:
    return Mistake(
        'Line {line} of {path} is not of the form {{"file_name": "a.png", "text": "a caption"}}.',
        line=line,
        path=path,
    )


def read_focus(path: Path) -> list[tuple[str, str]]:
    """(file name as written, focus as written) of the rows of a metadata file that have one.

    Raises Mistake where the file is missing.
    """
    try:
        text = decoded(path.read_bytes(), path.name).text
        if path.suffix.lower() in (".jsonl", ".json"):
            read = [row for _, row in json_values(text)]
            rows = [{str(key).casefold(): value for key, value in row.items()} for row in read]
        else:
            header, *cells = table(text).rows
            names = [cell.strip().casefold() for cell in header]
            rows = [dict(zip(names, row, strict=False)) for row in cells]
    except (
        OSError,
        ValueError,
        AttributeError,
        csv.Error,
        Mistake,
    ):  # read_metadata says what is wrong with it
        return []
    found = []
    for row in rows:
        name = next((row[key] for key in NAME_COLUMNS if row.get(key)), "")
        value = row.get(FOCUS_COLUMN)
        value = " ".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()
        if name and value:
            found.append((_plain(str(name).strip()), value))
    return found


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
                names=_names(wrong),
            )
        )
    return found


def as_focus(text: str) -> tuple[float, float] | None:
    """`0.5 0.3` as a point in shares of width and height; None for anything else."""
    try:
        x, y = (float(part) for part in re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        return None
    return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _plain(cell: str) -> str:
    return _NEUTRALISED.sub("", cell, count=1) if _NEUTRALISED.match(cell) else cell


def one_line(caption: str) -> str:
    """A caption on one line, without doubled spaces and broken characters."""
    return " ".join(whole(caption).split())


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
        places = (metadata.parent / relative, folder / relative)
        place = next((place for place in places if place.is_file()), None)
        path = (known.get(place.resolve()) if place else None) or spelt.get(_spelling(relative)) or place
        if path is None:
            missing.append(Path(relative))
            continue
        if captions.get(path) and captions[path] != caption:
            twice.append(path)
        captions[path] = caption or captions.get(path, "")
    if missing:
        problems.append(
            Mistake("Named in {name} but not there: {names}.", name=metadata.name, names=_names(missing))
        )
    if twice:
        problems.append(
            Mistake(
                "Twice in {name}, where the last caption counts: {names}.",
                name=metadata.name,
                names=_names(twice),
            )
        )
    return captions


def _spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _names(paths: Sequence[Path]) -> str:
    """The first few names, and how many more: "a.png, b.png, c.png (+4)"."""
    return some([path.name for path in paths])


def beside(pictures: Iterable[Path], problems: list[Mistake]) -> dict[Path, str]:
    """The captions in .txt or .caption files beside pictures: the first line, as sd-scripts reads it.

    Each is too short to tell its encoding by, so that they are asked together.
    """
    files: dict[Path, Path] = {}
    raws: dict[Path, bytes] = {}
    for picture in pictures:
        for file in map(picture.with_suffix, CAPTION_FILES):
            if picture not in files and file.is_file() and (raw := file.read_bytes().strip()):
                files[picture], raws[picture] = file, raw
    like, sure = shared(raws.values())
    if not sure:
        problems += Decoded("", unsure=like).told(_names(list(files.values())))
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
            Mistake("Broken characters were left out of these captions: {names}.", names=_names(damaged))
        )
    return found


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


def write(
    path: Path, captions: Mapping[str, str], focus: Mapping[str, tuple[float, float]] | None = None
) -> Path:
    """Writes `metadata.csv`; the version before is kept in `.history`. Returns `path`.

    `captions` maps names relative to the file's folder, with `/`, to captions, and `focus` to a new focus;
    the others keep theirs. What a spreadsheet would take for a formula (`= + - @` first) is neutralised: a
    caption by an apostrophe, a name by `./`.
    """
    kept = {os.path.normpath(name): focus for name, focus in read_focus(path)} | {
        os.path.normpath(name): f"{x:g} {y:g}" for name, (x, y) in (focus or {}).items()
    }
    safe = {
        f"./{name}" if _FORMULA.match(name) else name: _neutral(one_line(caption))
        for name, caption in captions.items()
    }
    keep(path)
    return write_captions(path, safe, {name: kept.get(os.path.normpath(name), "") for name in safe})


def _neutral(caption: str) -> str:
    return f"'{caption}" if _FORMULA.match(caption) else caption


def name_for(picture: Path, metadata: Path) -> str:
    """A picture's name as it stands in a metadata file: relative to that file's folder, with `/`."""
    return Path(os.path.relpath(picture.absolute(), metadata.absolute().parent)).as_posix()


def keep(path: Path) -> Path | None:
    """Copies a caption file into `.history` beside it, named by the time; None where there is nothing new."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    earlier = history(path)
    if earlier and earlier[0].read_bytes() == content:
        return None
    copy = unused(path.parent / ".history" / f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    return write_atomic(copy, content)


def history(path: Path) -> list[Path]:
    """Earlier versions of a caption file, newest first."""
    copies = (path.parent / ".history").glob(f"*{path.suffix}")
    mine = [copy for copy in copies if re.fullmatch(re.escape(path.stem) + r"-\d{8}-\d{6}(-\d+)?", copy.stem)]
    return sorted(mine, key=lambda copy: natural(Path(copy.stem)), reverse=True)


def restore(path: Path, earlier: Path) -> Path:
    """Makes an earlier version the current one; the one it replaces goes to the history too."""
    keep(path)
    return write_atomic(path, earlier.read_bytes())
