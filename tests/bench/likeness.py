"""How alike a subject's scenes are, by what is shared: nothing, look and seed, or its picture too.

    python -m tests.bench.likeness [--scenes 3] [--sheet FILE.png]

The embedded base draws each subject in several settings, at fixed seeds and one take each; the labeller's
embeddings tell how alike its pictures are (mean cosine of all pairs, and their spread) and in how many it
sees the setting that was asked for. An embedding sees the whole picture, so that an arm whose settings are
lost is alike for nothing: both columns count. `--sheet` shows all pictures, an arm a row.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.bases import labeller
from core.images.tagging import Tagger, named, places
from core.progress import outcome
from core.settings.style import load_style
from core.settings.video import FilmSettings
from core.video import drawing
from core.video.picture.frames import SURE, save_picture
from core.video.storyboard.board import Scene, Storyboard, Subject

THINGS = ("fox", "woman", "lantern")
SETTINGS = ("forest", "street", "beach", "mountains", "meadow", "river")
STRENGTHS = (0.5, 0.7, 0.8, 0.85, 0.9)
APART = "look, picture at 0.7, a seed each"


def film(thing: str, settings: list[str], subject: Mapping[str, object] | None, arm: str = "") -> Storyboard:
    """A film of a thing in settings; of a subject what its scenes share, None: nothing."""
    shown = [Subject(**{"name": thing, "look": named(thing), **subject})] if subject is not None else []
    scenes = [
        Scene(
            id=f"{thing}-{setting}".replace(" ", "-"),
            draw=" ".join(filter(None, ("" if shown else named(thing), places(setting, thing)[0]))),
            thing=thing,
            setting=setting,
            subjects=(thing,) if shown else (),
            seed=100 + number if arm == APART else None,
        )
        for number, setting in enumerate(settings)
    ]
    how = FilmSettings(style="ink-wash", lora=(), takes=1, seed=7)
    return Storyboard(film=how, subjects=shown, scenes=scenes)


def drawn(boards: Sequence[Storyboard]) -> list[list[np.ndarray]]:
    """The pictures of films' scenes, drawn in one go, by the style's base alone."""
    style = load_style("ink-wash").model_copy(update={"lora": "", "look": ""})
    plans = [drawing.plans(board, style) for board in boards]
    made = iter(outcome(drawing.drawn([plan for some in plans for plan in some])))
    return [[next(made).pixels() for _ in some] for some in plans]


def arms(picture: Path) -> Iterator[tuple[str, Mapping[str, object] | None]]:
    """What the scenes of a thing share, by the arm's name."""
    yield "nothing", None
    yield "look and seed", {"seed": 5}
    for strength in STRENGTHS:
        yield f"look, seed, picture at {strength}", {"picture": picture, "strength": strength, "seed": 5}
    yield APART, {"picture": picture, "strength": 0.7}


def main() -> None:
    """Draws, measures, prints a table."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--scenes", type=int, default=3)
    ask.add_argument("--sheet", type=Path)
    asked = ask.parse_args()
    settings = list(SETTINGS[: asked.scenes])
    films: list[tuple[str, Storyboard]] = []
    with tempfile.TemporaryDirectory() as folder:
        sheets = drawn([film(thing, ["plain"], None) for thing in THINGS])
        for thing, (sheet,) in zip(THINGS, sheets, strict=True):
            picture = save_picture(sheet, Path(folder) / f"{thing}.png")
            films += [(name, film(thing, settings, subject, name)) for name, subject in arms(picture)]
        pictures = drawn([board for _, board in films])
    tagger = Tagger(labeller.load())
    alike, right, rows = (dict[str, list[Any]]() for _ in range(3))
    for (name, board), some in zip(films, pictures, strict=True):
        seen = tagger.see([Image.fromarray(one) for one in some]).numpy()
        alike.setdefault(name, []).extend(float(a @ b) for a, b in itertools.combinations(seen, 2))
        rows.setdefault(name, []).extend(some)
        for one, scene in zip(some, board.scenes, strict=True):
            sure = tagger.agreement(Image.fromarray(one), {"setting": scene.setting})
            right.setdefault(name, []).append(sure > SURE)
    print("| shared | alike: mean cosine of pairs | spread | setting seen |\n|---|---|---|---|")
    for name, values in alike.items():
        share = sum(right[name]) / len(right[name])
        print(f"| {name} | {statistics.mean(values):.3f} | {statistics.stdev(values):.3f} | {share:.0%} |")
    print(f"\n{len(THINGS)} subjects in {len(settings)} settings")
    if asked.sheet:
        save_picture(np.vstack([np.hstack(row) for row in rows.values()]), asked.sheet)


if __name__ == "__main__":
    main()
