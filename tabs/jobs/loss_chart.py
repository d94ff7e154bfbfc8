"""A loss curve as a small SVG, drawn in Python so that it needs no plotting library in the page.

Works on (step, loss) pairs and knows nothing about what is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 600, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 26
POINTS = WIDTH // 2  # of a long curve: more are not seen, and each page is sent them again and again


def smooth(values: Sequence[float], share: float = 0.9) -> list[float]:
    """Exponential moving average, corrected for its start as Adam's (Kingma 2015, section 3)."""
    out, mean = [], 0.0
    for count, value in enumerate(values, 1):
        mean = share * mean + (1 - share) * value
        out.append(mean / (1 - share**count))
    return out


def loss_chart(
    losses: Sequence[tuple[int, float]], title: str, held_out: Sequence[tuple[int, float]] = ()
) -> str:
    """The curve: every loss faint, their moving average bold, looks at held-out samples as dots on a line.

    Broken numbers are left out.
    `title` is read out by screen readers and must be free of markup.
    """
    points = [(step, loss) for step, loss in losses if math.isfinite(loss)]
    if len(points) < 2:
        return ""
    steps, raw = zip(*points, strict=True)
    looks = [(step, loss) for step, loss in held_out if math.isfinite(loss)]
    low, high = _range([*raw, *(loss for _, loss in looks)])
    first, last = steps[0], max(steps[-1], steps[0] + 1)
    looks = [look for look in looks if first <= look[0] <= last]

    def place(step: float, loss: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / (last - first)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - (min(loss, high) - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    lines = "".join(_line(value, low, high) for value in (low, (low + high) / 2, high))
    faint = " ".join(place(*point) for point in _some(points))
    bold = " ".join(place(*point) for point in _some(list(zip(steps, smooth(raw), strict=True))))
    return (
        f"<svg class='st-chart' viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{title}'>{lines}"
        f"<polyline class='st-raw' points='{faint}'/><polyline class='st-mean' points='{bold}'/>"
        f"{_looks([place(*look) for look in looks])}"
        f"<text x='{LEFT}' y='{HEIGHT - 6}'>{first}</text>"
        f"<text x='{WIDTH - RIGHT}' y='{HEIGHT - 6}' text-anchor='end'>{steps[-1]}</text></svg>"
    )


def _looks(points: Sequence[str]) -> str:
    """The held-out losses as SVG: a dot for each look, and a thin line through them."""
    if not points:
        return ""
    dots = "".join("<circle r='3' cx='{}' cy='{}'/>".format(*point.split(",")) for point in points)
    return f"<g class='st-held'><polyline points='{' '.join(points)}'/>{dots}</g>"


def _some(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """`POINTS` of them at most, evenly spread, the newest among them."""
    every = -(-len(points) // POINTS)
    return points[(len(points) - 1) % every :: every]


def _range(raw: Sequence[float]) -> tuple[float, float]:
    """From below the least to the 98th percentile, so that one spike doesn't flatten the rest."""
    ordered = sorted(raw)
    low, high = ordered[0], ordered[max(1, math.ceil(0.98 * len(ordered))) - 1]
    room = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _line(value: float, low: float, high: float) -> str:
    y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))
    return (
        f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>"
        f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{value:.3g}</text>"
    )
