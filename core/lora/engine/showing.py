"""The samples of a run: as many as there is memory and, beside the training, time for.

Works on a `Recipe`, which draws or writes them; times a step of theirs and fits the plan to it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

from core import device
from core.lora.engine import budget, sample_plan
from core.lora.engine.metrics import Logs
from core.lora.engine.recipe import Recipe
from core.lora.engine.sample_plan import Plan
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps

FIRST_STEPS = 2  # of a sample: the second one is timed, as the first one holds warm-up
BEGUN = 1.25  # a plan for the samples that was begun is kept while it is off by no more than a quarter


class Showing:
    """The samples of one run of `total` steps; their pictures go into `folder`/samples."""

    def __init__(self, recipe: Recipe, folder: Path, total: int, logs: Logs, share: float) -> None:
        self.recipe, self.folder, self.total, self.logs, self.share = recipe, folder, total, logs, share
        self.plan = recipe.plan
        self.seconds = 0.0  # that they have taken

    def show(
        self, step: int, showings: int, update: float, training: float, most: float
    ) -> Iterator[Progress]:
        """The samples of this step.

        showings: how often they are still to be shown, this time included. update: seconds that one takes,
        training: that all take; most: that the samples of the whole run may take.
        """
        if not self.plan.count or (showings > 1 and not self.plan.early):
            return
        began = time.monotonic()
        try:
            if (
                yield from device.steps_within_memory(self._fitted(step, showings, update, training, most))
            ) is None:
                yield self._said(step, Sentence("Memory ran out: the samples of this step are left out"))
        except Mistake as mistake:  # no picture for now is no reason to end a training
            yield self._said(step, mistake.sentence)
        self.seconds += time.monotonic() - began

    def _said(self, step: int, text: Sentence) -> Progress:
        return Progress("Training", step, self.total, text=text)

    def _fitted(
        self, step: int, showings: int, update: float, training: float, most: float
    ) -> Generator[Progress, None, bool]:
        """Times a step of a sample where none was, fits the plan to it, and makes the samples; True.

        What a step may take is guessed from an update first.
        """
        room = (BEGUN if self.seconds else 1.0) * most - self.seconds
        pace = self.recipe.pace or self.recipe.guess(update)

        def seconds(plan: Plan) -> float:
            return self.recipe.steps(plan, showings) * plan.area * pace

        if self.recipe.pace is None:
            first = sample_plan.fitting(self.plan, seconds, room)
            first = first if first.count else sample_plan.least(self.plan)
            if FIRST_STEPS * first.area * pace <= room:  # else nothing fits, nor does the timing
                pace = self.recipe.pace = yield from self._time_a_step(step, first)
        plan = sample_plan.fitting(self.plan, seconds, room)
        if plan != self.plan:
            changes, needed = tuple(sample_plan.left_out(self.plan, plan)), seconds(self.plan)
            yield self._said(
                step, budget.told(Sentence("The samples"), needed, training, self.share, changes)
            )
        self.plan = plan
        if plan.count and (showings == 1 or plan.early):
            yield from self._made(step, plan)
        return True

    def _time_a_step(self, step: int, plan: Plan) -> Generator[Progress, None, float]:
        """Begins a sample and lets it go; seconds of a step at the base's own size."""
        samples, taken = self._made(step, plan), 0.0
        yield next(samples)
        for _ in range(FIRST_STEPS):
            began = time.monotonic()
            report = next(samples, None)
            taken = time.monotonic() - began
            if report:
                yield report
        samples.close()
        return taken / plan.area

    def _made(self, step: int, plan: Plan) -> Generator[Progress, None, None]:
        """The samples of a plan, reported step by step."""
        count, number = self.recipe.steps(plan, 1), 0
        steps = Steps("Writing samples", count) if plan.together else Steps("Drawing samples", count)
        yield steps.report()
        for sample in self.recipe.samples(self.folder / "samples", step, plan):
            if sample is None:
                device.wait(self.recipe.device)
                yield steps.report(1)
                continue
            self.logs.sample(step, number, sample)
            number += 1
            text = f"{sample.asked}: {sample.text}" if sample.text else None
            yield steps.report(picture=sample.picture, text=text)
