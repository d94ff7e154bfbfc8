"""What the apps lay over a vertical film, their buttons and texts, drawn faintly; the area they leave free.

For looking at captions before they are filmed. Works on one frame (uint8 [H, W, 3]).
"""

from __future__ import annotations

import numpy as np

from core.video.picture.lettering import safe_area

# Of Douyin, TikTok, Reels and Shorts together, in shares of the frame: middle and radius (of the width).
BUTTONS = [(0.93, 0.50, 0.045), (0.93, 0.575, 0.035), (0.93, 0.645, 0.035), (0.93, 0.715, 0.035)]
LINES = [
    (0.05, 0.815, 0.45),
    (0.05, 0.845, 0.72),
    (0.05, 0.87, 0.6),
    (0.3, 0.065, 0.7),
]  # left, height, right
STRENGTH = 0.45


def draw(frame: np.ndarray) -> None:
    """Draws them into a frame that stands upright, in place; of another shape the free area alone."""
    import cv2

    height, width = frame.shape[:2]
    over = frame.copy()
    if height > width:
        for x, y, radius in BUTTONS:
            middle = round(x * width), round(y * height)
            cv2.circle(over, middle, round(radius * width), (255, 255, 255), -1, cv2.LINE_AA)
        for left, y, right in LINES:
            ends = (round(left * width), round(y * height)), (round(right * width), round(y * height))
            cv2.line(over, *ends, (255, 255, 255), max(2, height // 90), cv2.LINE_AA)
    area = safe_area(width, height)
    corners = (area.left, area.top), (area.right - 1, area.bottom - 1)
    cv2.rectangle(over, *corners, (255, 255, 255), 1, cv2.LINE_AA)
    frame[:] = cv2.addWeighted(over, STRENGTH, frame, 1 - STRENGTH, 0)
