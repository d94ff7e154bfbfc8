"""Plain words about a finished run: what its curves say, and the setting to change with its new value.

Works on the losses of all steps and the held-out losses; silent where nothing is to be said. Knows nothing
about models. The limits were chosen by hand; a noisy image loss needs wide ones, so what a picture's training
loss can't tell (whether it learnt enough) is told by held-out pictures alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from core.messages import Sentence
from core.settings.training import Training

ENOUGH_STEPS = 20
WORSE = 1.05  # the last held-out loss against the best one, from which on it over-fits
LEAST_GAIN = 0.01  # share of the base's held-out loss that a LoRA should take away
ROSE, STILL = 1.15, 0.97  # the last quarter's loss against the lowest's, and against the first's
SLOWER, FASTER = 1 / 3, 3.0  # what a learning rate is multiplied by
DROPOUT = 0.1  # for few samples


def advise(
    settings: Training,
    losses: Sequence[float],
    held_out: Sequence[tuple[int, float]],
    base: float,
    loss_tells: bool,
) -> list[Sentence]:
    """Sentences, the most telling first.

    `losses`: one a step; `held_out`: (step, loss) of each look at held-out samples; `base`: the base's own
    held-out loss, 0 where nothing was held out; `loss_tells`: see `core.lora.kinds.kind.Kind`.
    """
    if held_out and base:
        return list(_of_held_out(settings, held_out, base))
    if len(losses) >= ENOUGH_STEPS:  # a training's own loss tells less than held-out samples
        return list(_of_curve(settings, losses, loss_tells))
    return []


def _of_held_out(
    settings: Training, held_out: Sequence[tuple[int, float]], base: float
) -> Iterator[Sentence]:
    """What held-out samples say: worse than the base all along, over-fitted, or hardly better than it."""
    best_step, best = min(held_out, key=lambda one: one[1])
    step, last = held_out[-1]
    if best > base:
        yield Sentence(
            "On held-out samples the LoRA ({lora}) is worse than the base ({base}) all along, so the "
            "learning rate is too high: set {changes}.",
            lora=f"{best:.3f}",
            base=f"{base:.3f}",
            changes=slower(settings),
        )
    elif last > min(WORSE * best, base):
        yield Sentence(
            "It over-fits: the held-out loss was lowest at step {step} ({best}) and rose to {last}; set "
            "{changes}.",
            step=best_step,
            best=f"{best:.3f}",
            last=f"{last:.3f}",
            changes=_ending(settings, best_step, step),
        )
    elif best > (1 - LEAST_GAIN) * base:
        yield Sentence(
            "It is too weak: on held-out samples the LoRA ({lora}) is hardly better than the base ({base}); "
            "set {changes}.",
            lora=f"{best:.3f}",
            base=f"{base:.3f}",
            changes=faster(settings),
        )


def _of_curve(settings: Training, losses: Sequence[float], loss_tells: bool) -> Iterator[Sentence]:
    """What the training loss says: its first, lowest and last quarter, by their medians."""
    quarter = len(losses) // 4
    parts = [
        statistics.median(losses[at : at + quarter]) for at in range(0, len(losses) - quarter + 1, quarter)
    ]
    if parts[-1] > ROSE * min(parts):
        yield Sentence(
            "The loss rose again at the end, so the learning rate is too high: set {changes}.",
            changes=slower(settings),
        )
    elif loss_tells and parts[-1] > STILL * parts[0]:
        yield Sentence("It hardly learnt: set {changes}.", changes=faster(settings))


def more_general(settings: Training) -> str:
    """The change for few samples, so that they are not learnt by heart."""
    return f"dropout={DROPOUT}" if settings.dropout < DROPOUT else _length(settings, 0.5)


def slower(settings: Training) -> str:
    """The change for a rate that is too high. Prodigy chooses its own, so it gives way to AdamW."""
    if settings.optimizer == "prodigy":
        return f"optimizer=adamw, learning_rate={Training.model_fields['learning_rate'].default:g}"
    return f"learning_rate={_rounded(settings.learning_rate * SLOWER)}"


def faster(settings: Training) -> str:
    """The change for a LoRA that learnt too little: a higher rate; more passes where none can be set."""
    rate = settings.learning_rate * FASTER
    if settings.optimizer == "prodigy" or rate > 0.1:
        return _length(settings, 2)
    return f"learning_rate={_rounded(rate)}"


def _ending(settings: Training, step: int, last: int) -> str:
    """The change that ends a run of `last` steps at `step`: whole passes where there are fewer of them."""
    passes = math.ceil(settings.epochs * step / last)
    return f"max_steps={step}" if settings.max_steps or passes == settings.epochs else f"epochs={passes}"


def _length(settings: Training, share: float) -> str:
    """The setting that decides a run's length, multiplied."""
    if settings.max_steps:
        return f"max_steps={max(1, round(settings.max_steps * share))}"
    return f"epochs={max(1, math.ceil(settings.epochs * share))}"


def _rounded(value: float) -> str:
    """A number to one digit, as people write learning rates."""
    return f"{float(f'{value:.0e}'):g}"
