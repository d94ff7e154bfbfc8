"""The training loop that every recipe shares: updates in their order, NaN guard, checkpoints, logs, samples.

Works on a `Recipe`, which knows the data and the model, and on the settings that all training has in common.
Knows nothing about pictures, texts or file formats of a finished LoRA.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.jobs import Clock, Mistake, Progress, Sentence, together
from core.lora import checkpoints
from core.lora.logs import Logs
from core.lora.recipe import Recipe, Sample, looks_every
from core.lora.stepper import Stepper, peak_memory_bytes
from core.settings import Training

if TYPE_CHECKING:
    import torch

BAD_STEPS_IN_A_ROW = 5
FP16_BAD_STEPS_IN_A_ROW = 20  # fp16's scale is found by overflowing a few times
SMOOTHING = 0.9
NO_MORE = (-1, Sample(""))
# Looks that differ by less are alike, and the last one counts: in the second half of a run on the sample's
# pictures they move by up to 0.3 %, with no course.
AS_GOOD = 1.005
FIGURES = {  # what a recipe's `validate` gives, in words
    "held_out_loss": "held out loss {value}",
    "base_held_out_loss": "base held out loss {value}",
    "held_out_perplexity": "held out perplexity {value}",
    "base_held_out_perplexity": "base held out perplexity {value}",
}


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
) -> Generator[Progress, None, None]:
    """Trains `recipe` to its end, reporting each update; keeps checkpoints, logs and samples in `folder`.

    A checkpoint there with the same `fingerprint` is continued, as `settings.resume` says. Closing the
    generator saves a checkpoint. `kept`: LoRAs to be written along the way, by step. The recipe's facts then
    hold the optimizer, the steps planned and done, those of an epoch, and the one whose weights are kept.
    Raises Mistake after several updates in a row with gradients not finite.
    """
    work = Run(recipe, settings, folder, fingerprint, kept or {})
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
    ) -> None:
        from accelerate import Accelerator

        # Autocast is the step's own, so that the jobs of one process may differ in it.
        self.accelerator = Accelerator(mixed_precision="no")
        self.recipe, self.settings, self.folder, self.kept = recipe, settings, folder, kept
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
        """All updates that are left, then the last samples."""
        clock, told, room, trouble = Clock(self.total), False, self._room(), ""
        for epoch, update in itertools.islice(self._updates(), self.state.step, self.total):
            if self._enough():
                break
            loss, rate = self.stepper.update(epoch, update, self.state.step, self.total)
            self.state.step += 1
            self.waiting.append((self.state.step, loss, rate))
            self._note(self.lag)
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
                yield from self._show()
        yield from self._look()
        self._save()
        yield from self._choose()
        yield from self._show()

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
        with self.stepper.averaged():
            figures = device.within_memory(self.recipe.validate)
        if figures is None:
            yield self._report(text=Sentence("Memory ran out: this look at the held-out samples is left out"))
        if not figures:
            return
        self.logs.scalars(self.state.step, figures)
        yield Progress(
            "Judging",
            self.state.step,
            self.total,
            loss=self.state.smoothed,
            held_out=figures["held_out_loss"],
            text=_told(figures),
        )
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

    def _choose(self) -> Iterator[Progress]:
        """Gives the model the weights that are exported: the best look's, or the last (averaged) ones."""
        step, best = self.state.step, self.state.best_step
        if step < self.total:
            text = Sentence(
                "Stopped after step {step}: no gain on held-out samples since step {best}",
                step=step,
                best=best,
            )
            yield self._report(loss=self.state.smoothed, text=text)
        if self.settings.keep_best and self.best and best < step and self._worse():
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

    def _worse(self) -> bool:
        """Whether the last look is so much worse than the best one that it can't be chance."""
        last = self.recipe.figures.get("held_out_loss", math.inf)  # none where memory ran out
        return last > AS_GOOD * self.state.best["held_out_loss"]

    def _show(self) -> Iterator[Progress]:
        """Samples of this step, as many as there is memory for."""
        if not self.logs:
            return
        samples = enumerate(self.recipe.samples(self.folder / "samples", self.state.step))
        while (found := device.within_memory(lambda: next(samples, NO_MORE))) is not NO_MORE:
            if found is None:
                yield self._report(text=Sentence("Memory ran out: the samples of this step are left out"))
                return
            number, sample = found
            self.logs.sample(self.state.step, number, sample)
            yield Progress(
                "Drawing samples" if sample.picture else "Writing samples",
                self.state.step,
                self.total,
                loss=self.state.smoothed,
                picture=sample.picture,
                text=f"{sample.asked}: {sample.text}" if sample.text else None,
            )


def uncompiled(why: str) -> Sentence:
    """That a run goes on without compiled code, and why."""
    return Sentence("Compiling failed, the run goes on without it: {why}", why=why)


def _told(figures: Mapping[str, float]) -> Sentence:
    """What a recipe's `validate` found, for the log."""
    return together([Sentence(FIGURES[name], value=f"{value:.3f}") for name, value in figures.items()])
