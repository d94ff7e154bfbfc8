"""Commands killed at random moments: nothing that was made is lost, and the next start is clean.

A training that was killed, twice in a row, learns bit for bit what an unbroken one learns.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.faults.harness import ALL, Case, fair
from tests.small_jobs import WRITING

pytestmark = pytest.mark.slow
NAMES = list(WRITING) if ALL else ["train text"]
TIMES = 8 if ALL else 1
IN_A_ROW = 2


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_random_moments(name: str, begun: Callable[..., Case]) -> None:
    case, random, killed = begun(name, False), Random(name), 0
    for _ in range(TIMES):
        case.reset()
        for _ in range(IN_A_ROW):
            ended = case.run(kill=random.uniform(0.05, 1) * case.seconds)
            if "is there already" in ended.said:  # the one before was killed when all was done
                break
            fair(ended, -9, 0)
            case.intact()
            killed += ended.status == -9
            if ended.status == 0:
                break
        case.complete(ended)
    print(f"\n{name:12} killed {killed:3}, {case.seconds:.1f} s each")
    assert killed or not ALL
