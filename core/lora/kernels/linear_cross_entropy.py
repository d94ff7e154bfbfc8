"""The loss of a language model's words without ever holding all their logits.

A list of 50,000 to 250,000 words makes the logits of some hundred places the largest thing in a step's
memory: held in half, in fp32, as logarithms and as two gradients. Here the head runs on a part of the
places at a time, and the decoder's gradient is made in the same pass (as in Liger Kernel, Hsu et al., arXiv
2410.10989). Memory not asked for anew at each step is time too: with SmolLM2-135M on a CPU the loss takes a
third of what it took.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

AT_ONCE = {"cpu": 2**23, "cuda": 2**26}  # logits held in the model's number format
IN_CACHE = {"cpu": 2**18, "cuda": 2**24}  # of these the part that is worked on in fp32


def kind_of(where: torch.device) -> str:
    """The kind of device that the two figures above are given for."""
    return "cpu" if where.type == "cpu" else "cuda"


@dataclass(frozen=True)
class Head:
    """A decoder, and the frozen linear layer [words, hidden] that makes its last states into logits.

    room: the memory that logits are worked on in, kept from step to step.
    """

    decoder: Any
    linear: torch.nn.Linear
    room: dict[str, torch.Tensor] = field(default_factory=dict)

    def loss(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in fp32 of states [S, hidden] against words [S]."""
        made: torch.Tensor = _loss_function().apply(states, self.linear.weight, targets, *self._room(states))
        return made

    def _room(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Places for logits [R, words] in the states' numbers, R at most those asked for, and in fp32."""
        import torch

        kind, words = kind_of(states.device), len(self.linear.weight)
        rows, part = max(1, AT_ONCE[kind] // words), max(1, IN_CACHE[kind] // words)
        if "logits" not in self.room or len(self.room["logits"]) < min(rows, len(states)):
            with torch.inference_mode(False):  # judging may be first to ask, training writes to it as well
                self.room["logits"] = states.new_empty(min(rows, len(states)), words)
                self.room["part"] = states.new_empty(min(rows, part), words, dtype=torch.float32)
        return self.room["logits"], self.room["part"]


def of(model: Any) -> Head | None:
    """The head of a model of transformers where it is a plain linear layer.

    Whether the logits are the linear layer's own, not scaled or capped, is to be tried.
    """
    import torch

    linear = model.get_output_embeddings()
    if type(linear) is not torch.nn.Linear or linear.bias is not None:
        return None
    if "forward" in vars(linear) or linear._forward_hooks or linear._forward_pre_hooks:
        return None
    return Head(model.get_decoder(), linear)


@functools.cache
def _loss_function() -> Any:
    """The function of torch's autograd, made at first use: the window starts without torch."""
    import torch

    def to_gradient(logits: Any, targets: Any, room: Any) -> Any:
        """Turns logits [R, words] into the gradient of their losses' sum by them; gives that sum."""
        x = room[: len(logits)].copy_(logits)
        x -= x.amax(1, keepdim=True)
        aims = x.gather(1, targets)
        sums = x.exp_().sum(1, keepdim=True)
        aims -= sums.log()
        logits.copy_(x.div_(sums)).scatter_(1, targets, aims.exp().sub_(1).to(logits.dtype))
        return -aims.sum()

    class Loss(torch.autograd.Function):
        """Mean cross-entropy of states · weightᵗ; the weight gets no gradient."""

        @staticmethod
        def forward(ctx: Any, states: Any, weight: Any, targets: Any, held: Any, room: Any) -> Any:
            gradient, total = torch.empty_like(states), states.new_zeros((), dtype=torch.float32)
            parts = [x.split(len(held)) for x in (states, targets, gradient)]
            for some, aims, slope in zip(*parts, strict=True):
                logits = torch.mm(some, weight.t(), out=held[: len(some)])
                for part, words in zip(logits.split(len(room)), aims.split(len(room)), strict=True):
                    total += to_gradient(part, words[:, None], room)
                if ctx.needs_input_grad[0]:
                    torch.mm(logits, weight, out=slope)
            ctx.save_for_backward(gradient)
            return total / len(states)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (of_sum,) = ctx.saved_tensors
            return of_sum * (gradient / len(of_sum)), None, None, None, None

    return Loss
