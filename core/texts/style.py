"""How much a text sounds like its creator: between a model's own answers (0) and the creator's texts (1).

A naive Bayes classifier on runs of one to four characters, which needs no dictionary and so reads Chinese as
well as English; such runs tell authors apart best (Stamatatos 2009, "A survey of modern authorship
attribution methods"). Works on plain texts about the same topics; knows nothing about models.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GRAMS = (1, 2, 3, 4)  # characters
SMOOTHING = 0.5  # of an occurrence, given to each run in each class
LEAST_TOPICS = 5  # with fewer, right every time would still be chance in one trial of twenty
# One-sided 5 % of a fair coin is this many times 1 / √topics above one half.
BEYOND_CHANCE = 0.82


class Scale:
    """From a base's answers to the creator's own texts, learnt from both and judged topic by topic.

    What is asked about a topic's texts is answered by a classifier that saw no text on that topic, so that
    neither the topic's words nor a text seen before count.
    """

    def __init__(self, own: Sequence[str], base: Sequence[Sequence[str]], more: Sequence[str] = ()) -> None:
        """`own`: a text of the creator's on each topic; `base`: the base's answers to each, in that order.

        `more`: other texts of the creator's, to learn from alone.
        """
        import numpy as np

        self.own, self.base = list(own), [list(answers) for answers in base]
        runs = {
            run
            for text in (*own, *more, *(one for answers in base for one in answers))
            for run in grams(text)
        }
        self.numbers = {run: number for number, run in enumerate(sorted(runs))}
        mine = [self._counts([text]) for text in own]
        theirs = [self._counts(answers) for answers in self.base]
        all_mine, all_theirs = sum(mine, self._counts(more)), sum(theirs, self._counts([]))
        self.weights = [
            np.log(_rates(all_mine - one, all_theirs - other) / _rates(all_theirs - other, all_mine - one))
            for one, other in zip(mine, theirs, strict=True)
        ]

    @cached_property
    def told(self) -> float:
        """The share of pairs, creator's text and base's on one topic, that it tells right; chance: ½."""
        right = [
            statistics.mean(
                (self._score(at, text) > score) + (self._score(at, text) == score) / 2
                for score in self._scores(at, self.base[at])
            )
            for at, text in enumerate(self.own)
        ]
        return statistics.mean(right) if right else 0.5

    @property
    def enough(self) -> bool:
        """Whether there are topics enough to judge by."""
        return len(self.own) >= LEAST_TOPICS

    @property
    def trusted(self) -> bool:
        """Whether creator and base are told apart beyond chance; else no place between them has a meaning."""
        return self.enough and self._gap > 0 and self.told >= 0.5 + BEYOND_CHANCE / len(self.own) ** 0.5

    def places(self, answers: Sequence[Sequence[str]]) -> list[float]:
        """Where answers stand, by their order at each topic (their seed): 0 at the base, 1 at the creator.

        Raises ZeroDivisionError where creator and base can't be told apart at all.
        """
        above = [
            [score - base for score in self._scores(at, said)]
            for at, (said, base) in enumerate(zip(answers, self._bases, strict=True))
        ]
        return [statistics.mean(one) / self._gap for one in zip(*above, strict=True)]

    @cached_property
    def _bases(self) -> list[float]:
        """The base's mean score at each topic."""
        return [statistics.mean(self._scores(at, answers)) for at, answers in enumerate(self.base)]

    @cached_property
    def _gap(self) -> float:
        """How far the creator's texts score above the base's, on average over topics."""
        above = [
            self._score(at, text) - base
            for (at, text), base in zip(enumerate(self.own), self._bases, strict=True)
        ]
        return statistics.mean(above) if above else 0.0

    def _scores(self, topic: int, texts: Sequence[str]) -> list[float]:
        return [self._score(topic, text) for text in texts]

    def _score(self, topic: int, text: str) -> float:
        """Mean log-likelihood ratio a run, creator over base, by what was learnt without the topic."""
        known = [self.numbers[run] for run in grams(text) if run in self.numbers]
        return float(self.weights[topic][known].mean()) if known else 0.0

    def _counts(self, texts: Sequence[str]) -> np.ndarray:
        """How often each run stands in the texts [runs]."""
        import numpy as np

        counts = np.zeros(len(self.numbers))
        for run, times in Counter(run for text in texts for run in grams(text)).items():
            counts[self.numbers[run]] = times
        return counts


def _rates(counts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Smoothed rates of runs [runs] as if there were no more of this class than of the other."""
    scaled = counts * min(1.0, others.sum() / max(counts.sum(), 1.0))
    smoothed = scaled + SMOOTHING
    return smoothed / smoothed.sum()


def grams(text: str) -> list[str]:
    """All runs of one to four characters in a text, its ends and spaces among them; capitals don't count."""
    line = f" {' '.join(text.casefold().replace('’', chr(39)).split())} "
    return [line[at : at + size] for size in GRAMS for at in range(len(line) - size + 1)]
