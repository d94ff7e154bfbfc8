"""Stable Diffusion 1.x and 2.x, and the embedded base: one CLIP text encoder, its last hidden states.

Single files are read for 1.x; 2.x comes as a diffusers folder or from the hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import singlefile
from core.families import diffusion
from core.families.family import Configs, Drawing, Drawn, Tensors
from core.families.keys import text_encoder_key, unet_key
from core.weights import Shapes

if TYPE_CHECKING:
    import torch

PIPELINE = "StableDiffusionPipeline"
OPTIONS: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False}
DRAWING = Drawing((512, 512), (512, 896), (896, 512), steps=20, guidance=7.0)
BACKBONE = "unet"
TEXT_ENCODERS: tuple[str, ...] = ("text_encoder",)
LAYERS: tuple[str, ...] = diffusion.LAYERS
CLIP = "cond_stage_model.transformer.text_model."
DEFAULTS: Configs = diffusion.DEFAULTS
STARTS: Mapping[str, str] = {"unet": singlefile.UNET, "vae": singlefile.VAE, "text_encoder": CLIP}
SD2_WIDTH = 1024  # of its text encoder's output; 1.x has 768

side_unit, latents, blocks = diffusion.side_unit, diffusion.latents, diffusion.blocks
encode, sample = diffusion.encode, diffusion.sample
read_tokenizer, chunked = diffusion.read_tokenizer, diffusion.chunked
schedule, time = diffusion.schedule, diffusion.time


def recognises(shapes: Shapes) -> bool:
    """A UNet for text alone, with OpenAI's CLIP beside it."""
    return singlefile.is_text_to_image(shapes) and f"{CLIP}final_layer_norm.weight" in shapes


def read_configs(shapes: Shapes) -> Configs:
    """Those of 1.5, with the widths of the file's own tensors; `v_pred` and `ztsnr` are heeded."""
    block = f"{singlefile.UNET}input_blocks"
    widths = [shapes[f"{block}.{number}.0.out_layers.3.weight"][0] for number in (1, 4, 7, 10)]
    text = singlefile.clip_config(shapes, CLIP)
    unet = {"block_out_channels": widths, "cross_attention_dim": text["hidden_size"]}
    own = {
        "unet": unet,
        "vae": singlefile.vae_config(shapes),
        "text_encoder": text,
        "scheduler": singlefile.scheduler_config(shapes),
    }
    return singlefile.configs("sd15", own)


def load_file(path: Path, shapes: Shapes, dtype: torch.dtype, vae_dtype: torch.dtype) -> Any:
    """A 1.x checkpoint of any width as a pipeline on the CPU."""
    configs = read_configs(shapes)
    with singlefile.configuration("sd15", configs) as folder:
        words = configs["text_encoder"]["vocab_size"]
        singlefile.write_clip_tokenizer(folder / "tokenizer", words - 514)
        return singlefile.load(PIPELINE, path, folder, dtype, vae_dtype, safety_checker=None)


def make_ready(pipeline: Any, prediction: str) -> None:
    """DPM-Solver++ (Lu 2022) needs the fewest steps."""
    from diffusers import DPMSolverMultistepScheduler

    diffusion.fit_tokenizers(pipeline, TEXT_ENCODERS)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, **diffusion.predicts(pipeline, prediction)
    )


def names(pipeline: Any) -> tuple[str, str]:
    """1.x and 2.x differ in the width of their text encoder's output."""
    if pipeline.unet.config.cross_attention_dim != SD2_WIDTH:
        return "sd_v1", "stable-diffusion-v1"
    velocity = pipeline.scheduler.config.prediction_type == "v_prediction"
    return "sd_v2", "stable-diffusion-v2-768-v" if velocity else "stable-diffusion-v2-512"


def keys(model: str, layer: str) -> tuple[str, ...]:
    """sd-scripts' keys, whose UNet has diffusers' names."""
    return (unet_key(layer) if model == BACKBONE else text_encoder_key(layer),)


def text_layers(model: str, config: Mapping[str, Any]) -> list[str]:
    """The attention of every layer."""
    return diffusion.text_layers(config["num_hidden_layers"])


def tokenize(pipeline: Any, captions: Sequence[str]) -> Tensors:
    """Token ids [N, C·77]."""
    return {"text_encoder": diffusion.clip_ids(pipeline.tokenizer, captions)}


def embed(pipeline: Any, ids: Tensors) -> Tensors:
    """The text encoder's output [B, C·77, D]."""
    words = ids["text_encoder"]
    output = pipeline.text_encoder(diffusion.by_chunk(words, pipeline.tokenizer))[0]
    return {"prompt_embeds": diffusion.side_by_side(output, len(words))}


def loss(pipeline: Any, schedule: Any, drawn: Drawn, text: Tensors, gamma: float) -> torch.Tensor:
    """Each picture's squared error against its noise or velocity; [B]."""
    noisy, said = diffusion.noisy(pipeline, schedule, drawn), text["prompt_embeds"]
    made = pipeline.unet(noisy, drawn.times, said, return_dict=False)[0]
    return diffusion.errors(schedule, drawn, made, gamma)
