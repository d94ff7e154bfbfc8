"""Whether training got slower since a commit: CPU seconds a step then and now, step by step in turn.

    python -m tests.bench.before COMMIT [rounds]

Two processes, one from a checkout of COMMIT and one from this one, do the same steps in turn, in an order
drawn anew each round, so that whatever else the machine does befalls both. A third, of COMMIT again, tells
what chance alone gives. Printed: median CPU seconds (one thread), the median of the ratios, and its 95 %
interval by bootstrap.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
BEGUN = 3  # steps before the first that counts


def steps(kind: str, count: int) -> None:
    """Trains by the checkout in the working folder, a step a line of input; prints its seconds."""
    sys.path[0] = os.getcwd()
    import torch

    torch.set_num_threads(1)
    from core.lora.train import train

    try:
        from core.settings.training import ImageTraining, TextTraining
    except ImportError:  # as it was before settings had rooms
        from core.settings import ImageTraining, TextTraining

    sample, common = (
        ROOT / "assets" / "sample",
        {"samples": 0, "keep_loras": 0, "max_steps": count + 2 * BEGUN},
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDIO_CACHE"] = f"{folder}/cache"
        place = {"output_dir": Path(folder) / "run"}
        made = {
            "pictures": lambda: ImageTraining(
                train_data_dir=sample / "pictures", batch_size=2, **common, **place
            ),
            "texts": lambda: TextTraining(
                train_data_path=sample / "texts" / "narration.jsonl",
                batch_size=4,
                holdout=0,
                **common,
                **place,
            ),
        }
        losses = (progress for progress in train(made[kind]()) if progress.loss is not None)
        for _ in range(BEGUN):
            next(losses)
        print("ready", flush=True)
        for _ in sys.stdin:
            begun = time.process_time()
            next(losses)
            print(time.process_time() - begun, flush=True)


class Arm:
    """A process that trains from a checkout."""

    def __init__(self, checkout: Path, kind: str, count: int) -> None:
        command = [sys.executable, str(Path(__file__)), "--steps", kind, str(count)]
        pipe, quiet = subprocess.PIPE, {**os.environ, "TQDM_DISABLE": "1"}
        self.process = subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True, env=quiet)
        self.taken: list[float] = []
        while (line := self.process.stdout.readline().strip()) != "ready":
            if not line:
                raise SystemExit(f"the training from {checkout.name} ended early")

    def step(self) -> None:
        """One step; its CPU seconds are kept."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.taken.append(float(self.process.stdout.readline()))


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Median of ratios, with its 95 % interval."""
    chance = random.Random(0)
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(2000))
    return median(ratios), medians[50], medians[-50]


def main(commit: str, rounds: int) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", str(old), commit], cwd=ROOT, check=True)
        try:
            for kind in ("pictures", "texts"):
                arms = {"before": old, "now": ROOT, "before again": old}
                running = {name: Arm(checkout, kind, rounds) for name, checkout in arms.items()}
                chance = random.Random(0)
                for _ in range(rounds):
                    for arm in chance.sample([*running.values()], len(running)):
                        arm.step()
                for name, arm in running.items():
                    arm.process.kill()
                    pairs = zip(arm.taken, running["before"].taken, strict=True)
                    ratio, least, most = interval([a / b for a, b in pairs])
                    times = f"{median(arm.taken):.4f} s  × {ratio:.3f} ({least:.3f}–{most:.3f})"
                    print(f"{kind:9} {name:13} {times}")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(old)], cwd=ROOT, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--steps":
        steps(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40)
