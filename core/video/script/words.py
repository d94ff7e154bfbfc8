"""Where one word ends and the next begins, also in Chinese, which parts none.

Chinese is cut by jieba's dictionary, to which the vocabulary's own words are added.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from core.texts.chinese import dictionary
from core.texts.letters import DENSE
from core.video.script.vocabulary import chinese


def places(text: str, word: str) -> list[tuple[int, int]]:
    """The spans in which a text holds a word as a word; in other scripts than Chinese its plural as well.

    A Chinese word is none where it is a single sign of a longer one (歌 in 诗歌) or cuts another in two.
    Both are in lower case.
    """
    if not DENSE.search(word):
        pattern = rf"(?<!\w){re.escape(word)}(?:e?s|'s|s')?(?!\w)"
        return [match.span() for match in re.finditer(pattern, text)]
    found = [match.span() for match in re.finditer(re.escape(word), text)]
    return [span for span in found if _is_word(span, bounds(text))]


def _is_word(span: tuple[int, int], bounds: frozenset[int]) -> bool:
    start, end = span
    if start in bounds and end in bounds:
        return True
    return end - start > 1 and not any(start < bound < end for bound in bounds)  # in a compound


@functools.lru_cache(maxsize=64)
def bounds(text: str) -> frozenset[int]:
    """Where words of a text begin or end."""
    return frozenset(place for _, start, end in _dictionary().tokenize(text) for place in (start, end))


@functools.cache
def _dictionary() -> Any:
    words = dictionary()
    for kind in chinese().values():
        for said in kind.values():
            for word in said["words"] if isinstance(said, dict) else said:
                words.add_word(word)
    return words
