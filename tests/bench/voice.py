"""Who speaks how fast: real-time factors, and seconds until a scene's voice is on disk.

    python -m tests.bench.voice [rounds]

Engines and languages take turns; figures are medians. Because other work on the machine stretches wall-clock
times, CPU seconds stand beside them: divided by the cores they are what a quiet machine takes at least. The
floor is Kokoro's own arithmetic: the time inside its convolutions, matrix products and LSTMs alone, of a run
with each operation timed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core import device
from core.video.audio import mix, voice
from core.video.audio.voices import kokoro
from core.video.audio.voices.sounds import sounds

SCENES = {
    ("kokoro", "en"): "The boat leaves before the sun does. Nobody waits for it, and it does not mind.",
    ("kokoro", "zh"): "小镇的早晨很安静，河上有一层薄雾。船夫还没有醒，桥先醒了。",
    ("hibari", "en"): "The boat leaves before the sun does. Nobody waits for it, and it does not mind.",
}
HEAVY = ("Conv", "MatMul", "Gemm", "LSTM", "DynamicQuantize")  # how the names of heavy operations begin
CORES = len(os.sched_getaffinity(0))


def timed(work: Callable[[], float]) -> tuple[float, float, float]:
    """Wall and CPU seconds of some work, and what it gives: seconds of speech."""
    wall, processor = time.perf_counter(), time.process_time()
    spoken = work()
    return time.perf_counter() - wall, time.process_time() - processor, spoken


def scene(engine: str, text: str, folder: Path) -> float:
    """Speaks a scene's words and writes them; seconds of speech."""
    speech = voice.speak(text, engine)
    mix.write_wav(np.repeat(speech.samples[:, None], 2, 1), folder / "scene.wav")
    return speech.seconds


def floor(text: str, folder: Path) -> tuple[float, float]:
    """Seconds inside heavy operations and in all, of one pass of Kokoro."""
    os.chdir(folder)  # onnxruntime writes its profile into the folder that it is in
    model = kokoro.Model(kokoro.opened(kokoro.joined(), profiled=True))
    model.synthesise(sounds(text, "en"), kokoro.table("af_heart"), 1.0, 0.0)
    events = json.loads(Path(model.session.end_profiling()).read_text(encoding="utf-8"))
    took = [(e["args"].get("op_name", ""), e["dur"] / 1e6) for e in events if e.get("cat") == "Node"]
    heavy = sum(seconds for name, seconds in took if name.startswith(HEAVY))
    return heavy, sum(seconds for _, seconds in took)


def main(rounds: int) -> None:
    """Measures and prints."""
    print(f"{device.describe()}, {platform.processor() or platform.machine()}; {rounds} round(s)\n")
    first: dict[tuple[str, str], list[tuple[float, float, float]]] = {key: [] for key in SCENES}
    again: dict[tuple[str, str], list[tuple[float, float, float]]] = {key: [] for key in SCENES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(rounds):
            for (engine, language), text in SCENES.items():
                voice.rest()
                for found in (first, again):
                    found[engine, language].append(timed(lambda e=engine, t=text: scene(e, t, folder)))  # type: ignore[misc]
        heavy, whole = floor(SCENES["kokoro", "en"], folder)
        os.chdir(Path(__file__).parent)
    print(f"{'':12}  speech s  first s (CPU s)  again s  factor  CPU s / {CORES} cores  factor by CPU")
    for key in SCENES:
        wall, processor, spoken = (median(column) for column in zip(*again[key], strict=True))
        start, started = (median(column) for column in [*zip(*first[key], strict=True)][:2])
        least = processor / CORES
        name, begun = " ".join(key), f"{start:.2f} ({started:.2f})"
        print(
            f"{name:12}  {spoken:8.2f}  {begun:>15}  {wall:7.2f}  {wall / spoken:6.2f}"
            f"  {least:15.2f}  {least / spoken:13.3f}"
        )
    print(f"\nfloor: {heavy:.2f} s of {whole:.2f} s in heavy operations ({heavy / whole:.0%})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
