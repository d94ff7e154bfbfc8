"""What latents look like without decoding them: a convolution fitted to a base's own autoencoder.

Works on latents of any number of channels. Measured on the embedded base: 20 to 24 dB against the decoded
picture, 0.1 s of processor time to fit, then 0.6 ms a picture with its JPEG, where decoding takes 120.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

CARD = 128  # pixels of the side of the picture that is fitted to
SHAPES = 40  # on it
SEEN = 3  # places of latents, in height and width, that a pixel is made of
PIXELS = 4  # in height and width that each place becomes
RIDGE = 1e-3  # keeps what the card doesn't tell from growing


class Glass:
    """Latents as small pictures; `encode` gives the mean of the latents [C, h, w] of pixels [1, 3, H, W]."""

    def __init__(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> None:
        import torch
        from torch.nn import functional

        pixels = torch.from_numpy(card()).permute(2, 0, 1)[None].float() / 127.5 - 1
        latents = encode(pixels)[None].double().cpu()
        height, width = latents.shape[-2:]
        shown = functional.interpolate(pixels, (PIXELS * height, PIXELS * width), mode="area").double()
        around = functional.unfold(_edged(latents), SEEN)[0].T
        known = torch.cat([around, torch.ones(len(around), 1)], dim=1)
        wanted = functional.pixel_unshuffle(shown, PIXELS)[0].flatten(1).T
        ridge = RIDGE * len(known) * torch.eye(known.shape[1])
        fitted = torch.linalg.solve(known.T @ known + ridge, known.T @ wanted).float()
        self.weight = fitted[:-1].T.reshape(-1, latents.shape[1], SEEN, SEEN)
        self.bias = fitted[-1]

    def pictures(self, latents: torch.Tensor) -> np.ndarray:
        """Latents [N, C, h, w] as pictures, uint8 [N, 4 h, 4 w, 3]."""
        from torch.nn import functional

        values = functional.conv2d(_edged(latents.float().cpu()), self.weight, self.bias)
        seen = functional.pixel_shuffle(values, PIXELS).nan_to_num().clamp(-1, 1)
        made: np.ndarray = ((seen + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return made


def card() -> np.ndarray:
    """A picture of all colours, flat and in passage, and of edges; uint8 [CARD, CARD, 3]."""
    luck = np.random.default_rng(0)
    y, x = np.mgrid[0:CARD, 0:CARD] / CARD
    page = np.stack([x, y, 1 - x * y], axis=-1) * 255
    for _ in range(SHAPES):
        (left, top), size = luck.uniform(0, 1, 2), luck.uniform(0.02, 0.18, 2)
        across, down = abs(x - left) / size[0], abs(y - top) / size[1]
        shape = np.hypot(across, down) < 1 if luck.random() < 0.5 else np.maximum(across, down) < 1
        page[shape] = luck.uniform(0, 255, 3)
    return page.astype(np.uint8)


def _edged(latents: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.pad(latents, (SEEN // 2,) * 4, mode="replicate")
