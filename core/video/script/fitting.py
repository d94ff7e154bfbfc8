"""The last hand on a script: no sentence is said twice, and all lines together take the time asked for.

Works on texts, one a beat, and on what else could be said there. Changes nothing that is right already.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence

from core.messages import Sentence
from core.texts.speech import ended_sentences, joined

TOLERANCE = 0.15  # of the time asked for


def fits(taken: float, asked: float) -> bool:
    """Whether lines that take so many seconds take the time asked for."""
    return abs(taken - asked) <= TOLERANCE * asked


def misfit(taken: float, asked: float) -> Sentence | None:
    """What is said of a script that doesn't take the time asked for, in seconds; None where it does."""
    if fits(taken, asked):
        return None
    return Sentence(
        "The script takes {seconds} s to say, not {asked} s: nothing that the language model wrote comes "
        "nearer; ask for another length or number of scenes, or choose a larger model",
        seconds=f"{taken:.0f}",
        asked=f"{asked:.0f}",
    )


def fitted(
    chosen: Sequence[str],
    options: Sequence[Sequence[str]],
    plainly: Sequence[Sequence[str]],
    asked: float,
    spoken: Callable[[str], float],
    sound: Callable[[str], bool] = bool,
) -> list[str]:
    """The lines, mended where they repeat a sentence or miss `asked` seconds by more than the tolerance.

    options: what else each beat could say; plainly: what it can always say, taken where all else is a repeat.
    spoken: seconds that a line takes. sound: whether a line that was put together may be said. A line's last
    sentence is dropped, another option taken, or a sentence of one added, whatever comes nearest, until the
    time fits or nothing brings it nearer.
    """
    spoken, sound = functools.cache(spoken), functools.cache(sound)
    lines = _without_repeats(chosen, [[*more, *sure] for more, sure in zip(options, plainly, strict=True)])

    def miss(lines: Sequence[str]) -> float:
        return abs(sum(map(spoken, lines)) - asked)

    def missed_by(move: tuple[int, str]) -> float:
        at, line = move
        return abs(sum(map(spoken, lines)) - spoken(lines[at]) + spoken(line) - asked)

    while miss(lines) > TOLERANCE * asked:
        nearer = (
            move for move in sorted(_moves(lines, options), key=missed_by) if missed_by(move) < miss(lines)
        )
        changed = ([*lines[:at], line, *lines[at + 1 :]] for at, line in nearer if sound(line))
        mended = next((found for found in changed if not repeated(found)), None)
        if mended is None:
            break
        lines = mended
    return lines


def repeated(lines: Sequence[str]) -> bool:
    """Whether a sentence is said twice."""
    said = [_key(piece) for line in lines for piece in _pieces(line)]
    return len(set(said)) < len(said)


@functools.lru_cache(20_000)
def _pieces(line: str) -> tuple[str, ...]:
    return tuple(ended_sentences(line) or filter(None, [line]))


@functools.lru_cache(20_000)
def _key(sentence: str) -> str:
    return "".join(re.findall(r"\w+", sentence.casefold()))


def _without_repeats(chosen: Sequence[str], options: Sequence[Sequence[str]]) -> list[str]:
    """Each line without the sentences said before it; another option where nothing is left, else nothing."""
    said: set[str] = set()
    lines = []
    for line, others in zip(chosen, options, strict=True):
        new = tuple(piece for piece in dict.fromkeys(_pieces(line)) if _key(piece) not in said)
        if not new:
            fresh = (other for other in others if said.isdisjoint(map(_key, _pieces(other))))
            new = _pieces(next(fresh, ""))
        said |= set(map(_key, new))
        lines.append(line if new == _pieces(line) else joined(new))
    return lines


def _moves(lines: Sequence[str], options: Sequence[Sequence[str]]) -> Iterator[tuple[int, str]]:
    """(place, new line) of the scripts one change away."""
    for at, line in enumerate(lines):
        pieces = _pieces(line)
        others = [joined(pieces[:-1])] if len(pieces) > 1 else []
        for other in options[at]:
            others += [other, joined([line, _pieces(other)[0]])]
        yield from ((at, other) for other in others if other != line)
