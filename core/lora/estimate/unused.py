"""Settings that would change nothing in a run, told before it starts, each with what would give it effect.

Works on settings and counts. A setting at its default is passed over: nobody asked for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from core.messages import Sentence
from core.settings.marks import Requires, mark_of
from core.settings.training import Training

SHARE = 0.1  # of the samples, to be held out
WARM_UP = 0.1  # of the steps


def unused(settings: Training, steps: int, samples: int, held_out: int) -> Iterator[Sentence]:
    """One sentence for each; `steps`, `samples` and `held_out` (samples) are those of the run."""
    holdout = getattr(settings, "holdout", 0.0)  # each kind has its own
    if holdout and not held_out:
        yield Sentence(
            "holdout={share} of {count} holds nothing out, so nothing tells when it over-fits: from {enough} "
            "on it does.",
            share=f"{holdout:g}",
            count=samples,
            enough=math.ceil(1 / holdout),
        )
    waiting = _changed(settings, "early_stop", "validate_steps")
    if waiting and not holdout:
        yield Sentence(
            "{names} does nothing while nothing is held out: set holdout={share}.",
            names=", ".join(waiting),
            share=SHARE,
        )
    if settings.warmup_steps and settings.warmup_steps >= steps:
        yield Sentence(
            "In {steps} steps a warm-up of {warmup} never ends, so the learning rate stays low: set "
            "warmup_steps={fewer}.",
            steps=steps,
            warmup=settings.warmup_steps,
            fewer=int(steps * WARM_UP),
        )
    if settings.optimizer == "prodigy" and (rates := _changed(settings, "learning_rate", "text_encoder_lr")):
        yield Sentence(
            "{names} does nothing with Prodigy, which finds the rate itself: set optimizer=adamw.",
            names=", ".join(rates),
        )
    for name, field in type(settings).model_fields.items():
        required = mark_of(field, Requires)
        if required and _changed(settings, name) and not getattr(settings, required.other):
            yield Sentence(
                "{name} does nothing without {other}: set {other}={value}.",
                name=name,
                other=required.other,
                value=required.value,
            )


def _changed(settings: Training, *names: str) -> list[str]:
    """Those of the names that are settings of this kind of LoRA and not at their defaults."""
    fields = type(settings).model_fields
    return [name for name in names if name in fields and getattr(settings, name) != fields[name].default]
