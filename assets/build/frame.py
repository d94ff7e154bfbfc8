"""Measures what one 9:16 frame takes on this machine: median seconds and the process's peak memory.

Draws with the studio's own artist, in a process of its own so that nothing else counts.

    python -m assets.build.frame [--base embedded] [--frames 5]
"""

import argparse
import json
import statistics
import time

import torch

from core import device
from core.bases.places import EMBEDDED
from core.lora.image.sampler import Artist, sampling


def main() -> None:
    """Draws the frames and prints the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description="Measures what one 9:16 frame takes.")
    parser.add_argument("--base", default=EMBEDDED, help="picture base")
    parser.add_argument("--frames", type=int, default=5, help="frames to draw after a first one")
    options = parser.parse_args()
    how = sampling(options.base, (), 1080, 1920)
    artist = Artist(how)
    artist.draw("a red lantern in an old town in the evening", 0)
    seconds = []
    for seed in range(1, options.frames + 1):
        start = time.perf_counter()
        artist.draw("a red lantern in an old town in the evening", seed)
        seconds.append(time.perf_counter() - start)
    told = {
        "size": [how.width, how.height],
        "steps": how.steps,
        "threads": torch.get_num_threads(),
        "seconds": round(statistics.median(seconds), 2),
        "memory_gb": round(device.peak_memory_bytes() / 1e9, 2),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
