"""Proves a finished LoRA, of pictures or of texts: with and without it, scored, and which one to use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from core.lora import kinds, promote
from core.progress import Progress
from core.settings.lora_jobs import Proving


def prove(settings: Proving, seconds: float = math.inf) -> Iterator[Progress]:
    """Tries the LoRA; the last report's `result` is the page, see `core.lora.proof.page`.

    seconds: what there is for it; where that is too little, less is tried, and that is told.
    Stopping writes what was judged until then. Raises Mistake for a LoRA without a record of what it learnt,
    and for one that doesn't fit the base.
    """
    done = yield from kinds.of_proof(settings).prove(settings, seconds)
    if settings.use_advised:
        yield from (replace(progress, result=done.result) for progress in promote.taken(settings.lora))
    yield done
