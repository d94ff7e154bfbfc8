"""One update of a training: forward and backward of its batches, sum over processes, clipping, optimizer.

Works on a recipe and on the settings that all training has in common. Knows nothing about checkpoints, logs
or what is trained.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core import device
from core.lora.engine import checkpoints, compile, optimizers
from core.lora.engine.recipe import Recipe
from core.lora.engine.seeds import seed
from core.messages import Mistake, Sentence
from core.settings.training import Training

if TYPE_CHECKING:
    import torch

GRADIENT_NORM = 1.0


def course(settings: Training, step: int, total: int) -> float:
    """The learning rate of update `step` (from 0) of `total`, as a share of its height, 0 to 1."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.lr_scheduler == "constant":
        return 1.0
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * done)) if settings.lr_scheduler == "cosine" else 1.0 - done


class Stepper:
    """Does one update: forward and backward of its batches, sum over processes, clipping, optimizer."""

    def __init__(self, recipe: Recipe, settings: Training, accelerator: Any) -> None:
        import torch

        self.recipe, self.settings, self.accelerator = recipe, settings, accelerator
        self.per_step = settings.gradient_accumulation * accelerator.num_processes
        groups = recipe.groups()
        self.names = {name: p for group in groups for name, p in group.parameters.items()}
        self.parameters = list(self.names.values())
        chosen = optimizers.build(settings, groups, recipe.device)
        self.optimizer, self.rates, self.note = chosen.optimizer, chosen.rates, chosen.note
        self.optimizer_name = f"{type(self.optimizer).__module__}.{type(self.optimizer).__name__}"
        self.average = {name: p.detach().clone() for name, p in self.names.items()} if settings.ema else {}
        self.fp16 = recipe.dtype == device.number_of("fp16")
        # The scaler passes over an update whose gradients aren't finite; in bf16 and fp32 its scale stays 1.
        # Fused AdamW does that on the device; for other optimizers the scaler asks the host at each step.
        self.scaler = torch.amp.GradScaler(recipe.device.type, init_scale=2.0**16 if self.fp16 else 1.0)
        self.halvings = 0
        self.checkpointing = settings.gradient_checkpointing == "on"
        self.uncompiled = ""  # why compiled code was given up
        self.whole = True  # False only inside the optimizer's step: a state that must not be saved

    def update(self, epoch: int, batches: list[Any], step: int, total: int) -> tuple[torch.Tensor, float]:
        """Trains on the batches of one update; (mean loss, a scalar on the device; first group's rate).

        The loss is nan where the update was passed over. Raises Mistake where memory isn't enough for a
        single sample.
        """
        import torch

        mine = batches[self.accelerator.process_index :: self.accelerator.num_processes]
        whole = sum(self.recipe.weight(batch) for batch in batches)
        while True:
            torch.manual_seed(seed(self.settings.seed, step, self.accelerator.process_index))  # for dropout
            try:
                loss = self._gradients(epoch, mine, whole)
                break
            except Exception as error:
                scarce = device.out_of_memory(error)
                if not scarce and not self._uncompiled(error):
                    raise
            if scarce:
                self._make_room(mine)
        self._sum_over_processes(loss)
        return self._apply(loss, step, total)

    def _gradients(self, epoch: int, batches: list[Any], whole: float) -> torch.Tensor:
        """Adds the gradients of the batches in an update of weight `whole`; gives their share in its loss."""
        import torch

        recipe = self.recipe
        loss_sum = torch.zeros((), device=recipe.device)
        self.scaler.scale(loss_sum)  # it must have been used, even where a process has no batch left
        for batch in self._halved(batches):
            with device.autocast(recipe.device, recipe.dtype):
                loss = recipe.loss(batch, epoch)
            share = loss * (recipe.weight(batch) / whole)
            self.scaler.scale(share).backward()
            loss_sum += share.detach()
        return loss_sum

    def _halved(self, batches: list[Any]) -> list[Any]:
        for _ in range(self.halvings):
            batches = [half for batch in batches for half in self.recipe.halves(batch)]
        return batches

    def _uncompiled(self, error: Exception) -> bool:
        """After a failure in compiled code: the model as it is written, for the same update.

        False where none of it was compiled, so that the failure is another's.
        """
        if not self.recipe.uncompile():
            return False
        self.optimizer.zero_grad(set_to_none=True)
        self.uncompiled = compile.reason(error)
        return True

    def _make_room(self, batches: list[Any]) -> None:
        """After running out of memory: smaller batches for the same update, then gradient checkpointing.

        Raises Mistake where neither is left.
        """
        self.optimizer.zero_grad(set_to_none=True)
        device.free()
        before = len(self._halved(batches))
        self.halvings += 1
        if len(self._halved(batches)) > before:
            return
        self.halvings -= 1
        if self.checkpointing:
            raise Mistake(
                "The memory is not enough for even one sample; lower resolution, max_length or lora_rank."
            )
        if self.settings.gradient_checkpointing == "off":
            raise Mistake(
                "The memory is not enough for even one sample; set gradient_checkpointing to auto, "
                "or lower resolution or max_length."
            )
        self.recipe.checkpoint_gradients()
        self.checkpointing = True

    def room(self) -> Sentence:
        """How a step is done for want of memory, in words."""
        parts = 2**self.halvings
        if not self.checkpointing:
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

    def _apply(self, loss: torch.Tensor, step: int, total: int) -> tuple[torch.Tensor, float]:
        import torch

        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * course(self.settings, step, total)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM, foreach=True)
        with _uninterrupted():
            self.whole = False
            self.scaler.step(self.optimizer)
            self.scaler.update(None if self.fp16 else 1.0)
            self._follow(step)
            self.whole = True
        self.optimizer.zero_grad(set_to_none=True)
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

    def _follow(self, step: int) -> None:
        """Moves the average towards the newest weights; it soon forgets the start."""
        import torch

        if self.average:
            now = [self.names[name].detach() for name in self.average]
            kept = min(self.settings.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.average.values()), now, 1 - kept)

    def weights(self) -> dict[str, torch.Tensor]:
        """Copies of the LoRA's numbers to be judged and exported: averaged where that is asked for."""
        return {name: p.detach().clone() for name, p in (self.average or self.names).items()}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the model has its averaged weights, where there is an average."""
        if not self.average:
            yield
            return
        before = {name: p.detach().clone() for name, p in self.names.items()}
        self.put(self.average)
        try:
            yield
        finally:
            self.put(before)

    def put(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Writes numbers into the LoRA."""
        import torch

        with torch.no_grad():
            for name, p in self.names.items():
                p.copy_(weights[name])

    def tensors(self) -> dict[str, torch.Tensor]:
        """LoRA (`lora/<name>`), its average (`average/…`) and optimizer (`optimizer/<number>/…`)."""
        held = {f"lora/{name}": p.detach() for name, p in self.names.items()}
        held |= {f"average/{name}": tensor for name, tensor in self.average.items()}
        return held | {f"optimizer/{name}": t for name, t in optimizers.tensors(self.optimizer).items()}

    def scalars(self) -> dict[str, Any]:
        """What of the optimizer's and scaler's state is no tensor."""
        return {"scaler": self.scaler.state_dict(), "optimizer": optimizers.scalars(self.optimizer)}

    def load(self, saved: checkpoints.Saved) -> None:
        """Puts a checkpoint's LoRA, average and optimizer in place."""
        self.put(saved.part("lora"))
        self.average = {**self.average, **saved.part("average")}
        optimizers.load(self.optimizer, saved.part("optimizer"), saved.scalars["optimizer"])
        self.scaler.load_state_dict(saved.scalars["scaler"])


def peak_memory_bytes(where: torch.device) -> int:
    """The most memory held so far: the GPU's where one computes, else the process's."""
    import torch

    return torch.cuda.max_memory_allocated(where) if where.type == "cuda" else device.peak_memory_bytes()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Within it Ctrl-C waits: what is half updated can't be saved. Other threads never see a signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, lambda number, frame: waiting.append(number)) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler if handler is not None else signal.SIG_DFL)
        for number in waiting[:1]:
            signal.raise_signal(number)
