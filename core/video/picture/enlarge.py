"""Enlarges drawn pictures to the film's size: plainly, or with the soft edges of flat art made hard.

Works on pictures (uint8 [H, W, 3]); knows nothing about who drew them. Nothing here is learnt: a network for
it took 40 s a picture on a plain CPU and was softer than what a filter makes of it in a second.
"""

from __future__ import annotations

import numpy as np

from core.video.picture.cutting import cut_to

# The filter's windows (px) and turns at a picture of this short side; they grow and shrink with it. Looked at
# side by side: smaller ones and fewer turns leave soft edges, larger ones round corners off.
AT_SIDE, DERIVATIVE, TENSOR, TURNS = 1024, 17, 25, 8
LARGEST_DERIVATIVE = 31  # OpenCV's own limit
PUSH = 0.5  # share of the way to its darker or lighter neighbours that a pixel goes in a turn
SPECKS = 5  # side of the last median, in pixels


def enlarge(picture: np.ndarray, width: int, height: int, edges: str) -> np.ndarray:
    """The picture cropped to the ratio of `width`×`height` and enlarged or shrunk to it.

    edges: "plain" leaves them to the enlargement, "crisp" makes them hard, which suits flat art and spoils
    photographs. A picture that isn't enlarged is left as it is.
    """
    made = cut_to(picture, width, height)
    return crisp(made) if edges == "crisp" and made.shape[0] > picture.shape[0] else made


def crisp(picture: np.ndarray) -> np.ndarray:
    """Soft edges made hard: the coherence-enhancing shock filter (Weickert, DAGM 2003).

    The structure tensor gives the direction across an edge; where the second derivative along it is negative
    the picture is dilated, else eroded, a little each turn, so that what blurs meets in the edge's middle.
    """
    import cv2

    share = min(picture.shape[:2]) / AT_SIDE
    derivative = min(_odd(DERIVATIVE * share), LARGEST_DERIVATIVE)
    for _ in range(max(1, round(TURNS * share))):
        ridge = _second_derivative(picture, derivative, _odd(TENSOR * share)) < 0
        pushed = cv2.erode(picture, None)  # type: ignore[call-overload]
        np.copyto(pushed, cv2.dilate(picture, None), where=ridge[..., None])  # type: ignore[call-overload]
        picture = cv2.addWeighted(picture, 1 - PUSH, pushed, PUSH, 0)
    return cv2.medianBlur(picture, SPECKS)


def _second_derivative(picture: np.ndarray, derivative: int, tensor: int) -> np.ndarray:
    """The second derivative of the brightness across the edge at each pixel, float32 [H, W]."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    across = cv2.cornerEigenValsAndVecs(grey, tensor, 3)  # both eigenvalues, then their vectors
    x, y = across[..., 2], across[..., 3]  # the larger one's
    xx, xy, yy = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=derivative) for order in ((2, 0), (1, 1), (0, 2)))
    return x * x * xx + 2 * x * y * xy + y * y * yy


def _odd(side: float) -> int:
    return max(3, 2 * round((side - 1) / 2) + 1)
