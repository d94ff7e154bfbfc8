"""Every scene's picture: found where it was drawn before, else drawn, looked at, and kept.

What decides a picture is settled before anything is drawn (`plans`), so that it can be looked for under the
hash of all that. Scenes of the same LoRAs are drawn one after another, as the base changes its LoRAs between.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import device, kept
from core.bases import ip_adapter, picture_base
from core.bases.places import EMBEDDED, embedded_folder, local_copy
from core.families.family import Start
from core.files import contents
from core.lora.adapters import fuse, image_file
from core.lora.image.sampler import Sampling, Shot, Wanted, sampling
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
from core.project import write_atomic
from core.settings.style import Style
from core.settings.video import FilmSettings
from core.video.picture import frames, own
from core.video.picture.cutting import cut_to
from core.video.script.write import LORAS
from core.video.storyboard.board import Scene, Storyboard, Subject

MOST_BYTES = 100_000  # of what is said of a picture
WAITING = 16  # pictures whose turn is settled together, each with the one that it begins from in memory
DRAWN = 1  # how pictures are drawn; another number draws all anew
SHOTS = {
    "auto": "",
    "wide": "wide shot",
    "medium": "medium shot",
    "close": "close-up",
    "detail": "extreme close-up",
}


@dataclass(frozen=True)
class Plan:
    """What decides a scene's picture.

    facts: what the labeller shall see, by kind. start: a picture that it is drawn after, `strength` how far
    it leaves that. guide: a picture that the sampling's IP-Adapter looks at, `likeness` how much. own: a file
    that is shown as it is; nothing is drawn then. told: what a person shall know of how it is drawn.
    """

    prompt: str
    seed: int
    how: Sampling
    facts: Mapping[str, str] = field(default_factory=dict)
    start: Path | None = None
    strength: float = 0.0
    cut: tuple[float, ...] = ()
    guide: Path | None = None
    likeness: float = 0.0
    own: Path | None = None
    told: Sentence | None = None

    @property
    def path(self) -> Path:
        """Where the picture is kept; one's own is where it is."""
        if self.own is not None:
            return self.own
        how = self.how
        return kept.place(
            "pictures",
            ".png",
            drawn=DRAWN,
            prompt=self.prompt,
            seed=self.seed,
            base=_identity(how.base),
            labeller=_labeller(how.takes),
            loras=[[kept.contents_hash(path), weight] for path, weight in how.loras],
            how=[how.width, how.height, how.steps, how.guidance, how.takes, how.prediction],
            few=how.few.name if how.few else "",
            facts=dict(self.facts),
            start=[self.start, self.strength, self.cut] if self.start else None,
            **({"guide": self._guide()} if self.guide else {}),
        )

    def _guide(self) -> list[Any]:
        adapter = self.how.adapter
        assert adapter is not None, "a guide is looked at through an adapter"
        return [kept.identity(adapter.file), kept.identity(adapter.encoder), self.guide, self.likeness]


@dataclass(frozen=True)
class Drawn:
    """A scene's picture: its file, what it was drawn from, and what seems wrong with it."""

    path: Path
    prompt: str
    seed: int
    doubt: str = ""

    def pixels(self) -> np.ndarray:
        """The picture, uint8 [H, W, 3]."""
        return own.picture(self.path)


def _identity(base: str) -> str:
    here = local_copy(picture_base.find(base))
    return kept.identity(here) if here is not None else base


def _labeller(takes: int) -> str:
    return kept.identity(embedded_folder("labeller", "model.safetensors")) if takes > 1 else ""


def plans(board: Storyboard, style: Style) -> list[Plan]:
    """What decides each scene's picture. Raises Mistake for a base, LoRA or file that can't be used."""
    for specs in {(one.lora or film_loras(board.film, style)) for one in board.scenes}:
        for path, _ in frames.parse_loras(specs):
            fuse.check(board.film.image_base, path)
    words = picture_base.vocabulary(board.film.image_base)
    return [plan(board, at, style, words) for at in range(len(board.scenes))]


def plan(board: Storyboard, at: int, style: Style, words: dict[str, list[str]]) -> Plan:
    """What decides the picture of the scene `at`; words: the base's, where it knows few."""
    scene, film = board.scenes[at], board.film
    subjects = [board.subject(name) for name in scene.subjects]
    loras = scene_loras(board, scene, style)
    takes = scene.takes or film.takes
    how = sampling(
        film.image_base,
        loras,
        film.width,
        film.height,
        Wanted(film.steps, film.guidance, takes),
        film.prediction,
    )
    triggers = list(dict.fromkeys(image_file.trigger(path) for path, _ in loras))
    said = ", ".join(filter(None, (*(one.look for one in subjects), scene.draw, SHOTS[scene.shot])))
    made = Plan(
        prompt=frames.framed_prompt(said, triggers, style.look, words),
        seed=board.seed_of(at),
        how=how,
        facts={kind: word for kind, word in (("object", scene.thing), ("setting", scene.setting)) if word},
    )
    if scene.picture is not None:
        own.check(scene.picture)
        if not scene.strength or own.is_clip(scene.picture):
            return replace(made, own=scene.picture)
        made = replace(made, start=scene.picture, strength=scene.strength, cut=scene.cut, facts={})
    after = next((one for one in subjects if one.picture is not None), None)
    return made if after is None else _after(made, after)


def _after(plan: Plan, subject: Subject) -> Plan:
    """A plan whose picture is drawn after a subject's: through an IP-Adapter, else begun from it.

    Raises Mistake where that picture, or an adapter that should do it, can't be used.
    """
    assert subject.picture is not None
    own.check(subject.picture)
    adapter, reason = ip_adapter.find(plan.how.base)
    if adapter is None:
        told = Sentence(
            "Scenes with {name} begin from its picture and share a seed, which keeps colours and outlines "
            "alike more than a face ({reason}).",
            name=subject.name,
            reason=reason,
        )
        began = plan if plan.start else replace(plan, start=subject.picture, strength=subject.strength)
        return replace(began, told=told)
    if not subject.likeness:
        return plan
    how = replace(plan.how, adapter=adapter)
    return replace(plan, guide=subject.picture, likeness=subject.likeness, how=how)


def scene_loras(board: Storyboard, scene: Scene, style: Style) -> list[tuple[Path, float]]:
    """The image LoRAs of a scene: its own, else the film's; with those of its subjects."""
    specs = scene.lora or film_loras(board.film, style)
    subjects = (board.subject(name).lora for name in scene.subjects)
    return frames.parse_loras([*specs, *filter(None, subjects)])


def film_loras(film: FilmSettings, style: Style) -> tuple[str, ...]:
    """The image LoRAs asked for, else the style's own, which fits the embedded base alone."""
    if film.lora or not style.lora or film.image_base != EMBEDDED:
        return film.lora
    return (f"{LORAS / style.lora}:{style.lora_weight}",)


def drawn(wanted: Sequence[Plan]) -> Generator[Progress, None, list[Drawn]]:
    """Draws every picture that isn't kept yet; reports each."""
    left = missing(wanted)
    if left:
        yield Progress("Loading the picture model")
        camera = frames.Camera(left[0].how)
        drawing = Steps("Drawing", sum(one.how.takes * one.how.steps for one in left))
        yield drawing.report()
        for told in dict.fromkeys(one.told for one in left if one.told):
            yield drawing.report(text=told)
        for _, alike in itertools.groupby(left, key=lambda one: one.how):
            while some := [*itertools.islice(alike, WAITING)]:
                yield from _draw(some, camera, drawing)
        del camera
        device.free()
    return [found(one) for one in wanted]


def missing(wanted: Sequence[Plan]) -> list[Plan]:
    """Those that have to be drawn, each once, in the order that changes LoRAs least."""
    by_path = {one.path: one for one in wanted if one.own is None}
    left = [one for path, one in by_path.items() if not kept.there(path)]
    return sorted(left, key=lambda one: (str(one.how.loras), str(one.how)))


def _draw(plans: Sequence[Plan], camera: frames.Camera, drawing: Steps) -> Generator[Progress, None, None]:
    """Draws pictures that are drawn alike, several at once where that is worth it; keeps each when it's over.

    Those that the memory is not enough for at once are drawn by halves.
    """
    camera.use(plans[0].how)
    for line in (*camera.artist.unused, *camera.artist.unread([one.prompt for one in plans])):
        yield Progress("Drawing", text=line)
    left = {one.path: frames.Sitting(_shot(one), one.facts) for one in plans}
    steps, done, most = camera.how.steps, drawing.done, math.inf
    while left:
        now = camera.together([*left.values()], int(min(camera.artist.room, most)))
        taken = yield from drawing.counted(
            _within_memory(camera.take(now), len(now)),
            each=len(now),
            look=lambda: frames.glimpse(camera.artist.look()),
        )
        if not taken:
            most = len(now) // 2
            continue
        seen = frames.glimpse([one.takes[-1].picture for one in now])
        over = {path: one for path, one in left.items() if one in now and one.over(camera.how.takes)}
        for path, one in over.items():
            keep(one.best, path)
            del left[path]
        drawing.done = max(drawing.done, done + (len(plans) - len(left)) * camera.how.takes * steps)
        yield drawing.report(look=lambda seen=seen: seen)


def _within_memory(take: Generator[None, None, bool], count: int) -> Generator[None, None, bool | None]:
    """A take's steps and outcome; None where the memory isn't enough for so many pictures at once."""
    return (yield from (device.steps_within_memory(take) if count > 1 else take))


def _shot(plan: Plan) -> Shot:
    start = guide = None
    if plan.start is not None:
        picture = cut_to(own.picture(plan.start), plan.how.width, plan.how.height, plan.cut)
        start = Start(picture, plan.strength)
    if plan.guide is not None:
        guide = own.picture(plan.guide)
    return Shot(plan.prompt, plan.seed, start, guide, plan.likeness)


def keep(take: frames.Take, path: Path) -> Path:
    """Writes a picture, and beside it what it was drawn from and what seems wrong with it."""
    said = {"prompt": take.prompt, "seed": take.seed, "doubt": take.doubt}
    write_atomic(path.with_suffix(".json"), json.dumps(said, ensure_ascii=False))
    return frames.save_picture(take.picture, path)


def found(plan: Plan) -> Drawn:
    """A picture that is there."""
    if plan.own is not None:
        return Drawn(plan.own, "", plan.seed)
    said: dict[str, Any] = {}
    with contextlib.suppress(
        Mistake, OSError, ValueError
    ):  # the picture is there, what was said of it need not be
        said = json.loads(contents(plan.path.with_suffix(".json"), MOST_BYTES))
    return Drawn(
        plan.path, said.get("prompt", plan.prompt), said.get("seed", plan.seed), said.get("doubt", "")
    )
