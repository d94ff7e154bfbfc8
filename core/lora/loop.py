"""The training loop that every recipe shares: updates, schedule, NaN guard, checkpoints, logs, samples.

Works on a `Recipe`, which knows the data and the model, and on the settings that all training has in common.
Knows nothing about pictures, texts or file formats of a finished LoRA.

Everything random is drawn from seeds of (seed, step) or (seed, epoch, sample), never from a state that has
to survive: so a resumed run repeats the unbroken one bit by bit, a run on several processes sees the same
noise as one with the same effective batch, and drawing samples in between disturbs nothing.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core import device
from core.jobs import Clock, Mistake, Progress
from core.lora import checkpoints
from core.settings import Training

if TYPE_CHECKING:
    import torch

GRADIENT_NORM = 1.0
BAD_STEPS_IN_A_ROW = 5
FP16_BAD_STEPS_IN_A_ROW = 20  # fp16's scale is found by overflowing a few times
SMOOTHING = 0.9


@dataclass(frozen=True)
class Group:
    """Trained parameters by name, with the learning rate at its height."""

    rate: float
    parameters: dict[str, torch.nn.Parameter]


@dataclass(frozen=True)
class Sample:
    """What the LoRA makes at some step: a picture's file or a text, and what was asked for."""

    asked: str
    picture: Path | None = None
    text: str | None = None


class Recipe(Protocol):
    """What the loop needs to know about a model and its data."""

    device: torch.device
    dtype: torch.dtype
    figures: dict[str, float]  # the newest of `validate`

    def groups(self) -> list[Group]:
        """The trained parameters (fp32, on `device`); the same order at each call."""

    def epoch(self, number: int, per_step: int) -> list[list[Any]]:
        """One pass over the data: a list of updates, each a list of batches.

        `per_step` batches of the settings' size make an update; seed and `number` alone decide the order.
        """

    def halves(self, batch: Any) -> list[Any]:
        """The batch as two smaller ones with the same samples; one that can't be halved comes back alone."""

    def weight(self, batch: Any) -> float:
        """How much a batch counts in its update: samples or supervised tokens."""

    def loss(self, batch: Any, epoch: int) -> torch.Tensor:
        """The batch's mean loss, a scalar; gradients flow to the parameters of `groups()`."""

    def validate(self) -> dict[str, float]:
        """Figures on held-out data by name, such as `held_out_loss`; empty without such data."""

    def samples(self, folder: Path, step: int) -> Iterator[Sample]:
        """Draws or writes the samples of this step, at the same seed each time; pictures go into `folder`."""


@dataclass
class State:
    """Where a run stands; all but `bad` goes into a checkpoint."""

    step: int = 0
    smoothed: float = 0.0
    bad: int = 0


def course(settings: Training, step: int, total: int) -> float:
    """The learning rate of update `step` (from 0) of `total`, as a share of its height, 0 to 1."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.lr_scheduler == "constant":
        return 1.0
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * done)) if settings.lr_scheduler == "cosine" else 1.0 - done


def count_steps(recipe: Recipe, settings: Training, processes: int = 1) -> int:
    """Updates in the whole run."""
    most = settings.max_steps or math.inf
    total = 0
    for epoch in range(settings.epochs):
        total += len(recipe.epoch(epoch, settings.gradient_accumulation * processes))
        if total >= most:
            return int(most)
    return total


def run(recipe: Recipe, settings: Training, folder: Path, fingerprint: dict[str, str]) -> Iterator[Progress]:
    """Trains `recipe` to its end, reporting each update; keeps checkpoints, logs and samples in `folder`.

    A checkpoint there with the same `fingerprint` is continued when `settings.resume`. Closing the generator
    saves a checkpoint. Raises Mistake after several updates in a row whose gradients were not finite.
    """
    work = Run(recipe, settings, folder, fingerprint)
    try:
        yield from work.begin()
        yield from work.train()
    finally:
        work.end()


class Run:
    """One run of the loop: the updates, and what is written and told around them."""

    def __init__(self, recipe: Recipe, settings: Training, folder: Path, fingerprint: dict[str, str]) -> None:
        from accelerate import Accelerator

        # Autocast is the step's own, so that the jobs of one process may differ in it.
        self.accelerator = Accelerator(mixed_precision="no")
        self.recipe, self.settings, self.folder = recipe, settings, folder
        self.stepper = Stepper(recipe, settings, self.accelerator)
        self.total = count_steps(recipe, settings, self.accelerator.num_processes)
        self.keeper = checkpoints.Keeper(folder / "checkpoint", fingerprint)
        self.state = State()
        self.saved_at = 0
        self.logs: Logs | None = None
        # On a GPU the loss of a step is fetched while the next one computes, so that the device never waits.
        self.lag = 1 if recipe.device.type == "cuda" else 0
        self.waiting: deque[tuple[int, torch.Tensor, float]] = deque()

    def begin(self) -> Iterator[Progress]:
        """Finds the run's checkpoint and opens the logs."""
        if not self.settings.resume:
            self.keeper.set_aside()
        saved = self.keeper.newest()
        if saved is not None:
            self.stepper.load(saved)
            self.state = State(**saved.state)
            self.saved_at = self.state.step
            yield self._report(text=f"Continuing after step {self.saved_at} of {self.total}")
        elif self.keeper.refused:
            yield self._report(text=self.keeper.refused)
        if self.accelerator.is_main_process:
            self.logs = Logs(self.folder, self.state.step)

    def train(self) -> Iterator[Progress]:
        """All updates that are left, then the last samples."""
        clock, told, halvings = Clock(self.total), False, 0
        for epoch, update in itertools.islice(self._updates(), self.state.step, self.total):
            loss, rate = self.stepper.update(epoch, update, self.state.step, self.total)
            self.state.step += 1
            self.waiting.append((self.state.step, loss, rate))
            self._note(self.lag)
            left = clock.left(self.state.step)
            yield self._report(loss=self.state.smoothed, seconds_left=left)
            if left is not None and not told:
                told, ahead = True, max(1, self.total - self.state.step)
                memory = peak_memory_bytes(self.recipe.device) / device.GIB
                text = f"{left / ahead:.1f} s a step, about {left / 60:.1f} min left, memory {memory:.1f} GB"
                yield self._report(text=text)
            if self.stepper.halvings != halvings:
                halvings = self.stepper.halvings
                text = f"Memory ran out: each step is now done in {2**halvings} parts, with the same result"
                yield self._report(text=text)
            if self._due(self.settings.save_steps):
                self._save()
            if self._due(self.settings.sample_steps):
                yield from self._show()
        self._save()
        yield from self._show()

    def end(self) -> None:
        """Saves where a run was stopped, and closes the logs."""
        if self.stepper.whole:
            self._save()
        if self.logs:
            self.logs.close()
        self.accelerator.free_memory()

    def _updates(self) -> Iterator[tuple[int, list[Any]]]:
        for epoch in range(self.settings.epochs):
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
            self.keeper.save(self.stepper.tensors(), self.state, self.stepper.scalars())
            self.saved_at = self.state.step

    def _show(self) -> Iterator[Progress]:
        """Held-out figures and samples of this step."""
        if not self.logs:
            return
        figures = self.recipe.validate()
        if figures:
            self.logs.scalars(self.state.step, figures)
            line = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
            yield self._report(loss=self.state.smoothed, text=line)
        for number, sample in enumerate(self.recipe.samples(self.folder / "samples", self.state.step)):
            self.logs.sample(self.state.step, number, sample)
            yield Progress(
                "Drawing samples" if sample.picture else "Writing samples",
                self.state.step,
                self.total,
                loss=self.state.smoothed,
                picture=sample.picture,
                text=f"{sample.asked}: {sample.text}" if sample.text else None,
            )


class Stepper:
    """Does one update: forward and backward of its batches, sum over processes, clipping, optimizer."""

    def __init__(self, recipe: Recipe, settings: Training, accelerator: Any) -> None:
        import torch

        self.recipe, self.settings, self.accelerator = recipe, settings, accelerator
        self.per_step = settings.gradient_accumulation * accelerator.num_processes
        groups = recipe.groups()
        self.names = {name: p for group in groups for name, p in group.parameters.items()}
        self.parameters = list(self.names.values())
        self.rates = [group.rate for group in groups]
        self.optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters.values()), "lr": group.rate} for group in groups],
            weight_decay=settings.weight_decay,
            fused=recipe.device.type in ("cuda", "cpu"),
        )
        self.fp16 = recipe.dtype == torch.float16
        # The scaler passes over an update whose gradients aren't finite, on the device and with no host sync;
        # in bf16 and fp32 its scale stays 1.
        self.scaler = torch.amp.GradScaler(recipe.device.type, init_scale=2.0**16 if self.fp16 else 1.0)
        self.halvings = 0
        self.whole = True  # False only inside the optimizer's step: a state that must not be saved

    def update(self, epoch: int, batches: list[Any], step: int, total: int) -> tuple[torch.Tensor, float]:
        """Trains on the batches of one update; (mean loss, a scalar on the device; first group's rate).

        The loss is nan where the update was passed over.
        """
        import torch

        mine = batches[self.accelerator.process_index :: self.accelerator.num_processes]
        whole = sum(self.recipe.weight(batch) for batch in batches)
        while True:
            torch.manual_seed(seed(self.settings.seed, step, self.accelerator.process_index))  # for dropout
            try:
                loss = self._gradients(epoch, mine, whole)
                break
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
            self._make_room(mine)
        self._sum_over_processes(loss)
        return self._apply(loss, course(self.settings, step, total))

    def _gradients(self, epoch: int, batches: list[Any], whole: float) -> torch.Tensor:
        """Adds the gradients of the batches in an update of weight `whole`; gives their share in its loss."""
        import torch

        recipe = self.recipe
        loss_sum = torch.zeros((), device=recipe.device)
        self.scaler.scale(loss_sum)  # it must have been used, even where a process has no batch left
        for batch in self._halved(batches):
            with torch.autocast(recipe.device.type, recipe.dtype, enabled=recipe.dtype != torch.float32):
                loss = recipe.loss(batch, epoch)
            share = loss * (recipe.weight(batch) / whole)
            self.scaler.scale(share).backward()
            loss_sum += share.detach()
        return loss_sum

    def _halved(self, batches: list[Any]) -> list[Any]:
        for _ in range(self.halvings):
            batches = [half for batch in batches for half in self.recipe.halves(batch)]
        return batches

    def _make_room(self, batches: list[Any]) -> None:
        """After running out of memory: smaller batches for the same update; Mistake at single samples."""
        before = len(self._halved(batches))
        self.halvings += 1
        self.optimizer.zero_grad(set_to_none=True)
        device.free()
        if len(self._halved(batches)) == before:
            raise Mistake(
                "The memory is not enough for even one sample; lower resolution or max_length, "
                "or set gradient_checkpointing to true."
            )

    def _apply(self, loss: torch.Tensor, share_of_rate: float) -> tuple[torch.Tensor, float]:
        import torch

        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share_of_rate
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM, foreach=True)
        self.whole = False
        self.scaler.step(self.optimizer)
        self.scaler.update(None if self.fp16 else 1.0)
        self.whole = True
        self.optimizer.zero_grad(set_to_none=False)
        # One number a step comes to the host: the loss, or nan where the update was passed over.
        return torch.where(
            torch.isfinite(norm), loss, torch.full_like(loss, math.nan)
        ), self.optimizer.param_groups[0]["lr"]

    def _sum_over_processes(self, loss: torch.Tensor) -> None:
        """Adds up gradients and loss of all processes; LoRA's gradients are small, so once a step will do."""
        import torch

        if self.accelerator.num_processes == 1:
            return
        for p in self.parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        flat = torch.cat([loss.reshape(1), *(p.grad.reshape(-1) for p in self.parameters)])  # type: ignore[union-attr]
        flat = self.accelerator.reduce(flat, reduction="sum")
        loss.copy_(flat[0])
        for p, part in zip(
            self.parameters, flat[1:].split([p.numel() for p in self.parameters]), strict=True
        ):
            p.grad.copy_(part.view_as(p))  # type: ignore[union-attr]

    def tensors(self) -> dict[str, torch.Tensor]:
        """LoRA (`lora/<name>`) and optimizer (`optimizer/<number>/<name>`) tensors."""
        import torch

        held = {f"lora/{name}": p.detach() for name, p in self.names.items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            held |= {f"optimizer/{number}/{k}": v for k, v in values.items() if isinstance(v, torch.Tensor)}
        return held

    def scalars(self) -> dict[str, Any]:
        """What of the optimizer's and scaler's state is no tensor."""
        return {"scaler": self.scaler.state_dict()}

    def load(self, saved: checkpoints.Saved) -> None:
        """Puts a checkpoint's LoRA and optimizer in place."""
        import torch

        with torch.no_grad():
            for name, p in self.names.items():
                p.copy_(saved.tensors[f"lora/{name}"])
        whole = self.optimizer.state_dict()
        for name, tensor in saved.tensors.items():
            kind, *rest = name.split("/")
            if kind == "optimizer":
                whole["state"].setdefault(int(rest[0]), {})[rest[1]] = tensor
        self.optimizer.load_state_dict(whole)
        self.scaler.load_state_dict(saved.scalars["scaler"])


def peak_memory_bytes(where: torch.device) -> int:
    """The most memory held so far: the GPU's where one computes, else the process's."""
    import torch

    return torch.cuda.max_memory_allocated(where) if where.type == "cuda" else device.peak_memory_bytes()


def _out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)


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
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(seed(*seeds))).tolist()


class Logs:
    """TensorBoard logs under `logs/`, a line a step in `metrics.jsonl`; steps past `step` are dropped."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step] if step else []
        path.write_text("".join(kept), encoding="utf-8")
        self.file = path.open("a", encoding="utf-8", buffering=1)
        self.board = SummaryWriter(str(folder / "logs"), purge_step=step + 1 if step else None)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Notes the values of a step; not-a-number becomes null."""
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self.file.write(json.dumps({"step": step, **plain, "time": round(time.time(), 3)}) + "\n")

    def sample(self, step: int, number: int, sample: Sample) -> None:
        """Notes a sample as a picture or a text."""
        if sample.picture:
            import numpy as np
            from PIL import Image

            self.board.add_image(
                f"sample {number}", np.asarray(Image.open(sample.picture)), step, dataformats="HWC"
            )
        if sample.text:
            self.board.add_text(f"sample {number}", f"{sample.asked}\n\n{sample.text}", step)

    def close(self) -> None:
        """Flushes and closes both."""
        self.board.close()
        self.file.close()


def curves(folder: Path) -> tuple[list[float], list[tuple[int, float]]]:
    """A run's losses of all steps, and (step, loss) of each look at held-out samples."""
    lines = [json.loads(line) for line in _lines(folder / "metrics.jsonl")]
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    held_out = [
        (line["step"], line["held_out_loss"]) for line in lines if line.get("held_out_loss") is not None
    ]
    return losses, held_out


def _lines(path: Path) -> list[str]:
    """A log's whole lines; a line cut off by a kill is left out."""
    if not path.is_file():
        return []
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")
    ]
