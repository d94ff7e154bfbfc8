"""When a run's weights are judged by held-out samples, and by how many of them: all, as far as there is time.

The plan is settled at the first look, by what that took, and then stands in the checkpoint: a run that is
gone on with looks at the same samples after the same steps. Every look takes the same samples, so that one
can be held against another; the first and the last look are always there. Works on a `Recipe`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core import device
from core.lora.engine import budget
from core.lora.engine.recipe import Recipe
from core.messages import Sentence, together
from core.progress import Progress, Steps

LEAST = 4  # held-out samples, where there are more: fewer tell little
FIGURES = {  # what a recipe's `validate` gives, in words
    "held_out_loss": "held out loss {value}",
    "base_held_out_loss": "base held out loss {value}",
    "held_out_perplexity": "held out perplexity {value}",
    "base_held_out_perplexity": "base held out perplexity {value}",
}


@dataclass(frozen=True)
class Plan:
    """Looks every so many steps, at so many samples each."""

    every: int
    count: int

    def looks(self, step: int, total: int) -> int:
        """How many there are after `step`: at each multiple of `every` before `total`, and at the end."""
        return (total - 1) // self.every - step // self.every + 1

    def seconds(self, sample: float, step: int, total: int) -> float:
        """What those take where a sample takes so many, the base judged once as well."""
        return sample * self.count * (self.looks(step, total) + 1)


def smaller(asked: Plan, total: int) -> Iterator[Plan]:
    """The plan, then plans that each leave out more, by turns of samples and of looks; the last one leaves
    the first look and the last.
    """
    yield asked
    every, count, least = asked.every, asked.count, min(LEAST, asked.count)
    while count > least or every < total:
        if count > least:
            count = max(least, math.ceil(count / 2))
            yield Plan(every, count)
        if every < total:
            every = min(2 * every, total)
            yield Plan(every, count)


def fitting(asked: Plan, sample: float, most: float, step: int, total: int) -> Plan:
    """The plan that leaves out least of those that take `most` seconds, else the one that leaves out most."""
    plans = list(smaller(asked, total))
    return next((plan for plan in plans if plan.seconds(sample, step, total) <= most), plans[-1])


def left_out(asked: Plan, plan: Plan, total: int) -> Iterator[Sentence]:
    """What differs, a sentence each; looks are those of a whole run."""
    if plan.count < asked.count:
        yield Sentence("{count} of {asked} held-out samples", count=plan.count, asked=asked.count)
    looks = 1 + plan.looks(asked.every, total)
    if plan.every > asked.every:
        yield Sentence("{count} looks, not {asked}", count=looks, asked=asked.looks(0, total))


class Judging:
    """The looks of one run of `total` steps; `asked` is how they would be with time enough.

    plan: as they are; None until the first look. seconds: what the newest took.
    """

    def __init__(self, recipe: Recipe, every: int, total: int, share: float) -> None:
        self.recipe, self.total, self.share = recipe, total, share
        self.asked = Plan(every, len(recipe.held_out))
        self.plan: Plan | None = None
        self.seconds = 0.0

    def state(self) -> dict[str, Any] | None:
        """What a checkpoint keeps; None before the first look."""
        return asdict(self.plan) | {"seconds": self.seconds} if self.plan else None

    def load(self, state: dict[str, Any] | None) -> None:
        """Goes on as a checkpoint says."""
        if state:
            self.plan, self.seconds = Plan(state["every"], state["count"]), state["seconds"]

    def due(self, step: int) -> bool:
        """Whether a look is due after `step`; the last one of a run comes besides."""
        return bool(self.asked.count) and step < self.total and step % (self.plan or self.asked).every == 0

    @property
    def waiting(self) -> bool:
        """Whether the first look is still to come."""
        return bool(self.asked.count) and self.plan is None

    def promised(self, step: int) -> float:
        """Seconds that the looks after `step` will take, as far as is known."""
        return self.seconds * self.plan.looks(step, self.total) if self.plan else 0.0

    def look(
        self, step: int, training: float, most: float
    ) -> Generator[Progress, None, dict[str, float] | None]:
        """Judges the weights of `step`: figures by name, None where there was no memory for it.

        training: seconds of the whole of it; most: those that this look and all to come may take.
        """
        plan, self.seconds = self.plan, 0.0
        if plan is None:
            first = self.asked if math.isinf(most) else Plan(self.asked.every, min(LEAST, self.asked.count))
            figures = yield from self._judged(first.count)
            if figures is None:
                return None
            sample = self.seconds / (2 * first.count)  # the base was judged as well
            self.plan = plan = fitting(self.asked, sample, most - self.seconds, step, self.total)
            if changes := tuple(left_out(self.asked, plan, self.total)):
                needed = self.asked.seconds(sample, step, self.total)
                what = Sentence("Judging by held-out samples")
                text = budget.told(what, needed, training, self.share, changes)
                yield Progress("Training", step, self.total, text=text)
            if plan.count == first.count:
                self.seconds /= 2
                return figures
        return (yield from self._judged(plan.count))

    def _judged(self, count: int) -> Generator[Progress, None, dict[str, float] | None]:
        """A look at `count` samples, its time added to `seconds`."""
        steps, began = Steps("Judging", self.recipe.judged(count)), time.monotonic()
        figures = yield from device.steps_within_memory(steps.counted(self.recipe.validate(count)))
        self.seconds += time.monotonic() - began
        return figures


def told(figures: Mapping[str, float]) -> Sentence:
    """What a recipe's `validate` found, for the log."""
    return together([Sentence(FIGURES[name], value=f"{value:.3f}") for name, value in figures.items()])
