"""storyboard.yaml: a storyboard as a file that a person may read, write and change.

An error names the line and the field. Files of earlier layouts open; what is written is the newest one. The
schema, for editors that know JSON Schema, is `schema()`; presets/storyboards holds it and an example.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from core.files import contents
from core.messages import Mistake, Sentence, attempt
from core.project import write_atomic
from core.settings.post import Post
from core.settings.reading import mistake, read_settings
from core.settings.typed_yaml import LARGEST_YAML
from core.settings.video import FilmSettings
from core.video.storyboard.board import VERSION, Scene, Storyboard, Subject

PARTS: dict[str, type[BaseModel]] = {"scenes": Scene, "subjects": Subject, "film": FilmSettings, "post": Post}
# What scenes had no name for in the first layout.
NEW = Scene.model_fields.keys() - {"thing", "setting", "seed", "seconds", "text_lora"}
FILES = ("picture", "text_lora", "music_file", "end_picture")  # relative ones lie beside the storyboard


def read(path: Path) -> Storyboard:
    """The storyboard in a file, its scenes numbered; relative names of files are from its folder.

    Raises Mistake where it isn't one, with the line and the field.
    """
    values = read_settings(path)
    values = upgraded(values, path)
    try:
        board = Storyboard.model_validate(values)
    except ValidationError as error:
        raise _mistake(error, path) from None
    return _anchored(board.numbered(), path.absolute().parent)


def attempted(path: Path) -> Storyboard | Mistake:
    """As `read`, for what is shown beside a finished video, which a damaged storyboard doesn't hide."""
    return attempt(lambda: read(path))


def dump(board: Storyboard) -> str:
    """The storyboard as YAML that `read` reads back to the same one; scenes show what they set."""
    values = board.model_dump(mode="json")
    for part in ("scenes", "subjects"):
        plain = [one.model_dump(mode="json", exclude_defaults=True) for one in getattr(board, part)]
        values[part] = plain
    values["post"] = board.post.model_dump(mode="json", exclude_defaults=True)
    for part in ("subjects", "post"):
        if not values[part]:
            del values[part]
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def write(board: Storyboard, path: Path) -> Path:
    """Writes storyboard.yaml; returns its path. Files of its own folder are named from there."""
    return write_atomic(path, dump(_relative(board.numbered(), path.absolute().parent)))


def schema() -> dict[str, Any]:
    """The layout as JSON Schema, which editors complete and check by."""
    return Storyboard.model_json_schema()


def upgraded(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values of a file of any layout as the newest one's. Raises Mistake for one of a later studio."""
    said = values.get("version", 1)
    with contextlib.suppress(ValueError, TypeError):
        if int(said) > VERSION:
            raise Mistake(
                "{path} is of a newer studio (layout {version}); bring this studio up to date.",
                path=path,
                version=said,
            )
        if int(said) == VERSION:
            return values
    return _from_first(values)


def _from_first(values: dict[str, Any]) -> dict[str, Any]:
    """The first layout: topic, style and seed at the top, a scene's words as the planner called them."""
    names = {
        "narration": "say",
        "prompt": "draw",
        "subject": "about",
        "thing": "thing",
        "setting": "setting",
        "seed": "seed",
        "text_lora": "text_lora",
    }
    scenes = values.get("scenes")
    known = {"topic", "style", "seed", "scenes"}
    if not isinstance(scenes, list) or not known.issuperset(values):
        return values
    if any(isinstance(scene, dict) and scene.keys() & NEW for scene in scenes):
        return values  # written by hand, in the words of the newest one
    film = {name: values[name] for name in ("style", "seed") if values.get(name) not in (None, "")}
    told: list[Any] = []
    for scene in scenes:
        if not isinstance(scene, dict):
            return values
        mine = {name: value for name, value in scene.items() if name not in ("number", "seconds")}
        told.append({names.get(name, name): value for name, value in mine.items() if value not in (None, "")})
    return {"version": VERSION, "topic": values.get("topic", ""), "film": film, "scenes": told}


def _mistake(error: ValidationError, path: Path) -> Mistake:
    """The first error as one sentence that names the file's line and the field."""
    first = error.errors()[0]
    at: list[Any] = list(first["loc"])
    cls: type[BaseModel] = Storyboard
    where: object = path
    line = line_of(path, at)
    if line:
        where = Sentence("{path}, line {line}", path=path, line=line)
    if at == ["scenes"] and first["type"] == "too_short":
        return Mistake("{where}: the storyboard has no scenes; add one.", where=where)
    if len(at) > 1 and at[0] in PARTS:
        cls = PARTS[at[0]]
        rest = at[2:] if isinstance(at[1], int) else at[1:]
        if not rest and first["type"] != "value_error":
            return Mistake(
                "{where}: here must stand the lines of a {part}, name: value.",
                where=where,
                part=cls.__name__.lower(),
            )
        at = rest
    return mistake(cls, {**first, "loc": tuple(at)}, where)


def line_of(path: Path, at: Sequence[Any]) -> int | None:
    """The line, counted from 1, on which a value of a YAML file stands; None where it can't be told.

    at: names and numbers on the way to it; where the last ones aren't there, what holds them is meant.
    """
    with contextlib.suppress(Mistake, yaml.YAMLError, UnicodeDecodeError, RecursionError):
        node = yaml.compose(contents(path, LARGEST_YAML).decode("utf-8-sig"), yaml.SafeLoader)
        line = node.start_mark.line + 1 if node else None
        for step in at:
            if isinstance(node, yaml.MappingNode):
                pairs = [(key, value) for key, value in node.value if key.value == str(step)]
                if not pairs:
                    break
                key, node = pairs[-1]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line
    return None


def _anchored(board: Storyboard, folder: Path) -> Storyboard:
    """Files that are named from the storyboard's folder, by their whole name."""
    return _renamed(board, lambda path: folder / path)


def _relative(board: Storyboard, folder: Path) -> Storyboard:
    """Files in or below the storyboard's folder named from there, so that the folder can be moved."""
    return _renamed(board, lambda path: path.relative_to(folder) if path.is_relative_to(folder) else path)


def _renamed(board: Storyboard, how: Any) -> Storyboard:
    def mine(part: Any) -> Any:
        named = {name: getattr(part, name, None) for name in FILES}
        there = {name: how(path) for name, path in named.items() if isinstance(path, Path)}
        return part.model_copy(update=there)

    scenes, subjects = (tuple(map(mine, parts)) for parts in (board.scenes, board.subjects))
    return board.model_copy(update={"film": mine(board.film), "scenes": scenes, "subjects": subjects})
