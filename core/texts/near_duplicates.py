"""Finds the texts of a set that are nearly the same as one before.

Works on the replies alone, by their runs of five letters. Twenty thousand texts take seconds: two that are
alike share many of their rarest runs, so only those that share as many are compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import ceil
from typing import Any

from core.texts.samples import TextSample

ALIKE = 0.7
AT_ONCE = 500  # texts whose shared runs are counted together
SHARED = 12  # rarest runs that two texts share before they are compared; smaller ones share all they need


def without_near_duplicates(samples: Sequence[TextSample], alike: float = ALIKE) -> tuple[TextSample, ...]:
    """Samples whose reply shares less than `alike` of its runs of five letters (Jaccard) with any before."""
    twins = set(near_duplicates(samples, alike))
    return tuple(sample for index, sample in enumerate(samples) if index not in twins)


def near_duplicates(samples: Sequence[TextSample], alike: float = ALIKE) -> list[int]:
    """Numbers of the samples whose reply is nearly the same as one before; see `without_near_duplicates`."""
    import numpy as np

    sets = [_runs(sample.reply) for sample in samples]
    least = np.array([min(SHARED, ceil(alike * len(mine))) for mine in sets])
    rarest = _rarest(sets, alike)
    kept: list[int] = []
    twins: dict[int, None] = {}
    for start in range(0, len(sets), AT_ONCE):
        block = range(start, min(start + AT_ONCE, len(sets)))
        known = np.array([*kept, *block])
        shared = rarest[block.start : block.stop] @ rarest[known].T
        for row, index in enumerate(block):
            found = slice(shared.indptr[row], shared.indptr[row + 1])
            others = known[shared.indices[found]]
            enough = shared.data[found] >= np.minimum(least[others], least[index])
            rivals = others[enough & (others < index)].tolist()
            if any(at not in twins and _jaccard(sets[index], sets[at]) >= alike for at in rivals):
                twins[index] = None
            else:
                kept.append(index)
    return list(twins)


def _rarest(sets: Sequence[frozenset[str]], alike: float) -> Any:
    """A sparse matrix [texts, runs] with a 1 for each of a text's rarest runs.

    Prefix filtering (Chaudhuri 2006; by a count of shared runs, Wang 2012): two sets of which `alike` is the
    same share n of their rarest len - ceil(alike · len) + n, whatever order is rare for both.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    often = Counter(chain.from_iterable(sets))
    place = {run: number for number, run in enumerate(sorted(often, key=lambda run: (often[run], run)))}
    rows = []
    for mine in sets:
        least = ceil(alike * len(mine))
        rows.append(sorted(map(place.__getitem__, mine))[: len(mine) - least + min(SHARED, least)])
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter(chain.from_iterable(rows), np.int32, ends[-1])
    return csr_matrix((np.ones(len(columns), np.int32), columns, ends), (len(sets), len(place)))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _runs(text: str) -> frozenset[str]:
    plain = "".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
    return frozenset(plain[at : at + 5] for at in range(max(1, len(plain) - 4)))
