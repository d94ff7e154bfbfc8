"""Makes the embedded models from nothing, in order, one slice of each; every step goes on from its state.

Works by running the scripts beside it; knows nothing about what they do. `--share` scales all slices: 1 is
for days of a CPU, 0.02 for half an hour of one large GPU. Scenes are drawn beside the UNet's training, by all
cores but four where there are so many, and picked up as they come.

    python -m assets.build.all
    python -m assets.build.all --share 0.02
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from assets.build import training

ROOT = Path(__file__).resolve().parents[2]

# script, arguments, minutes at share 1 (0: as long as it takes)
PLAN: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("base", ("--stage", "text"), 30),
    ("autoencoder", ("--finish",), 300),
    ("data", ("--count", "2048"), 60),
    ("base", ("--stage", "unet", "--portrait", "0.7"), 400),
    ("base", ("--stage", "unet", "--portrait", "0.7", "--finish"), 200),
    ("base", ("--stage", "export"), 0),
    ("decoder", ("--finish",), 120),
    ("base", ("--stage", "sheet"), 0),
    ("labeller", ("--finish",), 150),
    ("loras", (), 0),
    ("judge", (), 100),
)
SCENES = 120_000  # of each shape, at most, drawn beside the UNet's training
GPU_BATCH = {"autoencoder": 80, "decoder": 32, "base": 512, "labeller": 256, "judge": 256}

# Without these, glibc gives large buffers back to the system at every step and takes them again page by page.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}


def main() -> None:
    """Runs the plan; stops at the first script that fails."""
    parser = argparse.ArgumentParser(description="Makes the embedded models.")
    parser.add_argument("--size", choices=("tiny", "full"), default="full", help="tiny is for tests")
    parser.add_argument(
        "--state", type=Path, default=Path("build-state"), help="folder of the training state"
    )
    parser.add_argument("--models", type=Path, default=training.MODELS, help="folder of the finished models")
    parser.add_argument("--share", type=float, default=1.0, help="factor on the minutes of every slice")
    options = parser.parse_args()
    gpu, cores = training.pick_device().type == "cuda", os.cpu_count() or 1
    drawers = max(1, cores - 4)  # the trainer, which launches kernels, keeps four cores of many
    environment = {**os.environ, **ALLOCATOR}
    places = ["--size", options.size, "--state", str(options.state.resolve())]
    places += ["--models", str(options.models.resolve())]

    def command(script: str, *words: str) -> list[str]:
        made = [sys.executable, "-m", f"assets.build.{script}", *places, *words]
        print("·", " ".join(made[2:]), flush=True)
        return made

    for script, given, minutes in PLAN:
        words = list(given)
        if minutes:
            words += ["--minutes", str(max(minutes * options.share, 0.05))]
        if gpu and script in GPU_BATCH:
            words += ["--batch", str(GPU_BATCH[script])]
        beside = None
        if "unet" in given:
            if gpu:
                drawing = command(
                    "data", "--count", str(SCENES), "--workers", str(drawers), "--minutes", "600"
                )
                beside = subprocess.Popen(drawing, cwd=ROOT, env=environment)
            else:
                words += ["--workers", str(cores), "--threads", "1"]
            words += ["--compile"] if shutil.which("c++") else []
        elif script in ("autoencoder", "labeller", "judge", "data"):
            words += ["--workers", str(drawers if gpu else cores)]
        try:
            subprocess.run(command(script, *words), check=True, cwd=ROOT, env=environment)
        finally:
            if beside:
                beside.terminate()
                beside.wait()


if __name__ == "__main__":
    main()
