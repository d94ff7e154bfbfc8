"""Seeds from numbers, and orders that follow from them.

Everything random in a training is drawn from seeds of (seed, step) or (seed, epoch, sample), never from a
state that has to survive: so a resumed run repeats the unbroken one bit by bit, a run on several processes
sees the same noise as one with the same effective batch, and drawing samples in between disturbs nothing.
"""

from __future__ import annotations

import random


def seed(*numbers: int) -> int:
    """One seed below 2**63 from several numbers, well spread: SplitMix64's mixing (Steele 2014)."""
    mask, mixed = 2**64 - 1, 0
    for number in numbers:
        mixed = (mixed + number + 0x9E3779B97F4A7C15) & mask
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        mixed ^= mixed >> 31
    return mixed >> 1


def order(count: int, *seeds: int) -> list[int]:
    """The numbers below `count` in an order that follows from the seeds alone."""
    numbers = list(range(count))
    random.Random(seed(*seeds)).shuffle(numbers)
    return numbers
