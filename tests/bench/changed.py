"""What a change of a film costs beside the whole film: a scene's picture, its words, the captions' look.

    python -m tests.bench.changed [rounds]

Each round makes a film of six scenes with nothing kept, then after each change alone, every time by
`studio.py compose --storyboard` in a process of its own, loading of models included. Figures are medians, and
shares of the whole.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.project import ROOT
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard

SCENES = (
    ("Mist rises from the river before anyone wakes.", "a boat on a river, in the morning, in the fog"),
    ("The baker lights one window, then another.", "a house in a town, in the morning"),
    ("Under the bridge the water keeps its own slow time.", "a bridge over a river, in the morning"),
    ("Someone hums, and a door opens on the smell of tea.", "a teapot on a table, in the morning"),
    ("A cat walks home along the wall, in no hurry.", "a cat in a town, by day"),
    ("Then the boats go out, and the day begins.", "a sailboat on a river, by day"),
)
Change = Callable[[Storyboard], Storyboard]


def _scene(name: str, **fields: object) -> Change:
    return lambda board: edit.changed(board, board.scenes[2].id, **{name: fields[name]})


CHANGES: dict[str, Change] = {
    "the whole film": lambda board: board,
    "nothing": lambda board: board,
    "a scene's picture": _scene("draw", draw="a lantern on a bridge, at night"),
    "a scene's words": _scene("say", say="One lantern stays, and the whole river knows it."),
    "the captions' look": lambda board: edit.filmed(board, caption_look="pop"),
}


def film(board: Storyboard, folder: Path) -> float:
    """Makes the film of a storyboard; seconds of the whole process."""
    written = file.write(board, folder / "storyboard.yaml")
    command = [sys.executable, str(ROOT / "studio.py"), "compose", "--storyboard", str(written)]
    environment = {**os.environ, "STUDIO_CACHE": str(folder / "cache")}
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--output", str(folder / "video.mp4"), "--home", str(folder / "home")],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return time.monotonic() - began


def main(rounds: int) -> None:
    """Measures and prints."""
    board = Storyboard(topic="a river town", scenes=[Scene(say=say, draw=draw) for say, draw in SCENES])
    board = board.numbered()
    took: dict[str, list[float]] = {name: [] for name in CHANGES}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, change in CHANGES.items():
                took[name].append(film(change(board), Path(folder)))
                print(f"{name}: {took[name][-1]:.1f} s", file=sys.stderr, flush=True)
    whole = statistics.median(took["the whole film"])
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        print(f"{name:20} {middle:6.1f} s  {middle / whole:6.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
