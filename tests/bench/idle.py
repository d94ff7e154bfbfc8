"""What a window costs with nobody there: CPU time of the studio's process as a share of a core.

    python -m tests.bench.idle [--seconds 60] [--port 7979]

`studio.py` runs as for its user, in a home folder of its own, with no job. (a) before a page was opened,
(b) with one page open in headless Chromium, (c) after it was closed; each over `--seconds`, after a pause
for what has just happened to end. `wakes` counts how often its threads woke in a second: where other work
on the machine stretches CPU time (cold caches, slow system calls), that number stays. The goal is below 1 %
in each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from core import device

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
PAUSE_S = 10


def used(studio: psutil.Process) -> tuple[float, dict[int, int]]:
    """CPU seconds of the process so far, and how often each of its threads has slept."""
    times, sleeps = studio.cpu_times(), {}
    for thread in studio.threads():
        lines = Path(f"/proc/{studio.pid}/task/{thread.id}/status").read_text().splitlines()
        sleeps[thread.id] = next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
    return times.user + times.system, sleeps


def measure(name: str, studio: psutil.Process, seconds: float) -> None:
    """Waits, measures and prints one line."""
    time.sleep(PAUSE_S)
    started, (cpu, sleeps) = time.perf_counter(), used(studio)
    time.sleep(seconds)
    took, (cpu_now, sleeps_now) = time.perf_counter() - started, used(studio)
    share = (cpu_now - cpu) / took
    wakes = sum(count - sleeps.get(thread, 0) for thread, count in sleeps_now.items()) / took
    print(f"{name:<20} {share:6.2%} of a core, {wakes:5.0f} wakes a second", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=7979)
    asked = parser.parse_args()
    print(f"{device.describe()}; load {psutil.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "studio.py", "--no-browser", "--port", str(asked.port), "--home", home]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = process.stdout.readline().split(" at ")[1].split()[0]
            studio = psutil.Process(process.pid)
            measure("(a) no page", studio, asked.seconds)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page = browser.new_page()
                page.goto(address)
                page.wait_for_selector("#start-label")
                measure("(b) one page", studio, asked.seconds)
                browser.close()
            measure("(c) page closed", studio, asked.seconds)
            process.terminate()


if __name__ == "__main__":
    main()
