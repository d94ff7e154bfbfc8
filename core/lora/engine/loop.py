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
from core.lora.engine import budget, checkpoints, compile
from core.lora.engine.judging import Judging, told
from core.lora.engine.metrics import Logs
from core.lora.engine.recipe import Recipe, looks_every
from core.lora.engine.showing import Showing
from core.lora.engine.step import Stepper, peak_memory_bytes
from core.messages import Mistake, Sentence
from core.progress import Clock, Progress
from core.settings.training import Training

if TYPE_CHECKING:
    import torch

BAD_STEPS_IN_A_ROW = 5
FP16_BAD_STEPS_IN_A_ROW = 20  # fp16's scale is found by overflowing a few times
SMOOTHING = 0.9
# Looks that differ by less are alike, and the last one counts: in the second half of a run on the sample's
# pictures they move by up to 0.3 %, with no course.
AS_GOOD = 1.005

# Writes the LoRA as it stands, with the figures of its held-out samples; its reports, and its path.
Finish = Callable[[Mapping[str, float], bool], Generator[Progress, None, Path]]


@dataclass
class State:
    """Where a run stands; all but `bad` goes into a checkpoint.

    best: the figures of the best look at held-out samples, at `best_step`; worse: looks since then.
    looked_at: the step of the newest look. judging: see `Judging.state`. looking: seconds that all looks
    took, judging and samples.
    """

    step: int = 0
    smoothed: float = 0.0
    bad: int = 0
    best: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    worse: int = 0
    looked_at: int = 0
    judging: dict[str, Any] | None = None
    looking: float = 0.0


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
) -> Generator[Progress, None, float]:
    """Trains `recipe` to its end, reporting each update; keeps checkpoints, logs and samples in `folder`.

    Gives the seconds that are left of those that looks at the training may take, see `budget`.

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
        return work.left()
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
        run = self.recipe.facts.run
        run.optimizer, run.rates = self.stepper.optimizer_name, self.stepper.rates
        run.planned_steps = self.total
        run.epoch_steps = epoch_steps(recipe, settings, self.accelerator.num_processes)
        self.keeper = checkpoints.Keeper(folder / "checkpoint", fingerprint, settings.resume)
        self.judging = Judging(recipe, looks_every(settings, self.total), self.total, settings.look_share)
        self.state, self.saved_at = State(), 0
        self.best: dict[str, torch.Tensor] = {}
        self.logs: Logs | None = None
        self.updates, self.update_seconds = 0, 0.0  # done in this process
        self.steps = self.total  # fewer where it stops early
        self.showing: Showing | None = None
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
            self.state = State(**{"looked_at": saved.state["step"], **saved.state})
            self.best = saved.part("best") if self.state.best else {}
            self.judging.load(self.state.judging)
            self.saved_at = self.state.step
            yield self._report(
                text=Sentence("Continuing after step {step} of {total}", step=self.saved_at, total=self.total)
            )
        if self.stepper.note:
            yield self._report(text=self.stepper.note)
        if self.accelerator.is_main_process:
            self.logs = Logs(self.folder, self.state.step)
            share = self.settings.look_share
            self.showing = Showing(self.recipe, self.folder, self.total, self.logs, share)
        kept = self.kept.get(self.state.step)
        if kept and not kept.exists():  # the disk had no room for it when the checkpoint was saved
            self._keep(kept)
        if self.state.step and self.judging.due(self.state.step):  # it was stopped within this look
            yield from self._look()

    def train(self) -> Iterator[Progress]:
        """All updates that are left; then the result, and only then the last look and the last samples."""
        clock, paced, room, trouble = Clock(self.total), False, self.stepper.room(), ""
        for epoch, update in itertools.islice(self._updates(), self.state.step, self.total):
            if self._enough():
                break
            self._update(epoch, update)
            left = clock.left(self.state.step)
            yield self._report(loss=self.state.smoothed, seconds_left=left)
            if left is not None and not paced:
                paced = True
                yield self._report(text=self._ahead())
            if self.stepper.room() != room:
                room = self.stepper.room()
                yield self._report(text=room)
            if self.stepper.uncompiled != trouble:
                trouble = self.stepper.uncompiled
                yield self._report(text=compile.failed(trouble))
            if self.judging.due(self.state.step):
                yield from self._look()
            if self._due(self.settings.save_steps):
                self._save()
            if self.state.step in self.kept:
                self._keep(self.kept[self.state.step])
            if self._due(self.settings.sample_steps):
                yield from self._show(self._showings())
        self.steps = self.state.step
        self._save()
        looked = not self.judging.asked.count or self.state.looked_at == self.state.step
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
        if not self.logs or self.state.looked_at == self.state.step:
            return
        others = bool(self.showing and self.showing.plan.count) + self.settings.prove
        with self.stepper.averaged():
            figures = yield from self.judging.look(
                self.state.step, self._training(), self.left() / (1 + others)
            )
        self.state.looked_at, self.state.judging = self.state.step, self.judging.state()
        self.state.looking += self.judging.seconds
        if figures is None:
            yield self._report(text=Sentence("Memory ran out: this look at the held-out samples is left out"))
        if not figures:
            return
        self.logs.scalars(self.state.step, figures)
        yield self._report(loss=self.state.smoothed, held_out=figures["held_out_loss"], text=told(figures))
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
        judged = self.state.looked_at == step
        if judged and self.settings.keep_best and self.best and best < step and self._worse():
            self.stepper.put(self.best)
            self.recipe.figures.update(self.state.best)
            text = Sentence(
                "The weights of step {best} are kept, the best on held-out samples: {figures}",
                best=best,
                figures=told(self.state.best),
            )
            yield self._report(loss=self.state.smoothed, text=text)
        else:
            best = step
            self.stepper.put(self.stepper.weights())
        self.recipe.facts.run.steps, self.recipe.facts.run.kept_step = step, best
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
        """Samples of this step; showings: how often they are still to be shown, this time included."""
        if self.showing:
            before = self.showing.seconds
            others = self.judging.waiting + self.settings.prove
            most = before + (self.left() - self.judging.promised(self.state.step)) / (1 + others)
            training = self._training()
            yield from self.showing.show(self.state.step, showings, self._pace(), training, most)
            self.state.looking += self.showing.seconds - before

    def _pace(self) -> float:
        """Seconds that an update takes."""
        return self.update_seconds / max(1, self.updates)

    def _training(self) -> float:
        """Seconds that all updates take."""
        return self._pace() * self.steps

    def left(self) -> float:
        """Seconds that looks at this training may yet take, of those that they may take in all."""
        return budget.allowed(self._training(), self.settings.look_share) - self.state.looking

    def _ahead(self) -> Sentence:
        """What is to be told once the pace is known."""
        training = self._pace() * (self.total - self.state.step) / 60
        looks = max(0.0, self.left()) / 60
        said = {
            "seconds": f"{self._pace():.1f}",
            "minutes": f"{training:.1f}",
            "memory": f"{peak_memory_bytes(self.recipe.device) / device.GIB:.1f}",
        }
        if math.isinf(looks):
            return Sentence("{seconds} s a step, about {minutes} min left, memory {memory} GB", **said)
        return Sentence(
            "{seconds} s a step, about {minutes} min left, at most {more} with all looks, memory {memory} GB",
            more=f"{training + looks:.1f}",
            **said,
        )


def _named(result: Path | None, reports: Iterator[Progress]) -> Iterator[Progress]:
    """The reports, each with the result that is finished."""
    for progress in reports:
        yield replace(progress, result=result)
