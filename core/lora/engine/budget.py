"""What looks at a training may take of its time: held-out judging, samples and the proof, all together.

`look_share` of the time that the updates take, a tenth unless more is asked for. Each kind of look gets as
much of what is left as those that are still to come; judging and samples become fewer where that is not
enough. Works on seconds; knows nothing about models.
"""

from __future__ import annotations

import math

from core.messages import Sentence

LEAST_SECONDS = 5.0  # nobody minds so few, however short the training is


def allowed(training: float, share: float) -> float:
    """Seconds that the looks at a training of so many seconds may take; share 0: as many as they like."""
    return max(LEAST_SECONDS, share * training) if share else math.inf


def told(
    what: Sentence, needed: float, training: float, share: float, changes: tuple[Sentence, ...]
) -> Sentence:
    """What is left out of looks that would take `needed` seconds, 0: unknown, beside those of training."""
    if not needed:
        return Sentence("{what}: beside {training} s of training no time is left for them (look_share)",
                        what=what, training=math.ceil(training))  # fmt: skip
    return Sentence(
        "{what} would take {needed} s beside {training} s of training, of which all looks at it may take "
        "{share} % (look_share); so there are {changes}",
        what=what,
        needed=math.ceil(needed),
        training=math.ceil(training),
        share=f"{100 * share:g}",
        changes=changes,
    )
