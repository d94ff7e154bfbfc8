"""Bases and LoRAs that draw in a few steps: told by what they are called, and sampled as they want."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.lora.adapters import fuse, image_file
from core.lora.adapters.layers import Lora
from core.lora.image import few_steps
from core.lora.image.sampler import Artist, Wanted, sampling
from core.messages import Mistake

KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def lora(path: Path, size: int = 8, key: str = KEY, **metadata: str) -> Path:
    layers = {key: Lora(torch.randn(2, size), torch.randn(size, 2), 2.0)}
    return image_file.write(path, layers, metadata, torch.float32)


@pytest.mark.parametrize(
    ("name", "kind", "steps"),
    [
        ("pytorch_lora_weights_lcm-lora-sdv1-5", "lcm", 6),
        ("sdxl_lightning_8step_lora", "lightning", 8),
        ("dmd2_sdxl_4step_lora_fp16", "dmd", 4),
        ("Hyper-SD15-8steps-lora", "hyper", 8),
        ("Hyper-SDXL-2steps-lora", "hyper", 2),
        ("sdxl-turbo", "turbo", 4),
        ("sd_xl_turbo_1.0_fp16", "turbo", 4),
        ("my lightning storm", "lightning", 4),
        ("enlightening", None, 0),
        ("turbocharged_cars", None, 0),
        ("hyperrealism", None, 0),
        ("ink_wash_r8_ep12", None, 0),
    ],
)
def test_names_tell_how_many_steps(name: str, kind: str | None, steps: int) -> None:
    found = few_steps.told(name)
    assert (found.name if found else None, found.steps if found else 0) == (kind, steps)


def test_a_lora_says_it_in_its_metadata_and_a_weight_of_nothing_says_nothing(
    tmp_path: Path, tiny_base: Path
) -> None:
    fast = lora(tmp_path / "speed.safetensors", **{"modelspec.title": "LCM LoRA, 4 steps"})
    how = sampling(str(tiny_base), [(fast, 1.0)], 64, 64)
    assert (how.steps, how.guidance, how.few and how.few.name) == (4, 1.0, "lcm")
    own = sampling(str(tiny_base), [], 64, 64)
    assert sampling(str(tiny_base), [(fast, 0.0)], 64, 64).steps == own.steps
    assert sampling(str(tiny_base), [(fast, 1.0)], 64, 64, Wanted(steps=7)).steps == 7


@pytest.mark.parametrize("kind", few_steps.KINDS)
def test_each_kind_draws_the_same_picture_twice_and_the_base_its_own_again(
    kind: str, tmp_path: Path, tiny_base: Path
) -> None:
    fast = lora(tmp_path / f"{kind}_4step.safetensors".replace("hyper", "hyper-sd"))
    plain, quick = (sampling(str(tiny_base), loras, 64, 64) for loras in ([], [(fast, 1.0)]))
    artist = Artist(plain)
    before = artist.draw("a boat", 3)
    artist.use(quick)
    assert type(artist.pipeline.scheduler).__name__ == few_steps.KINDS[kind].scheduler
    one, two = artist.draw("a boat", 3), artist.draw("a boat", 3)
    assert np.array_equal(one, two) and not np.array_equal(one, artist.draw("a boat", 4))
    artist.use(plain)
    assert np.array_equal(artist.draw("a boat", 3), before)


def test_a_lora_of_another_base_is_told_before_anything_is_loaded(tmp_path: Path, tiny_base: Path) -> None:
    fuse.check(str(tiny_base), lora(tmp_path / "fits.safetensors"))
    fuse.check(str(tiny_base), lora(tmp_path / "text.safetensors", key="lora_te_text_model_layers_0_q"))
    for name, wrong in {"size": {"size": 16}, "place": {"key": "lora_unet_somewhere_else"}}.items():
        with pytest.raises(Mistake, match="another kind of base model"):
            fuse.check(str(tiny_base), lora(tmp_path / f"{name}.safetensors", **wrong))
