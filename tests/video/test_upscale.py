import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.video.upscale import Upscaler, load_upscaler, upscale


@pytest.fixture()
def model():
    torch.manual_seed(0)
    return Upscaler(width=8, blocks=2).eval()


@pytest.fixture()
def pictures():
    ramp = np.linspace(0, 255, 24, dtype=np.uint8)
    square = np.broadcast_to(ramp[None, :, None], (20, 24, 3)).copy()
    return np.stack([square, 255 - square])


def test_four_times_the_side(model, pictures):
    made = upscale(pictures, model)
    assert made.shape == (2, 80, 96, 3)
    assert made.dtype == np.uint8


@pytest.mark.parametrize("factor", [2, 8])
def test_other_factors(model, pictures, factor):
    assert upscale(pictures, model, factor).shape == (2, 20 * factor, 24 * factor, 3)


def test_a_wrong_factor_is_refused(model, pictures):
    with pytest.raises(ValueError, match="factor is 2, 4, 8 or 16, not 3"):
        upscale(pictures, model, 3)


def test_an_untrained_last_layer_leaves_bicubic(pictures):
    model = Upscaler(width=8, blocks=1).eval()
    torch.nn.init.zeros_(model.conv_out.weight)
    torch.nn.init.zeros_(model.conv_out.bias)  # type: ignore[arg-type]
    flat = np.full((1, 16, 16, 3), 77, np.uint8)
    assert (upscale(flat, model) == 77).all()


def test_strips_do_not_show(model):
    tall = np.random.default_rng(0).integers(0, 256, (1, 300, 16, 3), dtype=np.uint8)
    whole = torch.from_numpy(tall).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = model(whole).float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    made = upscale(tall, model)[0].astype(int)
    assert np.abs(made - expected[0].permute(1, 2, 0).numpy().astype(int)).max() <= 4


def test_read_from_a_file_in_fp16(model, pictures, tmp_path):
    path = tmp_path / "模型 🎨.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)
    read = load_upscaler(path)
    assert (len(read.blocks), read.conv_in.out_channels) == (2, 8)
    difference = upscale(pictures, read).astype(int) - upscale(pictures, model)
    assert np.abs(difference).max() <= 4
