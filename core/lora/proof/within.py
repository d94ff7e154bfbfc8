"""A proof that keeps to the time there is for it: the most of what it would try, by what a part of it takes.

Knows nothing about pictures or texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from core.messages import Sentence

PlanT = TypeVar("PlanT")


def fitting(plans: Iterable[PlanT], seconds: Callable[[PlanT], float], most: float) -> PlanT:
    """The first plan that takes `most` seconds, else the last: what was asked for is never left out whole."""
    plan = None
    for plan in plans:
        if seconds(plan) <= most:
            break
    assert plan is not None
    return plan


def told(needed: float, most: float, changes: Sentence) -> Sentence:
    """What is left out of a proof that would take `needed` seconds."""
    return Sentence(
        "The proof would take {needed} s, and {left} s are left for it (look_share); so there are {changes}. "
        "Prove the LoRA again to try all.",
        needed=math.ceil(needed),
        left=max(0, math.floor(most)),
        changes=changes,
    )
