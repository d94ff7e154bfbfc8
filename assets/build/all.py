"""Makes the embedded models from nothing, in order, one slice of each; every step goes on from its state.

Works by running the scripts beside it; knows nothing about what they do. `--share` scales all slices: at
1, `small` takes four and a half hours on a quiet two-core CPU; at 0.1, `full` takes 25 minutes on a big GPU.

    python -m assets.build.all --size small
    python -m assets.build.all --size full --share 0.1
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from assets.build import training

# script, arguments, minutes at share 1 (0: as long as it takes)
PLAN: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("base", ("--stage", "text"), 4),
    ("autoencoder", ("--finish",), 40),
    ("data", (), 20),
    ("base", ("--stage", "unet", "--portrait", "0.4"), 60),
    ("base", ("--stage", "unet", "--portrait", "0.7", "--finish"), 30),
    ("base", ("--stage", "export"), 0),
    ("base", ("--stage", "sheet"), 0),
    ("autoencoder", ("--decoder-only", "--finish"), 20),
    ("labeller", ("--finish",), 60),
    ("loras", (), 0),
    ("judge", (), 10),
)

# Without these, glibc gives large buffers back to the system at every step and takes them again page by page.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}


def main() -> None:
    """Runs the plan; stops at the first script that fails."""
    parser = argparse.ArgumentParser(description="Makes the embedded models.")
    parser.add_argument(
        "--size", choices=("tiny", "small", "full"), default="small", help="tiny is for tests"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("build-state"), help="folder of the training state"
    )
    parser.add_argument("--models", type=Path, default=training.MODELS, help="folder of the finished models")
    parser.add_argument("--share", type=float, default=1.0, help="factor on the minutes of every slice")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="UNet workers on a CPU")
    options = parser.parse_args()
    gpu = training.pick_device().type == "cuda"
    root = Path(__file__).resolve().parents[2]
    for script, words, minutes in PLAN:
        command = [sys.executable, "-m", f"assets.build.{script}", "--size", options.size]
        command += [
            "--state",
            str(options.state.resolve()),
            "--models",
            str(options.models.resolve()),
            *words,
        ]
        if minutes:
            command += ["--minutes", str(max(minutes * options.share, 0.05))]
        environment = {**os.environ, **ALLOCATOR}
        if words[:2] == ("--stage", "unet") and not gpu:
            command += ["--workers", str(options.workers)]
            command += ["--compile"] if shutil.which("c++") else []
            environment["OMP_NUM_THREADS"] = "1"
        print("·", " ".join(command[2:]), flush=True)
        subprocess.run(command, check=True, cwd=root, env=environment)


if __name__ == "__main__":
    main()
