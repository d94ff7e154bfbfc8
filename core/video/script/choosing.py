"""Which of many lines are taken: a set for a film's scenes, or some for one scene that differ."""

from __future__ import annotations

from collections.abc import Sequence

from core.video.script.scoring import Line, alike, in_time

BEAM = 64
LIKE = 0.6  # from which on two lines are too much alike to choose between


def choose(
    lines: Sequence[Sequence[Line]], seconds: Sequence[float], common: frozenset[str] = frozenset()
) -> list[Line]:
    """One line a scene: the most worth in all, less what lines repeat of each other, in time together.

    A beam search over the scenes; a sum outside 15 % of the time asked for costs 2 for each further 15 %.
    """
    beam: list[tuple[float, tuple[Line, ...]]] = [(0.0, ())]
    for options in lines:
        grown = [
            (
                score + line.worth - 2.0 * _repetition(line, chosen, common),
                (*chosen, line),
            )
            for score, chosen in beam
            for line in options
        ]
        beam = sorted(grown, key=lambda item: -item[0])[:BEAM]
    asked = sum(seconds)

    def in_all(item: tuple[float, tuple[Line, ...]]) -> float:
        total = sum(line.seconds for line in item[1])
        return item[0] + 2.0 * in_time(Line("", total), asked)

    return list(max(beam, key=in_all)[1])


def _repetition(line: Line, before: Sequence[Line], common: frozenset[str]) -> float:
    return sum(alike(line.text, other.text, common) for other in before)


def apart(lines: Sequence[Line], count: int) -> list[str]:
    """The first lines of which none is much like one before it."""
    kept: list[str] = []
    for line in lines:
        if len(kept) < count and all(alike(line.text, other) < LIKE for other in kept):
            kept.append(line.text)
    return kept
