"""Enlarges drawn pictures with a small convolutional network made for flat art: crisp edges, no stair-steps.

Works on pixels and one safetensors file; knows nothing about scenes, videos or how the pictures were made.
The network refines features at the picture's own size and turns channels into pixels at the end (Shi et al.
2016, arXiv:1609.05158), on top of a bicubic enlargement, so flat areas stay exactly as they were.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from core import weights

if TYPE_CHECKING:
    from collections.abc import Callable

FACTOR = 4  # how much larger the network makes a picture
MARGIN_PX = 16  # context around a strip, so that its borders do not show


class Upscaler(nn.Module):
    """Residual blocks at low resolution, then a pixel shuffle; 4 times the side.

    `width` channels and `blocks` residual blocks of two 3×3 convolutions: 48 and 8 make 0.37 M parameters.
    """

    def __init__(self, width: int = 48, blocks: int = 8):
        super().__init__()
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.conv_out = nn.Conv2d(width, 3 * FACTOR**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in −1…1 to [N, 3, 4 H, 4 W]."""
        features = self.conv_in(x)
        for block in self.blocks:
            features = features + block(features)
        enlarged = F.interpolate(x, scale_factor=FACTOR, mode="bicubic", align_corners=False)
        return enlarged + F.pixel_shuffle(self.conv_out(features), FACTOR)


def load_upscaler(path: Path) -> Upscaler:
    """Reads `model.safetensors` (fp16 or fp32); width and blocks follow from the tensors' shapes."""
    tensors = {name: tensor.float() for name, tensor in weights.read(path)[0].items()}
    blocks = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    model = Upscaler(tensors["conv_in.weight"].shape[0], blocks)
    model.load_state_dict(tensors)
    return model.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def upscale(pictures: NDArray[np.uint8], model: Upscaler, factor: int = FACTOR) -> NDArray[np.uint8]:
    """Pictures uint8 [N, H, W, 3] to [N, factor H, factor W, 3], for a factor of 2, 4, 8 or 16.

    The network is run until the factor is reached and the result shrunk by area averaging to what was asked.
    Strips of 128 rows keep the memory small; it runs where the model's weights stand.
    """
    if factor not in (2, 4, 8, 16):
        raise ValueError(f"factor is 2, 4, 8 or 16, not {factor}")
    made, reached = pictures, 1
    while reached < factor:
        made = np.stack([_enlarge(picture, model) for picture in made])
        reached *= FACTOR
    if reached == factor:
        return made
    small = F.avg_pool2d(_tensor(made), reached // factor)
    return small.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()


def _enlarge(
    picture: NDArray[np.uint8], model: Callable[[Tensor], Tensor], rows: int = 128
) -> NDArray[np.uint8]:
    """One picture uint8 [H, W, 3] through the network, in strips that overlap."""
    height, width, _ = picture.shape
    weight = next(model.parameters()) if isinstance(model, nn.Module) else torch.zeros(())
    made = np.empty((height * FACTOR, width * FACTOR, 3), np.uint8)
    for start in range(0, height, rows):
        top, bottom = max(0, start - MARGIN_PX), min(height, start + rows + MARGIN_PX)
        strip = _tensor(picture[None, top:bottom]).div_(127.5).sub_(1).to(weight.device)
        with torch.autocast(weight.device.type, torch.bfloat16):
            large = model(strip.to(memory_format=torch.channels_last)).float()
        pixels = ((large.clamp(-1, 1) + 1) * 127.5).round().byte()[0].permute(1, 2, 0).cpu().numpy()
        offset = (start - top) * FACTOR
        end = min(height, start + rows)
        made[start * FACTOR : end * FACTOR] = pixels[offset : offset + (end - start) * FACTOR]
    return made
