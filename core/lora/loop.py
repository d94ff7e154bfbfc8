"""The training loop that every recipe shares: updates in their order, NaN guard, checkpoints, logs, samples.

Works on a `Recipe`, which knows the data and the model, and on the settings that all training has in common.
Knows nothing about pictures, texts or file formats of a finished LoRA.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.jobs import Clock, Mistake, Progress, Sentence, Steps, together
from core.lora import checkpoints, sample_plan
from core.lora.logs import Logs
from core.lora.recipe import Recipe, looks_every
from core.lora.sample_plan import Plan
from core.lora.stepper import Stepper, peak_memory_bytes
from core.settings import Training

if TYPE_CHECKING:
    import torch

BAD_STEPS_IN_A_ROW = 5
FP16_BAD_STEPS_IN_A_ROW = 20  # fp16's scale is found by overflowing a few times
SMOOTHING = 0.9
FIRST_STEPS = 2  # of a sample: the second one is timed, as the first one holds warm-up
BEGUN = 1.25  # a plan for the samples that was begun is kept while it is off by no more than a quarter
# Looks that differ by less are alike, and the last one counts: in the second half of a run on the sample's
# pictures they move by up to 0.3 %, with no course.
AS_GOOD = 1.005
FIGURES = {  # what a recipe's `validate` gives, in words
    "held_out_loss": "held out loss {value}",
    "base_held_out_loss": "base held out loss {value}",
    "held_out_perplexity": "held out perplexity {value}",
    "base_held_out_perplexity": "base held out perplexity {value}",
}


# Writes the LoRA as it stands, with the figures of its held-out samples; its reports, and its path.
Finish = Callable[[Mapping[str, float], bool], Generator[Progress, None, Path]]


@dataclass
class State:
    """Where a run stands; all but `bad` goes into a checkpoint.

    best: the figures of the best look at held-out samples, at `best_step`; worse: looks since then.
    """

    step: int = 0
    smoothed: float = 0.0
    bad: int = 0
    best: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    worse: int = 0


def count_steps(recipe: Recipe, settings: Training, processes: int = 1) -> int:
    """Updates in the whole run: `max_steps`, or where that is 0 those of all epochs."""
    return settings.max_steps or settings.epochs * epoch_steps(recipe, settings, processes)


def epoch_steps(recipe: Recipe, settings: Training, processes: int = 1) -> int:
    """Updates in one pass over the data."""
    return len(recipe.epoch(0, settings.gradient_accumulation * processes))


def run(
    recipe: Recipe,
    settings: Training,
    folder: Path,
    fingerprint: dict[str, Any],
    kept: Mapping[int, Path] | None = None,
    finish: Finish | None = None,
) -> Generator[Progress, None, None]:
    """Trains `recipe` to its end, reporting each update; keeps checkpoints, logs and samples in `folder`.

    A checkpoint there with the same `fingerprint` is continued, as `settings.resume` says. Closing the
    generator saves a checkpoint. `kept`: LoRAs to be written along the way, by step. `finish` writes the
    result as soon as all updates are done, in the first process alone, and once more where the last look at
    the held-out samples chose other weights; reports from then on name it. The recipe's facts then hold the
    optimizer, the steps planned and done, those of an epoch, and the one whose weights are kept. Raises
    Mistake after several updates in a row with gradients not finite.
    """
    work = Run(recipe, settings, folder, fingerprint, kept or {}, finish)
    try:
        yield from work.begin()
        yield from work.train()
    finally:
        work.end()


class Run:
    """One run of the loop: the updates, and what is written and told around them."""

    def __init__(
        self,
        recipe: Recipe,
        settings: Training,
        folder: Path,
        fingerprint: dict[str, Any],
        kept: Mapping[int, Path],
        finish: Finish | None = None,
    ) -> None:
        from accelerate import Accelerator

        # Autocast is the step's own, so that the jobs of one process may differ in it.
        self.accelerator = Accelerator(mixed_precision="no")
        self.recipe, self.settings, self.folder, self.kept = recipe, settings, folder, kept
        self.finish = finish
        self.stepper = Stepper(recipe, settings, self.accelerator)
        self.total = count_steps(recipe, settings, self.accelerator.num_processes)
        recipe.facts |= {
            "optimizer": self.stepper.optimizer_name,
            "rates": self.stepper.rates,
            "planned_steps": self.total,
            "epoch_steps": epoch_steps(recipe, settings, self.accelerator.num_processes),
        }
        self.keeper = checkpoints.Keeper(folder / "checkpoint", fingerprint, settings.resume)
        self.looks_every = looks_every(settings, self.total)
        self.state = State()
        self.saved_at = self.looked_at = 0
        self.best: dict[str, torch.Tensor] = {}
        self.logs: Logs | None = None
        self.updates, self.update_seconds = 0, 0.0  # done in this process
        self.plan = recipe.plan
        self.sample_seconds = 0.0
        # On a GPU the loss of a step is fetched while the next one computes, so that the device never waits.
        self.lag = 1 if recipe.device.type == "cuda" else 0
        self.waiting: deque[tuple[int, torch.Tensor, float]] = deque()

    def begin(self) -> Iterator[Progress]:
        """Finds the run's checkpoint and opens the logs."""
        saved = self.keeper.newest()
        if self.keeper.told:
            yield self._report(text=self.keeper.told)
        if saved is not None:
            self.stepper.load(saved)
            self.state = State(**saved.state)
            self.best = saved.part("best") if self.state.best else {}
            self.saved_at = self.state.step
            yield self._report(
                text=Sentence("Continuing after step {step} of {total}", step=self.saved_at, total=self.total)
            )
        if self.stepper.note:
            yield self._report(text=self.stepper.note)
        if self.accelerator.is_main_process:
            self.logs = Logs(self.folder, self.state.step)

    def train(self) -> Iterator[Progress]:
        """All updates that are left; then the result, and only then the last look and the last samples."""
        clock, told, room, trouble = Clock(self.total), False, self._room(), ""
        for epoch, update in itertools.islice(self._updates(), self.state.step, self.total):
            if self._enough():
                break
            self._update(epoch, update)
            left = clock.left(self.state.step)
            yield self._report(loss=self.state.smoothed, seconds_left=left)
            if left is not None and not told:
                told, ahead = True, max(1, self.total - self.state.step)
                memory = peak_memory_bytes(self.recipe.device) / device.GIB
                yield self._report(
                    text=Sentence(
                        "{seconds} s a step, about {minutes} min left, memory {memory} GB",
                        seconds=f"{left / ahead:.1f}",
                        minutes=f"{left / 60:.1f}",
                        memory=f"{memory:.1f}",
                    )
                )
            if self._room() != room:
                room = self._room()
                yield self._report(text=room)
            if self.stepper.uncompiled != trouble:
                trouble = self.stepper.uncompiled
                yield self._report(text=uncompiled(trouble))
            if self._due(self.looks_every):
                yield from self._look()
            if self._due(self.settings.save_steps):
                self._save()
            if self.state.step in self.kept:
                self._keep(self.kept[self.state.step])
            if self._due(self.settings.sample_steps):
                yield from self._show(self._showings())
        self._save()
        looked = not self.recipe.judged or self.looked_at == self.state.step
        result = yield from self._finish(looked)
        if not looked:
            yield from _named(result, self._look())
            yield from _named(result, self._finish(True))
        yield from _named(result, self._show(1))

    def _update(self, epoch: int, batches: list[Any]) -> None:
        """One update, its time and its loss noted."""
        began = time.monotonic()
        loss, rate = self.stepper.update(epoch, batches, self.state.step, self.total)
        self.state.step += 1
        self.waiting.append((self.state.step, loss, rate))
        self._note(self.lag)
        self.updates += 1
        self.update_seconds += time.monotonic() - began

    def _finish(self, last: bool) -> Generator[Progress, None, Path | None]:
        """Chooses the weights and writes the result; its path. last: no look at held-out samples is due."""
        figures = yield from self._choose()
        if self.finish is None or not self.logs:
            return None
        return (yield from self.finish(figures, last))

    def end(self) -> None:
        """Saves where a run was stopped, and closes the logs."""
        if self.stepper.whole:
            self._save()
        self.accelerator.free_memory()
        if self.logs:
            self.logs.close()

    def _updates(self) -> Iterator[tuple[int, list[Any]]]:
        for epoch in itertools.count():  # the run's length in steps ends it
            for update in self.recipe.epoch(epoch, self.stepper.per_step):
                yield epoch, update

    def _room(self) -> Sentence:
        """How a step is done for want of memory, in words."""
        parts = 2**self.stepper.halvings
        if not self.stepper.checkpointing:
            return Sentence(
                "Memory ran out: each step is now done in {parts} parts, with the same result", parts=parts
            )
        if parts == 1:
            return Sentence(
                "Memory ran out: each step is now done with gradient checkpointing, with the same result"
            )
        return Sentence(
            "Memory ran out: each step is now done in {parts} parts with gradient checkpointing, with the "
            "same result",
            parts=parts,
        )

    def _due(self, every: int) -> bool:
        return every > 0 and self.state.step % every == 0 and self.state.step < self.total

    def _report(self, **values: Any) -> Progress:
        return Progress("Training", self.state.step, self.total, **values)

    def _note(self, keep: int) -> None:
        """Fetches the losses of all but the newest `keep` steps: smooths, logs, counts broken ones."""
        while len(self.waiting) > keep:
            step, loss, rate = self.waiting.popleft()
            value = loss.item()
            if self.logs:
                self.logs.scalars(step, {"loss": value, "lr": rate})
            if math.isfinite(value):
                share = min(SMOOTHING, (step - 1) / step)  # the plain mean over the first ten steps
                self.state.smoothed = share * self.state.smoothed + (1 - share) * value
                self.state.bad = 0
            else:
                self._count_bad()

    def _count_bad(self) -> None:
        """An update was passed over, because a gradient was not finite; after several in a row it is over."""
        self.state.bad += 1
        if self.state.bad >= (FP16_BAD_STEPS_IN_A_ROW if self.stepper.fp16 else BAD_STEPS_IN_A_ROW):
            raise Mistake(
                "The loss was not a number for {count} steps in a row, so training stopped; lower "
                "learning_rate (now {rate}) or set precision to fp32. The last good checkpoint is kept in "
                "{folder}.",
                count=self.state.bad,
                rate=self.settings.learning_rate,
                folder=self.keeper.folder,
            )

    def _save(self) -> None:
        """A checkpoint of this step, unless there is one."""
        if self.logs and self.state.step > self.saved_at:
            if self.state.bad == 0:
                self._note(0)
            best = {f"best/{name}": tensor for name, tensor in self.best.items()}
            self.keeper.save(self.stepper.tensors() | best, self.state, self.stepper.scalars())
            self.saved_at = self.state.step

    def _keep(self, path: Path) -> None:
        """Writes the LoRA of this step to `path`, averaged where that is asked for."""
        if self.logs:
            with self.stepper.averaged():
                self.recipe.keep(path, self.state.step)

    def _look(self) -> Iterator[Progress]:
        """Judges the weights by held-out samples, once a step; those of the best look are remembered."""
        if not self.logs or self.looked_at == self.state.step:
            return
        self.looked_at = self.state.step
        looking = Steps("Judging", self.recipe.judged)
        with self.stepper.averaged():
            figures = yield from device.steps_within_memory(looking.counted(self.recipe.validate()))
        if figures is None:
            yield self._report(text=Sentence("Memory ran out: this look at the held-out samples is left out"))
        if not figures:
            return
        self.logs.scalars(self.state.step, figures)
        yield self._report(loss=self.state.smoothed, held_out=figures["held_out_loss"], text=_told(figures))
        if figures["held_out_loss"] < self.state.best.get("held_out_loss", math.inf):
            self.state.best, self.state.best_step, self.state.worse = dict(figures), self.state.step, 0
            self.best = self.stepper.weights()
        else:
            self.state.worse += 1

    def _enough(self) -> bool:
        """Whether the held-out samples have shown no gain for so many looks that training shall end."""
        if not self.settings.early_stop:
            return False
        enough = self.state.worse >= self.settings.early_stop
        if self.accelerator.num_processes > 1:  # only the first process looks
            from accelerate.utils import broadcast_object_list

            enough = broadcast_object_list([enough])[0]
        return enough

    def _choose(self) -> Generator[Progress, None, dict[str, float]]:
        """Gives the model the weights that are exported: the best look's, or the last (averaged) ones.

        The best ones only where the last are judged as well. Gives the figures of those that are chosen.
        """
        step, best = self.state.step, self.state.best_step
        if step < self.total:
            text = Sentence(
                "Stopped after step {step}: no gain on held-out samples since step {best}",
                step=step,
                best=best,
            )
            yield self._report(loss=self.state.smoothed, text=text)
        judged = self.looked_at == step
        if judged and self.settings.keep_best and self.best and best < step and self._worse():
            self.stepper.put(self.best)
            self.recipe.figures.update(self.state.best)
            text = Sentence(
                "The weights of step {best} are kept, the best on held-out samples: {figures}",
                best=best,
                figures=_told(self.state.best),
            )
            yield self._report(loss=self.state.smoothed, text=text)
        else:
            best = step
            self.stepper.put(self.stepper.weights())
        self.recipe.facts |= {"steps": step, "kept_step": best}
        return dict(self.recipe.figures) if judged else {}

    def _worse(self) -> bool:
        """Whether the last look is so much worse than the best one that it can't be chance."""
        last = self.recipe.figures.get("held_out_loss", math.inf)  # none where memory ran out
        return last > AS_GOOD * self.state.best["held_out_loss"]

    def _showings(self) -> int:
        """How often samples are due from this step on, the end included."""
        every = self.settings.sample_steps
        return 2 + (self.total - 1) // every - self.state.step // every

    def _show(self, showings: int) -> Iterator[Progress]:
        """Samples of this step, as many as there is memory and, beside the training, time for.

        showings: how often they are still to be shown, this time included.
        """
        if not self.logs or not self.plan.count or (showings > 1 and not self.plan.early):
            return
        began = time.monotonic()
        try:
            if (yield from device.steps_within_memory(self._samples(showings))) is None:
                yield self._report(text=Sentence("Memory ran out: the samples of this step are left out"))
        except Mistake as mistake:  # no picture for now is no reason to end a training
            yield self._report(text=mistake.sentence)
        self.sample_seconds += time.monotonic() - began

    def _samples(self, showings: int) -> Generator[Progress, None, bool]:
        """Times a step of a sample where none was, fits the plan to it, and makes the samples; True.

        What a step may take is guessed from an update first.
        """
        update = self.update_seconds / max(1, self.updates)
        training = update * (self.total if showings > 1 else self.state.step)
        most = sample_plan.allowed(training)
        room = (BEGUN if self.sample_seconds else 1.0) * most - self.sample_seconds
        pace = self.recipe.pace or self.recipe.guess(update)

        def seconds(plan: Plan) -> float:
            return self.recipe.steps(plan, showings) * plan.area * pace

        if self.recipe.pace is None:
            first = sample_plan.fitting(self.plan, seconds, room)
            first = first if first.count else sample_plan.least(self.plan)
            if FIRST_STEPS * first.area * pace <= room:  # else nothing fits, nor does the timing
                pace = self.recipe.pace = yield from self._time_a_step(first)
        plan = sample_plan.fitting(self.plan, seconds, room)
        if plan != self.plan:
            yield self._report(text=sample_plan.told(self.plan, plan, seconds(self.plan), training))
        self.plan = plan
        if plan.count and (showings == 1 or plan.early):
            yield from self._made(plan)
        return True

    def _time_a_step(self, plan: Plan) -> Generator[Progress, None, float]:
        """Begins a sample and lets it go; seconds of a step at the base's own size."""
        samples, taken = self._made(plan), 0.0
        yield next(samples)
        for _ in range(FIRST_STEPS):
            began = time.monotonic()
            report = next(samples, None)
            taken = time.monotonic() - began
            if report:
                yield report
        samples.close()
        return taken / plan.area

    def _made(self, plan: Plan) -> Generator[Progress, None, None]:
        """The samples of a plan, reported step by step."""
        assert self.logs
        count, number = self.recipe.steps(plan, 1), 0
        steps = Steps("Writing samples", count) if plan.together else Steps("Drawing samples", count)
        yield steps.report()
        for sample in self.recipe.samples(self.folder / "samples", self.state.step, plan):
            if sample is None:
                device.wait(self.recipe.device)
                yield steps.report(1)
                continue
            self.logs.sample(self.state.step, number, sample)
            number += 1
            text = f"{sample.asked}: {sample.text}" if sample.text else None
            yield steps.report(picture=sample.picture, text=text)


def _named(result: Path | None, reports: Iterator[Progress]) -> Iterator[Progress]:
    """The reports, each with the result that is finished."""
    for progress in reports:
        yield replace(progress, result=result)


def uncompiled(why: str) -> Sentence:
    """That a run goes on without compiled code, and why."""
    return Sentence("Compiling failed, the run goes on without it: {why}", why=why)


def _told(figures: Mapping[str, float]) -> Sentence:
    """What a recipe's `validate` found, for the log."""
    return together([Sentence(FIGURES[name], value=f"{value:.3f}") for name, value in figures.items()])
