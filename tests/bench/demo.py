"""The demo's parts in seconds, with all of the processor's instructions and as a plain CPU; a second film.

    python -m tests.bench.demo [rounds]

Each run is `studio.py demo` in a process, a home and a cache of its own, as on a fresh clone; then one more
film in the same project. The two kinds of CPU take turns; figures are medians.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core import device
from core.project import ROOT

KINDS = {"all instructions": "", "plain CPU": "plain"}
FILM = ("script", "voice", "frames", "enlarging", "sound", "rendering", "check")
SECOND = "an old fisherman comes home"


def studio(*words: str, cpu: str, folder: Path) -> tuple[str, float]:
    """Runs a command of the studio; what it said, and the seconds it took as a whole process."""
    environment = {**os.environ, "STUDIO_CPU": cpu, "STUDIO_CACHE": str(folder / "cache")}
    command = [sys.executable, str(ROOT / "studio.py"), *words, "--home", str(folder / "home")]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stderr + done.stdout, time.monotonic() - started


def film(video: Path) -> Iterator[tuple[str, float]]:
    """The parts of a film, from its report."""
    took = json.loads((video.parent / "report.json").read_text(encoding="utf-8"))["took_seconds"]
    yield from ((f"film: {part}", took[part]) for part in FILM)


def run(cpu: str) -> dict[str, float]:
    """One demo and a second film on such a CPU: seconds by part."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said, whole = studio("demo", cpu=cpu, folder=folder)
        headings = re.findall(r"\d/4 (Label|Image LoRA|Text LoRA|Compose)\b", said)
        seconds = [float(found) for found in re.findall(r"^\s*\S+, (\d+) s\s*$", said, re.M)]
        took = dict(zip(headings, seconds, strict=True))
        took |= dict(film(Path(said.split()[-1])))
        took["whole demo"] = whole
        took["memory, GB"] = float(re.findall(r"([\d.]+) GB of memory", said)[-1])
        project = Path(said.split()[-1]).parents[2]
        loras = {
            path.is_dir(): path for path in (project / "loras").glob("lora_v1_*") if path.suffix != ".yaml"
        }
        image, text = loras[False], loras[True]
        words = ("--style", "ink-wash", "--lora", str(image), "--text-lora", str(text))
        target = project / "videos" / "second" / "video.mp4"
        _, took["second film"] = studio(
            "compose", "--topic", SECOND, *words, "--output", str(target), cpu=cpu, folder=folder
        )
        return took


def main(rounds: int) -> None:
    """Measures and prints."""
    print(f"{device.describe()}, {platform.processor() or platform.machine()}; {rounds} round(s)\n")
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, cpu in KINDS.items():
            runs[kind].append(run(cpu))
            print(f"{kind}: {runs[kind][-1]}", file=sys.stderr, flush=True)
    print("| part | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS))
    for part in runs["plain CPU"][0]:
        figures = (median(found[part] for found in runs[kind]) for kind in KINDS)
        print(f"| {part} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
