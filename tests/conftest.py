"""Small real models that the tests share, built once a run: the true architectures with random weights."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def nothing_old_to_collect() -> None:
    """Leaves the libraries' objects out of a run's garbage collections: half of a tiny run's time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """So that the libraries can tidy up as they do at a process's end."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion pipeline folder: f = 8, 4 latent channels, v-prediction, 32-pixel pictures."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from core.singlefile import write_clip_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny base"
    write_clip_tokenizer(folder / "tokenizer", merges=1000, length=24)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=24,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDIMScheduler(
        prediction_type="v_prediction",
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
    )
    StableDiffusionPipeline(
        vae, text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    ).save_pretrained(folder)
    (folder / "studio.json").write_text(
        '{"square": [32, 32], "portrait": [32, 56], "steps": 2, "guidance": 2.0}', encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama folder with a tokenizer trained on a few sentences and a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tokens import chat_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny llm"
    texts = [
        "The river wakes before the town.",
        "A boat waits under the old bridge.",
        "user system assistant",
    ]
    tokenizer = chat_tokenizer(texts, 400)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
