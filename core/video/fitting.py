"""The last hand on a script: no sentence is said twice, and all lines together take the time asked for.

Works on texts, one a scene, and on what else could be said there. Changes nothing that is right already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from core.texts.writer import sentences

TOLERANCE = 0.15  # of the time asked for


def fitted(
    chosen: Sequence[str],
    options: Sequence[Sequence[str]],
    asked: float,
    spoken: Callable[[str], float],
) -> list[str]:
    """The lines, mended where they repeat a sentence or miss `asked` seconds by more than the tolerance.

    options: what else each scene could say. spoken: seconds that a line takes. A line's last sentence is
    dropped, another option taken, or a sentence of one added, whatever comes nearest, until the time fits or
    nothing brings it nearer.
    """
    lines = _without_repeats(chosen, options)

    def miss(lines: Sequence[str]) -> float:
        return abs(sum(map(spoken, lines)) - asked)

    while miss(lines) > TOLERANCE * asked:
        nearest = min(_moves(lines, options), key=miss, default=lines)
        if miss(nearest) >= miss(lines):
            break
        lines = nearest
    return lines


def repeated(lines: Sequence[str]) -> bool:
    """Whether a sentence is said twice."""
    said = [_key(piece) for line in lines for piece in _pieces(line)]
    return len(set(said)) < len(said)


def _pieces(line: str) -> list[str]:
    return sentences(line) or [line]


def _key(sentence: str) -> str:
    return "".join(re.findall(r"\w+", sentence.casefold()))


def _without_repeats(chosen: Sequence[str], options: Sequence[Sequence[str]]) -> list[str]:
    """Each line without the sentences said before it; another option where nothing is left."""
    said: set[str] = set()
    lines = []
    for line, others in zip(chosen, options, strict=True):
        new = [piece for piece in dict.fromkeys(_pieces(line)) if _key(piece) not in said]
        if not new:
            fresh = (other for other in others if said.isdisjoint(map(_key, _pieces(other))))
            new = _pieces(next(fresh, line))
        elif new == _pieces(line):
            new = [line]
        said |= {_key(piece) for part in new for piece in _pieces(part)}
        lines.append(" ".join(new))
    return lines


def _moves(lines: list[str], options: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """The scripts one change away that repeat nothing."""
    for at, line in enumerate(lines):
        pieces = _pieces(line)
        others = [" ".join(pieces[:-1])] if len(pieces) > 1 else []
        for other in options[at]:
            others += [other, f"{line} {_pieces(other)[0]}"]
        for other in others:
            changed = [*lines[:at], other, *lines[at + 1 :]]
            if other != line and not repeated(changed):
                yield changed
