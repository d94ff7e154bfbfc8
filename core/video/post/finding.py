"""What was found in a finished film, and the one thing that mends it. Plain data, to a report and back.

An action is a change of the storyboard, or a scene to work on; who carries it out stands elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.messages import Mistake, Sentence, as_plain, from_plain
from core.video.storyboard import edit
from core.video.storyboard.board import Storyboard

# What an action may change, of the film, of a scene and of the storyboard: a report is a file like any other.
FILM = {"fps", "width", "height", "motion", "ai_label", "caption_place", "caption_size"}
FILM |= {"music", "music_file", "music_volume"}
SCENE = {"motion", "clip_sound"}
BOARD = {"topic", "pause"}


@dataclass(frozen=True)
class Action:
    """What mends something: values for the film, for the scene of that id or for the storyboard.

    A scene without values is one to work on by oneself.
    """

    text: Sentence
    scene: str = ""
    film: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    board: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether it changes the storyboard by itself."""
        return bool(self.film or self.fields or self.board)

    def done(self, board: Storyboard) -> Storyboard:
        """The storyboard after it. Raises Mistake where its scene is gone."""
        if self.film:
            board = edit.filmed(board, **self.film)
        if self.board:
            board = edit.named(board, **self.board)
        if self.scene:
            edit.place(board, self.scene)
        return edit.changed(board, self.scene, **self.fields) if self.fields else board


@dataclass(frozen=True)
class Finding:
    """What is wrong or doubtful, in one sentence; what mends it; the scene it is in, empty: the film."""

    what: Sentence
    action: Action
    scene: str = ""

    @property
    def line(self) -> Sentence:
        """Both as a line for a log."""
        return Sentence("{what}. To mend it: {action}", what=self.what, action=self.action.text)


def plain(found: Finding) -> dict[str, Any]:
    """A finding as JSON holds it."""
    action = found.action
    told = {"text": as_plain(action.text), "scene": action.scene}
    told |= {name: dict(values) for name in ("film", "fields", "board") if (values := getattr(action, name))}
    return {"what": as_plain(found.what), "said": str(found.what), "scene": found.scene, "action": told}


def read(values: Any) -> list[Finding]:
    """The findings that a report holds; those that aren't ones are left out."""
    found = []
    for one in values if isinstance(values, list) else []:
        with contextlib.suppress(Mistake, ValueError, TypeError, KeyError, AttributeError):
            found.append(_read(one))
    return found


def _read(values: Mapping[str, Any]) -> Finding:
    what, said = from_plain(values["what"]), values["action"]
    text = from_plain(said["text"])
    changes = {
        name: {one: value for one, value in dict(said.get(name, {})).items() if one in allowed}
        for name, allowed in (("film", FILM), ("fields", SCENE), ("board", BOARD))
    }
    changes["film"] = {
        one: value for one, value in changes["film"].items() if one != "music_file" or not value
    }
    if not (isinstance(what, Sentence) and isinstance(text, Sentence)):
        raise ValueError("no sentence")
    return Finding(what, Action(text, str(said["scene"]), **changes), str(values["scene"]))
