"""The telling words of an English text in their order: a prompt for a picture base that takes any word."""

from __future__ import annotations

import re

from core.texts.samples import COMMON_WORDS

MOST_WORDS = 24  # CLIP reads 77 tokens, of which a style and trigger words take some


def phrases(text: str, most: int = MOST_WORDS) -> list[str]:
    """Runs of words between common words and marks, each once: `red fox`, `snow`; `most` words in all."""
    found: dict[str, None] = {}
    left = most
    for clause in re.split(r"[^\w\s'’-]+", text):
        run: list[str] = []
        for word in [*clause.split(), ""]:
            if word and word.casefold().replace("’", "'") not in COMMON_WORDS:
                run.append(word)
                continue
            said = " ".join(run)
            run = []
            if (
                said
                and said.casefold() not in {one.casefold() for one in found}
                and len(said.split()) <= left
            ):
                found[said] = None
                left -= len(said.split())
    return list(found)
