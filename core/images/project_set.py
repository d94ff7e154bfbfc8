"""A project's pictures as the Label tab shows and changes them: thumbnails, captions, own pictures added.

Works on core.images; knows nothing about widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from core.images import caption_table, captions
from core.images.importing import Imported, import_pictures
from core.images.kinds import Unreadable
from core.images.picture_file import open_picture
from core.images.picture_folder import picture_files
from core.messages import Mistake
from core.project import Home, Project, replacing

THUMBNAIL_PX = 320


def read(project: Project) -> captions.CaptionedSet:
    """The project's pictures with their captions; none for a project without pictures.

    Raises Mistake where the table of captions is damaged.
    """
    folder = project.images()
    if not picture_files(folder):
        return captions.CaptionedSet((), ())
    return captions.read_captions(folder, everything=True)


def images_of(project: Project) -> tuple[captions.CaptionedImage, ...]:
    """The project's pictures that can be used, with their captions. Raises Mistake as `read` does."""
    return read(project).images


def left_out(project: Project) -> list[Mistake]:
    """Why files in the project's folder of pictures can't be used."""
    return [problem for problem in read(project).problems if isinstance(problem, Unreadable)]


def gallery(project: Project) -> list[tuple[Path, str]]:
    """(thumbnail, caption) of each picture; thumbnails are made once and kept beside the pictures."""
    return [(thumbnail(project, image.path), image.caption) for image in images_of(project)]


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
    metadata = project.images() / caption_table.METADATA
    return [[caption_table.name_for(image.path, metadata), image.caption] for image in images_of(project)]


def save(project: Project, rows: Sequence[Sequence[str]]) -> int:
    """Writes the table's captions, the version before is kept; returns how many pictures have one.

    Names that are not the project's pictures are passed over: the rows come from a page. Raises Mistake for a
    caption that is too long.
    """
    known = {name for name, _ in table(project)}
    written = {name: caption or "" for name, caption, *_ in rows if name in known}
    caption_table.write(project.images() / caption_table.METADATA, written)
    return sum(bool(caption.strip()) for caption in written.values())


def undo(project: Project) -> None:
    """Takes the captions one version back. Raises Mistake where there is none."""
    if not caption_table.undo(project.images() / caption_table.METADATA):
        raise Mistake("There is no earlier version of the captions.")


def add(project: Project, files: Sequence[str]) -> Imported:
    """Copies dropped pictures into the project; what can't be used is set aside with its reason.

    Raises Mistake where one doesn't exist.
    """
    return import_pictures([Path(file) for file in files], project.images())


def others(home: Home, project: str) -> list[tuple[str, str]]:
    """(name, folder) of the other projects' pictures, where there are any."""
    folders = {one.name: one.images() for one in home.projects() if one.name != project}
    return [(name, str(folder)) for name, folder in folders.items() if picture_files(folder)]


def trigger(project: Project) -> str:
    """The trigger word that all captions begin with; empty where there is none."""
    firsts = {image.caption.split(",")[0].strip() for image in images_of(project)}
    return firsts.pop() if len(firsts) == 1 else ""
