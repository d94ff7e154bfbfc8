"""What a film is made from: its scenes in order, who and what they share, and how it is all made.

Plain data, fixed once made; the same storyboard and models give the same film. A person may write it by hand
(core.video.storyboard.file), so each field is a setting like any other. What a scene leaves empty is as the
film has it. Knows nothing about models, pictures or sound.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.messages import printable
from core.settings.base import Settings
from core.settings.marks import PartedBy
from core.settings.post import Post
from core.settings.video import FilmSettings

VERSION = 2
MOST_SCENES, MOST_SUBJECTS = 200, 40
Shot = Literal["auto", "wide", "medium", "close", "detail"]
Transition = Literal["auto", "cut", "fade", "slide", "zoom", "whip", "wipe", "flash"]  # auto: the film's
Motion = Literal["auto", "still", "push", "pull", "right", "left", "rise", "sink"]


class Subject(Settings):
    """Who or what is the same in several scenes: a person, a product, a place."""

    name: str = Field(min_length=1, max_length=60, description="what scenes call it by")
    look: str = Field("", max_length=500, description="how it looks, in words put into the scenes' prompts")
    seed: int | None = Field(None, ge=0, le=2**32 - 1, description="seed that its scenes are drawn from")
    lora: str = Field("", description="an image LoRA of it, FILE or FILE:weight")
    picture: Path | None = Field(None, description="a picture of it that its scenes are drawn after")
    strength: float = Field(
        0.9, ge=0.05, le=1, description="how far a scene leaves the subject's picture, 1: wholly"
    )
    likeness: float = Field(
        0.6,
        ge=0,
        le=1,
        description="how much an IP-Adapter, where there is one, keeps to the subject's picture, 0: not",
    )


class Scene(Settings):
    """One scene: what is said, what is seen, and how."""

    id: str = Field("", max_length=40, pattern=r"^[\w-]*$", description="its own name, kept when it is moved")
    say: str = Field("", max_length=2000, description="what is said; empty: nothing")
    draw: str = Field("", max_length=2000, description="what is seen, the picture's prompt, in English")
    about: str = Field("", max_length=500, description="what the narration is about, told to the writer")
    thing: str = Field("", description="what the labeller shall see, of a base with a small vocabulary")
    setting: str = Field("", description="where it shall see it, of a base with a small vocabulary")
    shot: Shot = Field("auto", description="how near the camera is")
    subjects: tuple[str, ...] = Field((), description="names of the subjects that it shows")
    seconds: float = Field(0, ge=0, le=600, description="least length in seconds; 0: as its words take")
    seed: int | None = Field(
        None, ge=0, le=2**32 - 1, description="its picture's seed; default: by the film's"
    )
    takes: int = Field(0, ge=0, le=8, description="drawings of its picture; 0: as the film has it")
    lora: tuple[str, ...] = Field(
        (), description="image LoRAs in place of the film's, as FILE or FILE:weight"
    )
    text_lora: Path | None = Field(None, description="the text LoRA that writes its words")
    voice: str = Field("", max_length=200, description="who speaks; empty: as the film")
    motion: Motion = Field("auto", description="the camera's way over the picture")
    transition: Transition = Field("auto", description="how it follows the scene before it")
    picture: Path | None = Field(None, description="a picture or clip of one's own in place of a drawing")
    strength: float = Field(
        0, ge=0, le=1, description="how far the look changes one's own picture; 0: shown as it is"
    )
    cut: Annotated[tuple[float, ...], PartedBy(",")] = Field(
        (), max_length=3, description="its cut's middle, x and y from 0 to 1, and a zoom from 1 on"
    )
    clip_start: float = Field(0, ge=0, le=36000, description="second at which one's own clip begins")
    clip_sound: bool = Field(False, description="play the clip's own sound")
    lock: bool = Field(False, description="kept as it is when the film is written or drawn anew")

    @model_validator(mode="after")
    def _cut_fits(self) -> Scene:
        if self.cut and not (
            len(self.cut) >= 2 and all(0 <= part <= 1 for part in self.cut[:2]) and self.zoom >= 1
        ):
            raise ValueError(
                f"cut is {printable(list(self.cut))}; give x and y from 0 to 1 and a zoom from 1 on"
            )
        return self

    @property
    def zoom(self) -> float:
        """How much nearer than the whole picture its cut is."""
        return self.cut[2] if len(self.cut) > 2 else 1.0


class Storyboard(Settings):
    """A film's scenes in order, and how they are made.

    pause: seconds of silence between the voice of one scene and that of the next.
    """

    version: int = Field(VERSION, ge=1, le=VERSION, description="the layout of this file")
    topic: str = Field("", max_length=300, description="what the film is about; its title")
    film: FilmSettings = Field(FilmSettings(), description="how the film is made")
    pause: float = Field(0.85, ge=0, le=10, description="seconds of silence between two scenes' voices")
    subjects: tuple[Subject, ...] = Field(
        (), max_length=MOST_SUBJECTS, description="who and what several scenes share"
    )
    post: Post = Field(Post(), description="what is posted with it: its cover, title, text and hashtags")
    scenes: tuple[Scene, ...] = Field(min_length=1, max_length=MOST_SCENES, description="the scenes in order")

    @model_validator(mode="after")
    def _names_fit(self) -> Storyboard:
        known = [subject.name for subject in self.subjects]
        for kind, names in (("subject", known), ("scene", [one.id for one in self.scenes if one.id])):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two {kind}s are called {printable(name)}; give each its own name")
        for number, scene in enumerate(self.scenes, 1):
            for name in scene.subjects:
                if name not in known:
                    raise ValueError(
                        f"scene {number} shows {printable(name)}, which is no subject; add it to subjects"
                    )
        return self

    def numbered(self) -> Storyboard:
        """The same with an id for each scene that has none: s1, s2, …"""
        taken = {scene.id for scene in self.scenes}
        free = (name for number in range(1, 2 * MOST_SCENES + 1) if (name := f"s{number}") not in taken)
        return self.model_copy(
            update={
                "scenes": tuple(
                    scene if scene.id else scene.model_copy(update={"id": next(free)})
                    for scene in self.scenes
                )
            }
        )

    def subject(self, name: str) -> Subject:
        """The subject of that name, which is there."""
        return next(one for one in self.subjects if one.name == name)

    def seed_of(self, at: int) -> int:
        """The seed of a scene's picture (`at` counts from 0): its own, its first subject's, or the film's."""
        scene = self.scenes[at]
        if scene.seed is not None:
            return scene.seed
        for one in map(self.subject, scene.subjects):
            if one.seed is not None:
                return one.seed
            if one.picture is not None:
                return random.Random(f"{self.film.seed} {one.name}").randrange(2**32)
        return random.Random(f"{self.film.seed} {scene.id or at}").randrange(2**32)
