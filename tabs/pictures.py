"""A project's pictures as the Label tab shows and changes them: thumbnails, captions, own pictures added.

Works on core.images; knows nothing about widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from core.images import captions
from core.images.importing import Imported, import_pictures, open_picture, picture_files
from core.images.kinds import Unreadable
from core.jobs import Mistake
from core.project import Home, Project, replacing

THUMBNAIL_PX = 320


def read(project: Project) -> captions.CaptionedSet:
    """The project's pictures with their captions; none for a project without pictures."""
    folder = project.images()
    if not picture_files(folder):
        return captions.CaptionedSet((), ())
    return captions.read_captions(folder, everything=True)


def listed(project: Project) -> tuple[captions.CaptionedImage, ...]:
    """The project's pictures that can be used, with their captions."""
    return read(project).images


def left_out(project: Project) -> list[Mistake]:
    """Why files in the project's folder of pictures can't be used."""
    return [problem for problem in read(project).problems if isinstance(problem, Unreadable)]


def gallery(project: Project) -> list[tuple[Path, str]]:
    """(thumbnail, caption) of each picture; thumbnails are made once and kept beside the pictures."""
    return [(thumbnail(project, image.path), image.caption) for image in listed(project)]


def thumbnail(project: Project, path: Path) -> Path:
    """A small JPEG of a picture, its longer side `THUMBNAIL_PX` pixels at most."""
    stamp = path.stat()
    small = project.images() / ".thumbnails" / f"{path.stem}-{stamp.st_mtime_ns:x}-{stamp.st_size:x}.jpg"
    if not small.is_file():
        picture = open_picture(path, least=THUMBNAIL_PX)
        picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        jpeg = BytesIO()  # written to a file, Pillow says nothing of a JPEG that the disk took half of
        picture.save(jpeg, "JPEG", quality=85)
        try:
            with replacing(small) as part:
                part.write_bytes(jpeg.getvalue())
        except Mistake:  # a full or read-only disk: it can be looked at all the same
            return path
    return small


def table(project: Project) -> list[list[str]]:
    """Rows of file name and caption."""
    folder = project.images()
    return [[image.path.relative_to(folder).as_posix(), image.caption] for image in listed(project)]


def save(project: Project, rows: Sequence[Sequence[str]]) -> int:
    """Writes the table's captions, the version before is kept; returns how many pictures have one.

    Names that are not the project's pictures are passed over: the rows come from a page.
    """
    known = {name for name, _ in table(project)}
    written = {name: caption or "" for name, caption, *_ in rows if name in known}
    captions.write(project.images() / captions.METADATA, written)
    return sum(bool(caption.strip()) for caption in written.values())


def add(project: Project, files: Sequence[str]) -> Imported:
    """Copies dropped pictures into the project; what can't be used is set aside with its reason."""
    return import_pictures([Path(file) for file in files], project.images())


def others(home: Home, project: str) -> list[tuple[str, str]]:
    """(name, folder) of the other projects' pictures, where there are any."""
    folders = {one.name: one.images() for one in home.projects() if one.name != project}
    return [(name, str(folder)) for name, folder in folders.items() if picture_files(folder)]


def trigger(project: Project) -> str:
    """The trigger word that all captions begin with; empty where there is none."""
    firsts = {image.caption.split(",")[0].strip() for image in listed(project)}
    return firsts.pop() if len(firsts) == 1 else ""
