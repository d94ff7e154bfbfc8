"""Regional compilation: a model's repeated blocks run as compiled code, in runs long enough to repay it.

Works on any diffusers model that names its repeated blocks. Compiled code adds up in another order than
written code, and which code serves a shape may depend on what came before: a run that is stopped and resumed
equals the whole one up to rounding, not bit by bit.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.messages import Sentence

if TYPE_CHECKING:
    import torch

# Reckoned, not measured: a minute of compiling against a tenth of a step of half a second.
STEPS_TO_REPAY = 1000
# Code is made anew for each width of the blocks and each shape of a batch; torch alone would stop at 8.
CODES = 64


def repays(wanted: str, place: torch.device, steps: int) -> bool:
    """Whether a run of `steps` on `place` shall be compiled; `wanted` is the setting: auto, on or off."""
    if wanted != "auto":
        return wanted == "on"
    return place.type == "cuda" and steps >= STEPS_TO_REPAY and importlib.util.find_spec("triton") is not None


def start(model: Any, shapes: int) -> str:
    """Has the repeated blocks compiled at their first use: for one shape of batches, or once for all shapes.

    Gives the reason where that can't be. What hinders the compiling itself (no compiler, an operator that has
    no code) is raised by the first use.
    """
    import torch

    torch._dynamo.config.recompile_limit = CODES
    try:
        # Never torch's own choice, which turns from the one to the other in mid-run: with gradient
        # checkpointing a block's second pass must run the code of its first.
        model.compile_repeated_blocks(dynamic=shapes > 1)
    except (RuntimeError, ValueError, AttributeError) as error:  # no repeated blocks, or too new a Python
        stop(model)
        return reason(error)
    return ""


def failed(why: str) -> Sentence:
    """That a run goes on without compiled code, and why."""
    return Sentence("Compiling failed, the run goes on without it: {why}", why=why)


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def stop(model: Any) -> bool:
    """Has the blocks run as they are written again; False where they do already."""
    import torch

    blocks = _compiled(model)
    for block in blocks:
        block._compiled_call_impl = None
    if blocks:
        torch.compiler.reset()
    return bool(blocks)


@contextlib.contextmanager
def plain(model: Any) -> Iterator[None]:
    """Within it the blocks run as they are written: a few pictures don't repay code for their shapes."""
    held = {block: block._compiled_call_impl for block in _compiled(model)}
    for block in held:
        block._compiled_call_impl = None
    try:
        yield
    finally:
        for block, code in held.items():
            block._compiled_call_impl = code


def _compiled(model: Any) -> list[Any]:
    """The modules on which `Module.compile` was called; torch has no word to take that back."""
    return [module for module in model.modules() if module._compiled_call_impl is not None]
