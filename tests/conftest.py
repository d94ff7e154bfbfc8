"""Small real models that the tests share, built once a run: the true architectures with random weights."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import kept
from tests import tiny

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# A home of nobody's: models that lie in a person's would be taken.
os.environ.setdefault("STUDIO_HOME", f"{tempfile.gettempdir()}/studio-tests-{os.getpid()}")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--real`, which `studio.py test --real` passes on; pytest wants it told of here."""
    parser.addoption("--real", action="store_true", help="run the tests of tests/real too")


@pytest.fixture(autouse=True)
def nothing_old_to_collect() -> None:
    """Leaves the libraries' objects out of a run's garbage collections: half of a tiny run's time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """So that the libraries can tidy up as they do at a process's end."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def films_kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A run keeps its films' pictures and pieces to itself."""
    place = tmp_path_factory.mktemp("kept") / "film"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "folder", lambda: place)
        yield


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of the network: whoever asks gets an error, and the hub's libraries don't know it."""
    import huggingface_hub.constants

    asked: list[Any] = []

    def refuse(*arguments: Any, **named: Any) -> Any:
        asked.append(arguments[-1:])
        raise RuntimeError("the network was asked")  # an OSError would be tried again for a minute

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return asked


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion pipeline folder: f = 8, 4 latent channels, v-prediction, 32-pixel pictures."""
    return tiny.picture_base(tmp_path_factory.mktemp("models") / "tiny base")


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama folder with a tokenizer trained on a few sentences and a chat template."""
    return tiny.language_model(tmp_path_factory.mktemp("models") / "tiny llm")


@pytest.fixture(scope="session")
def sd15() -> object:
    """A pipeline with Stable Diffusion 1.5's block structure and tokenizer at a sixteenth of its width."""
    import tempfile

    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from core.singlefile import CONFIGS, write_clip_tokenizer

    with tempfile.TemporaryDirectory() as folder:
        write_clip_tokenizer(Path(folder))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64, 96, 96), cross_attention_dim=64, attention_head_dim=8, sample_size=64
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(vocab_size=49408, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                       num_attention_heads=1, bos_token_id=49406, eos_token_id=49407)
    )  # fmt: skip
    scheduler = PNDMScheduler.from_pretrained(CONFIGS / "sd15" / "scheduler")
    return StableDiffusionPipeline(
        vae, text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    )


@pytest.fixture(scope="session")
def sdxl() -> object:
    """A pipeline with Stable Diffusion XL's block structure, small width and small vocabulary."""
    import tempfile

    import torch
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    from core.singlefile import CONFIGS, write_clip_tokenizer

    tokenizers = []
    for pad in ("<|endoftext|>", "!"):
        with tempfile.TemporaryDirectory() as folder:
            write_clip_tokenizer(Path(folder), merges=1000, pad=pad)
            tokenizers.append(CLIPTokenizer.from_pretrained(folder))
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        cross_attention_dim=64 + 128,
        attention_head_dim=(1, 1, 1),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=128 + 6 * 8,
        sample_size=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        scaling_factor=0.13025,
    )
    marks = {"vocab_size": 1514, "bos_token_id": 1512, "eos_token_id": 1513, "intermediate_size": 64}
    text_encoder = CLIPTextModel(
        CLIPTextConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=1, **marks)
    )
    text_encoder_2 = CLIPTextModelWithProjection(
        CLIPTextConfig(hidden_size=128, projection_dim=128, num_hidden_layers=3, num_attention_heads=2,
                       hidden_act="gelu", **marks)
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler.from_pretrained(CONFIGS / "sdxl" / "scheduler")
    return StableDiffusionXLPipeline(
        vae, text_encoder, text_encoder_2, *tokenizers, unet, scheduler, add_watermarker=False
    )


@pytest.fixture(scope="session")
def sdxl_file(sdxl: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small Stable Diffusion XL as a single file in the original layout."""
    from tests import original_layout

    return original_layout.write(sdxl, tmp_path_factory.mktemp("sdxl") / "xl 小.safetensors")


@pytest.fixture(scope="session")
def sdxl_folder(sdxl: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small Stable Diffusion XL as a diffusers folder that draws 32-pixel pictures."""
    folder = tmp_path_factory.mktemp("sdxl") / "xl folder"
    sdxl.save_pretrained(folder)  # type: ignore[attr-defined]
    (folder / "studio.json").write_text(
        '{"square": [32, 32], "portrait": [32, 64], "steps": 2, "guidance": 2.0}', encoding="utf-8"
    )
    return folder
