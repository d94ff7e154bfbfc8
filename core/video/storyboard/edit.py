"""Changes of a storyboard, each from one to the next; scenes are named by their id.

Raises Mistake for a scene that is no longer there, as when another page has removed it, and for a value that
a field doesn't take.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from core.messages import Mistake, Sentence
from core.settings.reading import make
from core.settings.video import FilmSettings
from core.texts.letters import DENSE
from core.video.storyboard.board import MOST_SCENES, MOST_SUBJECTS, Scene, Storyboard, Subject

STORYBOARD = Sentence("the storyboard")


def place(board: Storyboard, name: str) -> int:
    """Where a scene stands, from 0."""
    for at, scene in enumerate(board.scenes):
        if scene.id == name:
            return at
    raise Mistake("This scene is no longer in the storyboard; choose another one.")


def changed(board: Storyboard, name: str, **fields: Any) -> Storyboard:
    """The storyboard with other values of some fields of a scene."""
    at = place(board, name)
    values = {field: getattr(board.scenes[at], field) for field in Scene.model_fields}
    scene = make(Scene, {**values, **fields}, Sentence("scene {number}", number=at + 1))
    return _with(board, [*board.scenes[:at], scene, *board.scenes[at + 1 :]])


def filmed(board: Storyboard, **fields: Any) -> Storyboard:
    """The storyboard with other settings of the film."""
    values = {field: getattr(board.film, field) for field in FilmSettings.model_fields}
    return board.model_copy(update={"film": make(FilmSettings, {**values, **fields}, STORYBOARD)})


def named(board: Storyboard, **fields: Any) -> Storyboard:
    """The storyboard with other values of its own fields, such as its topic and pause."""
    return make(Storyboard, {**_values(board), **fields}, STORYBOARD)


def added(board: Storyboard, after: str | None = None, scene: Scene | None = None) -> tuple[Storyboard, str]:
    """The storyboard with one more scene behind another (None: at the end), and the new scene's id."""
    if len(board.scenes) >= MOST_SCENES:
        raise Mistake("A storyboard has {most} scenes at most; make a second film.", most=MOST_SCENES)
    at = place(board, after) + 1 if after else len(board.scenes)
    new = (scene or Scene()).model_copy(update={"id": free(board)})
    return _with(board, [*board.scenes[:at], new, *board.scenes[at:]]), new.id


def copied(board: Storyboard, name: str) -> tuple[Storyboard, str]:
    """The storyboard with a scene twice, the second with a seed of its own; and the second's id."""
    scene = board.scenes[place(board, name)]
    return added(board, name, scene.model_copy(update={"seed": None, "takes": 0, "lock": False}))


def removed(board: Storyboard, name: str) -> Storyboard:
    """The storyboard without a scene. Raises Mistake for the last one."""
    if len(board.scenes) == 1:
        raise Mistake("This is the storyboard's only scene; add another one before you remove it.")
    at = place(board, name)
    return _with(board, [*board.scenes[:at], *board.scenes[at + 1 :]])


def moved(board: Storyboard, name: str, by: int) -> Storyboard:
    """The storyboard with a scene so many places later (or earlier, below 0), as far as there are any."""
    at = place(board, name)
    scenes = list(board.scenes)
    scene = scenes.pop(at)
    scenes.insert(min(max(at + by, 0), len(scenes)), scene)
    return _with(board, scenes)


def split(board: Storyboard, name: str) -> tuple[Storyboard, str]:
    """A scene as two: its words parted at the sentence's end nearest to their middle; and the second's id.

    Both show what it showed. Raises Mistake where its words are one sentence.
    """
    scene = board.scenes[place(board, name)]
    pieces = [piece for piece in re.split(r"(?<=[.!?…。！？；;])\s*", scene.say.strip()) if piece]
    if len(pieces) < 2:
        raise Mistake("These words are one sentence; write two, then split the scene between them.")
    reach = list(itertools.accumulate(len(piece) for piece in pieces))
    cut = min(range(1, len(pieces)), key=lambda count: abs(reach[count - 1] - reach[-1] / 2))
    gap = "" if DENSE.search(scene.say) else " "
    first, second = gap.join(pieces[:cut]), gap.join(pieces[cut:])
    half = {"seconds": scene.seconds / 2}
    board = changed(board, name, say=first, **half)
    return added(board, name, scene.model_copy(update={"say": second, "seed": None, "takes": 0, **half}))


def joined(board: Storyboard, name: str) -> Storyboard:
    """A scene and the one behind it as one that shows what the first showed. Raises Mistake for the last."""
    at = place(board, name)
    if at + 1 == len(board.scenes):
        raise Mistake("There is no scene behind this one to join it with.")
    scene, following = board.scenes[at], board.scenes[at + 1]
    gap = "" if DENSE.search(scene.say + following.say) else " "
    said = gap.join(filter(None, (scene.say.strip(), following.say.strip())))
    return changed(removed(board, following.id), name, say=said, seconds=scene.seconds + following.seconds)


def subject_place(board: Storyboard, at: int) -> int:
    """`at` itself, where a subject stands there, counted from 0."""
    if not 0 <= at < len(board.subjects):
        raise Mistake("This one is no longer in the storyboard; choose another one.")
    return at


def introduced(board: Storyboard, name: str) -> Storyboard:
    """The storyboard with one more subject, called `name`, or that and a number where one is called so."""
    if len(board.subjects) >= MOST_SUBJECTS:
        raise Mistake("A storyboard has {most} subjects at most; remove one first.", most=MOST_SUBJECTS)
    taken = {one.name for one in board.subjects}
    names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
    new = Subject(name=next(one for one in names if one not in taken))
    return cast(board, [*board.subjects, new])


def recast(board: Storyboard, at: int, **fields: Any) -> Storyboard:
    """The storyboard with other values of some fields of a subject; scenes follow it to another name."""
    before = board.subjects[subject_place(board, at)]
    values = {field: getattr(before, field) for field in Subject.model_fields}
    after = make(Subject, {**values, **fields}, Sentence("subject {number}", number=at + 1))
    others = [one.name for number, one in enumerate(board.subjects) if number != at]
    if after.name in others:
        raise Mistake("There is a {name} already; give each its own name.", name=after.name)
    scenes = [
        scene.model_copy(
            update={"subjects": tuple(after.name if one == before.name else one for one in scene.subjects)}
        )
        for scene in board.scenes
    ]
    subjects = [*board.subjects[:at], after, *board.subjects[at + 1 :]]
    return make(Storyboard, {**_values(board), "subjects": subjects, "scenes": scenes}, STORYBOARD)


def dismissed(board: Storyboard, at: int) -> Storyboard:
    """The storyboard without a subject; no scene shows it any more."""
    gone = board.subjects[subject_place(board, at)]
    return cast(board, [one for one in board.subjects if one is not gone])


def cast(board: Storyboard, subjects: Sequence[Subject]) -> Storyboard:
    """The storyboard with other subjects; scenes forget those that are gone."""
    known = {subject.name for subject in subjects}
    scenes = [
        scene.model_copy(update={"subjects": tuple(name for name in scene.subjects if name in known)})
        for scene in board.scenes
    ]
    return make(Storyboard, {**_values(board), "subjects": tuple(subjects), "scenes": scenes}, STORYBOARD)


def free(board: Storyboard) -> str:
    """An id that no scene has."""
    taken = {scene.id for scene in board.scenes}
    return next(name for number in itertools.count(1) if (name := f"s{number}") not in taken)


def _with(board: Storyboard, scenes: Sequence[Scene]) -> Storyboard:
    return make(Storyboard, {**_values(board), "scenes": tuple(scenes)}, STORYBOARD)


def _values(board: Storyboard) -> dict[str, Any]:
    return {field: getattr(board, field) for field in Storyboard.model_fields}
