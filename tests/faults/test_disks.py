"""Disks that fill at each page and at each file, close, or go away, under every command that writes.

One sentence or the result; what stood before stands; no half file; and the same command does it once it can.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.faults.harness import ALL, Case, fair, parts
from tests.small_jobs import WRITING

pytestmark = pytest.mark.slow
NAMES = list(WRITING) if ALL else ["label", "export", "train text"]
POINTS = 12 if ALL else 2  # of each job's writes, evenly spread where they are more
TIMES = 4 if ALL else 1


def points(count: int) -> list[int]:
    """Numbers from 0 to below `count`, all or evenly spread."""
    return sorted({count * number // POINTS for number in range(POINTS)} | {max(0, count - 1)})


@pytest.mark.parametrize("what", ["pages", "files"])
@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_fills_at_each_write(name: str, what: str, begun: Callable[..., Case]) -> None:
    case = begun(name)
    disk = case.disk
    assert disk
    count = {"pages": disk.used, "files": disk.files}[what]
    before = count()
    fair(case.run(), 0)
    needed = count() - before + 3  # some are but passed through
    for number in points(needed):
        disk.resize()
        case.reset()
        assert disk.resize(**{what: count() + number})
        ended = case.run()
        case.check(ended, 0, 2)
        assert not parts(case.out)
        disk.resize()
        case.complete(ended)
    report(name, f"{needed} {what}", case)
    assert case.refused


def report(name: str, what: str, case: Case) -> None:
    """A line of figures, with pytest -s."""
    figures = f"tried {case.tried:3} refused {case.refused:3}, {case.seconds:.1f} s each"
    print(f"\n{name:12} {what:12} {figures}")


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_read_only(name: str, begun: Callable[..., Case]) -> None:
    case = begun(name)
    assert case.disk and case.disk.resize(options="ro")
    ended = case.run()
    case.check(ended, 2)
    assert "can't be written to" in ended.said
    case.disk.resize()
    case.complete(ended)


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_becomes_read_only(name: str, begun: Callable[..., Case]) -> None:
    case, random = begun(name), Random(name)
    disk = case.disk
    assert disk

    def close(process: Any) -> None:
        time.sleep(random.random() * case.seconds)
        while process.is_alive() and not disk.resize(options="ro"):  # not while a file is open to write
            time.sleep(0.001)

    for _ in range(TIMES):
        ended = case.run(during=close)
        case.check(ended, 0, 2)
        disk.resize()
        case.complete(ended)
        case.reset()
    report(name, "read-only", case)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_goes_away(name: str, begun: Callable[..., Case]) -> None:
    """What is made in its place goes with that, so that files may be fewer; none is half or lost."""
    case, random = begun(name, False), Random(name)
    gone = case.place / "gone"

    def take_away(process: Any) -> None:
        time.sleep(random.random() * case.seconds)
        case.out.rename(gone)

    for _ in range(TIMES):
        ended = case.run(during=take_away)
        shutil.rmtree(case.out, ignore_errors=True)
        gone.rename(case.out)
        case.check(ended, 0, 2)
        case.again()
        case.intact()
        assert not parts(case.out)
        case.reset()
    report(name, "gone", case)
