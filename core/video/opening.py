"""A storyboard from elsewhere becomes a film of a project: its file, and the pictures given along with it.

What the file names is data, never a way into this machine. Each file is looked for by its name alone:
pictures among those given and those of the project's films, LoRAs in the project, styles and bases among
those offered. What isn't found keeps its name in the place where it belongs; its scene tells that it is
missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from core.messages import Mistake, by_name, some
from core.project import Project, safe_name
from core.settings.presets import preset_names
from core.settings.video import FilmSettings
from core.video.audio import music
from core.video.picture import frames, own
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard, Subject

ENDINGS = (".yaml", ".yml")
FILMS_FILES = ("music_file", "end_picture")
PartT = TypeVar("PartT", Scene, Subject)


def opened(
    files: Sequence[Path], project: Project, bases: Mapping[str, Collection[str]]
) -> tuple[Path, list[Mistake]]:
    """The new film's folder, and what the storyboard names that isn't here.

    bases: what is offered for `image_base` and `text_base`, the first in place of any other. Raises Mistake
    for a storyboard or a picture that can't be used, with the file's line and field.
    """
    boards = [one for one in files if one.suffix.lower() in ENDINGS]
    if len(boards) != 1:
        raise Mistake("Drop one storyboard (.yaml), and along with it the pictures and clips that it names.")
    path = boards[0]
    board = by_name(path, lambda: file.read(path))
    given = [one for one in files if one != path]
    for one in given:
        by_name(one, partial(music.check if is_music(one) else own.check, one))
    folder = project.new_video(board.topic if re.search(r"\w", board.topic) else path.stem)
    here = Here(project, folder, given)
    settled = here.board(board, bases)
    file.write(settled, folder / "storyboard.yaml")
    return folder, here.told()


@dataclass
class Here:
    """What a storyboard's names stand for in a project.

    Names that stand for nothing are noted: of pictures and clips, of LoRAs, and of styles and bases.
    """

    project: Project
    folder: Path
    given: Sequence[Path]
    no_files: dict[str, None] = field(default_factory=dict)
    no_loras: dict[str, None] = field(default_factory=dict)
    no_others: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        films = [film / "material" for film in self.project.films()]
        known = [one for place in films if place.is_dir() for one in place.iterdir()]
        self.pictures = _by_name(known) | _by_name(self.given)
        self.loras = _by_name((*self.project.image_loras(), *self.project.text_loras()))
        self.taken: dict[Path, Path] = {}

    def board(self, board: Storyboard, bases: Mapping[str, Collection[str]]) -> Storyboard:
        """The storyboard with the project's files in place of those that it names."""
        subjects = [self.part(one) for one in board.subjects]
        cast = [
            one.model_copy(update={"lora": self.weighted(one.lora)}) if one.lora else one for one in subjects
        ]
        scenes = [
            self.part(one).model_copy(
                update={
                    "lora": tuple(map(self.weighted, one.lora)),
                    "text_lora": self.lora(one.text_lora) if one.text_lora else None,
                }
            )
            for one in board.scenes
        ]
        film = self.film(board.film, bases)
        return board.model_copy(update={"film": film, "subjects": tuple(cast), "scenes": tuple(scenes)})

    def film(self, film: FilmSettings, bases: Mapping[str, Collection[str]]) -> FilmSettings:
        """The film's settings, with bases and a style that are offered here."""
        offered = {"style": preset_names("styles"), **bases}
        chosen = {name: self.choice(getattr(film, name), values) for name, values in offered.items()}
        loras = {
            "lora": tuple(map(self.weighted, film.lora)),
            "text_lora": tuple(map(self.lora, film.text_lora)),
        }
        named = {name: getattr(film, name) for name in FILMS_FILES}
        files = {name: self.picture(path) for name, path in named.items() if path}
        return film.model_copy(update=chosen | loras | files)

    def part(self, part: PartT) -> PartT:
        """A scene or subject with its picture as a file of the film's own folder."""
        if part.picture is None:
            return part
        return part.model_copy(update={"picture": self.picture(part.picture)})

    def picture(self, named: Path) -> Path:
        """A picture, clip or music of that name, taken into the film's folder; else where it would lie."""
        found = self.pictures.get(_key(named))
        if found is None:
            self.no_files[_name(named)] = None
            return self.folder / "material" / _safe(named)
        if found not in self.taken:
            take = music.take_in if is_music(found) else own.take_in
            self.taken[found] = by_name(found, lambda: take(found, self.folder / "material"))
        return self.taken[found]

    def lora(self, named: str | Path) -> Path:
        """A LoRA of that name in the project; where it would lie if there is none."""
        found = self.loras.get(_key(named))
        if found is None:
            self.no_loras[_name(named)] = None
            return self.project.loras() / _safe(named)
        return found

    def weighted(self, spec: str) -> str:
        """`FILE:weight` with the project's file of that name."""
        name, weight = frames.parted(spec)
        return f"{self.lora(name)}:{weight:g}"

    def choice(self, value: str, offered: Collection[str]) -> str:
        """The value if it is offered, one that is called alike, else the first."""
        found = next((one for one in offered if one == value or _key(one) == _key(value)), None)
        if found is None:
            self.no_others[_name(value)] = None
            return next(iter(offered))
        return found

    def told(self) -> list[Mistake]:
        """What is missing, and what to do."""
        said = []
        if self.no_files:
            said.append(
                Mistake(
                    "Not here: {names}; drop them along with the storyboard, or choose each in its scene.",
                    names=some([*self.no_files]),
                )
            )
        if self.no_loras:
            said.append(
                Mistake(
                    "This project has no LoRA {names}; choose others, or copy it into the project's loras.",
                    names=some([*self.no_loras]),
                )
            )
        if self.no_others:
            said.append(
                Mistake(
                    "{names}: not offered here; the film takes the usual one, see The whole film.",
                    names=some([*self.no_others]),
                )
            )
        return said


def is_music(path: Path) -> bool:
    """Whether a file is a sound alone, by its ending."""
    return path.suffix.lower() in music.SOUNDS


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by what they are called; those that share a name are told apart by nothing, so none is meant."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(_key(path), []).append(path)
    return {name: same[0] for name, same in found.items() if len(same) == 1}


def _name(path: str | Path) -> str:
    """A file's name without its folders, as Windows or any other system writes them."""
    return PureWindowsPath(path).name


def _key(path: str | Path) -> str:
    """A file's name as browsers and disks leave it alike: its letters and digits."""
    return "".join(re.findall(r"\w", unicodedata.normalize("NFC", _name(path)))).casefold()


def _safe(path: str | Path) -> str:
    """A file's name as one that leads nowhere else. Raises Mistake where it has no letter."""
    name = PureWindowsPath(_name(path))
    return safe_name(name.stem) + re.sub(r"[^.\w]", "", name.suffix)
