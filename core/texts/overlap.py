"""What a text repeats: passages of known texts, and itself.

Counts in words, or in characters where a script writes no spaces. Works on plain texts; knows nothing about
who wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.texts.letters import DENSE

GRAM = 5  # words whose runs are looked up in the known texts
OWN_GRAM = 3  # words whose runs are counted within a text

_SIGN, _LETTER = DENSE.pattern, rf"(?:(?!{DENSE.pattern})[^\W_])"
_UNIT = re.compile(rf"{_SIGN}|{_LETTER}+(?:['’]{_LETTER}+)*")


@dataclass(frozen=True)
class Run:
    """A passage of a text that a known text holds too: its length in words, as it stands in the text."""

    length: int
    passage: str


def units(text: str) -> list[re.Match[str]]:
    """A text's words, and each Chinese, Japanese or Korean character by itself, without marks."""
    return list(_UNIT.finditer(text))


def plain(text: str) -> list[str]:
    """The same as lower-case text."""
    return [unit[0].casefold().replace("’", "'") for unit in units(text)]


def dense(texts: Iterable[str]) -> bool:
    """Whether most of what is said stands in a script without spaces."""
    said = [unit for text in texts for unit in plain(text)]
    return sum(bool(DENSE.match(unit)) for unit in said) * 2 > len(said)


def repeated(text: str) -> float:
    """The share of a text's runs of `OWN_GRAM` words that it has said before, 0 to 1."""
    runs = _runs(plain(text), OWN_GRAM)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


class Known:
    """Texts in which passages of others are looked for."""

    def __init__(self, texts: Iterable[str]) -> None:
        import numpy as np

        said = [plain(text) for text in texts]
        self.numbers = {unit: number for number, unit in enumerate({unit for one in said for unit in one})}
        # -1 parts the texts: no run crosses it.
        self.stream = np.array([at for one in said for at in (*(self.numbers[u] for u in one), -1)], np.int64)
        self.runs = {run for one in said for run in _runs(one, GRAM)}

    def longest(self, text: str) -> Run:
        """The longest run of words that a known text holds too, marks and capitals aside."""
        import numpy as np

        found = units(text)
        ending = np.zeros(len(self.stream) + 1, np.int64)  # length of the shared run that ends at each place
        best, end = 0, 0
        for at, unit in enumerate(plain(text)):
            same = self.stream == self.numbers.get(unit, -2)
            ending[1:] = np.where(same, ending[:-1] + 1, 0)
            if (most := int(ending.max())) > best:
                best, end = most, at
        if not best:
            return Run(0, "")
        return Run(best, text[found[end - best + 1].start() : found[end].end()])

    def share(self, text: str) -> float:
        """The share of a text's runs of `GRAM` words that stand in a known text, 0 to 1."""
        runs = _runs(plain(text), GRAM)
        return sum(run in self.runs for run in runs) / len(runs) if runs else 0.0


def _runs(said: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(said[at : at + size]) for at in range(len(said) - size + 1)]
