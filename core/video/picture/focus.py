"""Where a picture draws the eye: the middle of what stands out from it.

Spectral residual (Hou and Zhang, "Saliency Detection", 2007) of lightness and colour, with a weight on the
picture's middle. Works on one picture; knows nothing about scenes.
"""

from __future__ import annotations

import numpy as np

SIDE = 64  # the picture is looked at this small
MIDDLE = 0.35  # of the picture's side: how wide the weight on its middle is
STRONGEST = 0.1  # the share of the picture that counts as what stands out


def focus(picture: np.ndarray) -> tuple[float, float]:
    """X and y from 0 to 1 of a picture, uint8 [H, W, 3]; (0.5, 0.5) where nothing stands out."""
    import cv2

    small = cv2.cvtColor(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    out = sum(_standing_out(small[..., layer].astype(np.float64)) for layer in range(3))
    place = (np.arange(SIDE) + 0.5) / SIDE
    near = np.exp(-0.5 * ((place - 0.5) / MIDDLE) ** 2)
    out = out * near[:, None] * near
    least = np.quantile(out, 1 - STRONGEST)
    strong = np.where(out >= max(least, 1e-9), out, 0.0)
    if strong.sum() <= 0:
        return 0.5, 0.5
    x, y = ((strong.sum(axis) * place).sum() / strong.sum() for axis in (0, 1))
    return float(x), float(y)


def _standing_out(layer: np.ndarray) -> np.ndarray:
    """How far each place differs from what its frequencies would have it be, [SIDE, SIDE]."""
    import cv2

    if np.ptp(layer) < 4:
        return np.zeros_like(layer)
    spectrum = np.fft.fft2(layer)
    loud = np.log(np.abs(spectrum) + 1e-9)
    residual = loud - cv2.blur(loud, (3, 3), borderType=cv2.BORDER_REPLICATE)
    seen = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    seen = cv2.GaussianBlur(seen, (0, 0), 2.5)
    return seen / seen.max() * np.ptp(layer)
