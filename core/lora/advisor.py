"""Plain words about a finished run: what its curves say, and the setting to change.

Works on the losses of all steps and the held-out losses; silent where nothing is to be said. Knows nothing
about models. The limits were chosen by hand; a noisy image loss needs wide ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from core.settings import TextTraining, Training
from core.texts.report import FEW_TEXTS

FEW_PICTURES = 10
ENOUGH_STEPS = 20


def advise(
    settings: Training,
    samples: int,
    losses: Sequence[float],
    held_out: Sequence[tuple[int, float]],
    base: float,
) -> list[str]:
    """Sentences, the most telling first.

    `losses`: one a step; `held_out`: (step, loss) of each look at held-out samples; `base`: the base's own
    held-out loss, 0 where nothing was held out.
    """
    said = []
    if held_out and base and held_out[-1][1] > base:
        said.append(
            f"On held-out samples the LoRA ({held_out[-1][1]:.2f}) is worse than the base ({base:.2f}): "
            f"lower learning_rate (now {settings.learning_rate:g}) or epochs (now {settings.epochs})."
        )
    best = min(held_out, key=lambda one: one[1], default=None)
    if best and held_out[-1][1] > 1.05 * best[1]:
        said.append(
            f"It over-fits: the held-out loss was lowest at step {best[0]} ({best[1]:.2f}) and rose to "
            f"{held_out[-1][1]:.2f}; train fewer epochs (now {settings.epochs})."
        )
    if len(losses) >= ENOUGH_STEPS:
        said += _of_curve(settings, losses)
    few = FEW_TEXTS if isinstance(settings, TextTraining) else FEW_PICTURES
    if samples < few:
        said.append(f"{samples} samples are few: from {few} on it learns the style and not the samples.")
    return said


def _of_curve(settings: Training, losses: Sequence[float]) -> list[str]:
    """What the training loss says: its first, lowest and last quarter, by their medians."""
    quarter = len(losses) // 4
    parts = [
        statistics.median(losses[at : at + quarter]) for at in range(0, len(losses) - quarter + 1, quarter)
    ]
    if parts[-1] > 1.15 * min(parts):
        return [f"The loss rose again at the end: lower learning_rate (now {settings.learning_rate:g})."]
    if isinstance(settings, TextTraining) and parts[-1] > 0.97 * parts[0]:
        rate, epochs = settings.learning_rate, settings.epochs
        return [f"It hardly learnt: raise learning_rate (now {rate:g}) or epochs (now {epochs})."]
    return []
