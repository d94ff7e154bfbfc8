"""Small sets of pictures and texts, and settings that train on them in a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora
from core.lora.engine import budget
from core.lora.image import setup as image_setup
from core.lora.text import recipe as text_recipe
from core.lora.text import setup as text_setup
from core.settings.training import ImageTraining, TextTraining, Training
from tests.running import finished

TOPICS = ["a river", "a boat", "a bridge", "the rain", "a lamp", "a cat", "tea", "a stall", "snow", "a kite"]


@pytest.fixture(scope="session")
def recipe_of() -> Callable[[Training], Any]:
    """Prepares the recipe of some settings."""

    def prepared(settings: Training) -> Any:
        kind = image_setup if isinstance(settings, ImageTraining) else text_setup
        return finished(kind.prepare(settings))[1]

    return prepared


@pytest.fixture(autouse=True, scope="module")
def looks_that_may_take_long() -> Iterator[None]:
    """Samples of a few words, as writing them took most of a test's time.

    They, the judging and the proof may take what they take, so that nothing depends on the machine's speed.
    Of a module's scope, as trainings that its tests share come before any one of them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_recipe, "SAMPLE_TOKENS", 4)
        patch.setattr(budget, "LEAST_SECONDS", 1e6)
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for this test alone, so that no test finds what another encoded."""
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures, two of them upright, with captions."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("data") / "水墨 set"
    folder.mkdir()
    rows = ["file_name,text"]
    for number in range(6):
        size = (80, 140) if number % 3 == 2 else (100, 96)
        picture = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 10 + number).convert("RGB")
        picture.save(folder / f"{number}.png")
        rows.append(f'{number}.png,"inkwash, {TOPICS[number]}"')
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten narrations, one for each topic."""
    path = tmp_path_factory.mktemp("texts") / "train.jsonl"
    replies = [f"{topic.capitalize()} waits. It has all the time in the {number} worlds." for number, topic in
               enumerate(TOPICS)]  # fmt: skip
    path.write_text(
        "".join(
            json.dumps({"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": r}]})
            + "\n"
            for t, r in zip(TOPICS, replies, strict=True)
        )
    )
    return path


@pytest.fixture
def image_settings(tiny_base: Path, picture_folder: Path, tmp_path: Path) -> Callable[..., ImageTraining]:
    """Makes image settings with changes."""

    def make(**changes: Any) -> ImageTraining:
        values = {
            "base_model": str(tiny_base),
            "train_data_dir": picture_folder,
            "output_dir": tmp_path / "ink style",
            "batch_size": 2,
            "epochs": 3,
            "lora_rank": 4,
            "precision": "fp32",
            "learning_rate": 1e-2,
        }
        return ImageTraining(**{**values, **changes})

    return make


@pytest.fixture
def text_settings(tiny_llm: Path, text_file: Path, tmp_path: Path) -> Callable[..., TextTraining]:
    """Makes text settings with changes."""

    def make(**changes: Any) -> TextTraining:
        values = {
            "base_model": str(tiny_llm),
            "train_data_path": text_file,
            "output_dir": tmp_path / "voice",
            "batch_size": 4,
            "epochs": 3,
            "lora_rank": 4,
            "precision": "fp32",
            "learning_rate": 1e-2,
            "max_length": 1024,
        }
        return TextTraining(**{**values, **changes})

    return make


@pytest.fixture
def sdxl_lora(tmp_path: Path) -> Path:
    """A strong random LoRA on one attention projection of the small Stable Diffusion XL."""
    import torch

    key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_v"
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(2, 192, generator=generator), torch.randn(64, 2, generator=generator)
    return image_file.write(tmp_path / "xl.safetensors", {key: Lora(down, up, 2.0)}, {}, torch.float32)
