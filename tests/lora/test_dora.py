"""For which programs a DoRA's file is exact: their formulas, as their sources have them, on one weight."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from core.families.keys import unet_key
from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora, merged

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def columns(weight):
    """The norm of each input channel, [1, in, …]."""
    return torch.linalg.vector_norm(weight, dim=[0, *range(2, weight.dim())], keepdim=True)


def rows(weight):
    """The norm of each output row, [out, 1, …]."""
    return torch.linalg.vector_norm(weight, dim=list(range(1, weight.dim())), keepdim=True)


def a1111(base, delta, scale):
    """NetworkModule.apply_weight_decompose of its Lora extension, ComfyUI before May 2025: by columns."""
    return (base + delta) * (scale / columns(base + delta))


def comfyui(base, delta, scale):
    """weight_decompose since its pull request 7727, May 2025: by the base's rows, or by columns of both."""
    return (base + delta) * (scale / (rows(base) if len(scale) == len(base) else columns(base + delta)))


def lycoris(base, delta, scale):
    """LyCORIS 3 and OneTrainer with `dora_on_output`, which is peft's: by the rows of both."""
    return (base + delta) * (scale / rows(base + delta))


@pytest.fixture(params=["linear", "kernel"])
def parts(request, tmp_path):
    """A base's weight, what a DoRA adds, its rows' lengths as its file has them, and what it shall give."""
    own = torch.Generator().manual_seed(0)
    kernel = (3, 3) if request.param == "kernel" else ()
    base = torch.randn(6, 4, *kernel, generator=own)
    down = 0.3 * torch.randn(2, 4, *kernel, generator=own)
    up = 0.3 * torch.randn(6, 2, *[1] * len(kernel), generator=own)
    lengths = rows(base) * (1 + 0.1 * torch.rand(rows(base).shape, generator=own))
    layer = Lora(down, up, 1.0, dora_scale=lengths)
    path = image_file.write(tmp_path / "x.safetensors", {unet_key(LINEAR): layer}, {}, torch.float32)
    scale = load_file(path)[f"{unet_key(LINEAR)}.dora_scale"]
    delta = 0.5 * (up.flatten(1) @ down.flatten(1)).view_as(base)
    whole = base + delta
    return base, delta, scale, whole / rows(whole) * lengths


def apart(made, wanted):
    return float((made - wanted).norm() / wanted.norm())


def test_the_studio_and_lycoris_draw_it_exactly(parts):
    base, delta, scale, wanted = parts
    torch.testing.assert_close(lycoris(base, delta, scale), wanted)
    layer = Lora(torch.eye(base[0].numel()), delta.flatten(1), float(base[0].numel()), dora_scale=scale)
    torch.testing.assert_close(merged(base, layer), wanted)


def test_comfyui_is_off_by_how_much_each_row_grew(parts):
    base, delta, scale, wanted = parts
    made = comfyui(base, delta, scale)
    torch.testing.assert_close(made, wanted * (rows(base + delta) / rows(base)))
    assert 1e-3 < apart(made, wanted) < 0.1
    small = delta / 100
    exact = (base + small) / rows(base + small) * scale
    assert apart(comfyui(base, small, scale), exact) < apart(made, wanted) / 20


def test_a1111_gives_another_weight(parts):
    base, delta, scale, wanted = parts
    assert apart(a1111(base, delta, scale), wanted) > 0.2


def test_all_but_peft_read_lengths_by_column_alike_and_so_does_the_studio(parts):
    base, delta, _, _ = parts
    scale = columns(base) * 1.1
    wanted = (base + delta) / columns(base + delta) * scale
    layer = Lora(torch.eye(base[0].numel()), delta.flatten(1), float(base[0].numel()), dora_scale=scale)
    for made in (a1111(base, delta, scale), comfyui(base, delta, scale), merged(base, layer)):
        torch.testing.assert_close(made, wanted)
