"""How the samples of a training are made, so that they keep to their part of its time.

Works on counts and seconds; a step is a picture's denoising step or a text's token. Knows nothing about
models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from core.families.family import Drawing
from core.messages import Sentence
from core.settings.training import ImageTraining

DECODING = 1  # steps that the autoencoder takes for a picture
SMALL = 0.25  # a smaller picture's area, as a share of the base's own


@dataclass(frozen=True)
class Plan:
    """How samples are made: `count` at a time, 0 for none, of `length` steps each.

    together: all take their steps at once and the base makes none, as with texts. area: a picture's, as a
    share of the base's own; least_area: the smallest that it can draw. early: also before the training's end.
    """

    count: int
    length: int
    together: bool = False
    area: float = 1.0
    least_area: float = 1.0
    early: bool = False

    def steps(self, showings: int, base: bool = False) -> int:
        """Steps that they take where they are due so many times; base: it is still to draw its own."""
        times = showings if self.early else min(showings, 1)
        if self.together:
            return times * self.length if self.count else 0
        return (times + base) * self.count * (self.length + DECODING)


def of_pictures(settings: ImageTraining, drawing: Drawing, count: int) -> Plan:
    """The samples that are asked for, of `count` prompts."""
    least = 1.0 if drawing.only else SMALL
    return Plan(count, drawing.steps, least_area=least, early=settings.sample_steps > 0)


def smaller(asked: Plan) -> Iterator[Plan]:
    """The plan, then plans that each leave out something more."""
    yield asked
    plan = asked
    for change in (
        {"count": asked.count if asked.together else 1},
        {"length": math.ceil(asked.length / 2)},
        {"area": asked.least_area},
        {"early": False},
    ):
        changed = replace(plan, **change)
        if changed != plan:
            plan = changed
            yield plan


def fitting(asked: Plan, seconds: Callable[[Plan], float], most: float) -> Plan:
    """The plan that leaves out least of those that take `most` seconds; without samples where none does."""
    return next((plan for plan in smaller(asked) if seconds(plan) <= most), replace(asked, count=0))


def least(asked: Plan) -> Plan:
    """The plan that leaves out most and still makes a sample."""
    return list(smaller(asked))[-1]


def left_out(asked: Plan, plan: Plan) -> Iterator[Sentence]:
    """What differs, a sentence each."""
    if not plan.count:
        yield Sentence("no samples")
        return
    if plan.count < asked.count:
        yield Sentence("{count} of {asked} samples", count=plan.count, asked=asked.count)
    if plan.length < asked.length and plan.together:
        yield Sentence("samples of {count} tokens, not {asked}", count=plan.length, asked=asked.length)
    elif plan.length < asked.length:
        yield Sentence("{count} drawing steps, not {asked}", count=plan.length, asked=asked.length)
    if plan.area < asked.area:
        yield Sentence("pictures half as wide and high")
    if plan.early < asked.early:
        yield Sentence("samples only at the end")
