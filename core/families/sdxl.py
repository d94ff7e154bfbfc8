"""Stable Diffusion XL (Podell 2023): two CLIP text encoders, and the UNet is told how its picture was cut.

Both encoders give their last but one hidden states, side by side; the second also gives the whole prompt's
pooled vector. Its autoencoder overflows in fp16.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, singlefile
from core.families import diffusion
from core.families.family import Configs, Drawing, Drawn, Start, Tensors, Watch
from core.families.keys import TEXT_ENCODER_1, TEXT_ENCODER_2, UNET, original, text_encoder_key, unet_key
from core.weights import Shapes

if TYPE_CHECKING:
    import numpy as np
    import torch

PIPELINE = "StableDiffusionXLPipeline"
OPTIONS: dict[str, Any] = {}
DRAWING = Drawing((1024, 1024), (768, 1344), (1344, 768), steps=25, guidance=6.0)
BACKBONE = "unet"
TEXT_ENCODERS: tuple[str, ...] = ("text_encoder", "text_encoder_2")
LAYERS: tuple[str, ...] = diffusion.LAYERS
CLIP = "conditioner.embedders.0.transformer.text_model."
OPEN_CLIP = "conditioner.embedders.1.model."
DEFAULTS: Configs = diffusion.DEFAULTS
STARTS: Mapping[str, str] = {
    "unet": singlefile.UNET,
    "vae": singlefile.VAE,
    "text_encoder": CLIP,
    "text_encoder_2": OPEN_CLIP,
}
FRAMING = 6  # numbers that tell how a picture was cut
HEAD = 64  # width of an attention head

side_unit, latents, blocks = diffusion.side_unit, diffusion.latents, diffusion.blocks
encode = diffusion.encode
read_tokenizer, chunked = diffusion.read_tokenizer, diffusion.chunked
schedule, time = diffusion.schedule, diffusion.time


def recognises(shapes: Shapes) -> bool:
    """A UNet for text alone, with OpenAI's CLIP and OpenCLIP beside it."""
    both = {f"{CLIP}final_layer_norm.weight", f"{OPEN_CLIP}text_projection"} <= shapes.keys()
    return both and singlefile.is_text_to_image(shapes)


def read_configs(shapes: Shapes) -> Configs:
    """Those of SDXL 1.0, with the widths of the file's own tensors; `v_pred` and `ztsnr` are heeded."""
    text, text_2 = singlefile.clip_config(shapes, CLIP), singlefile.open_clip_config(shapes, OPEN_CLIP)
    own = {
        "unet": _unet_config(shapes, text_2["projection_dim"]),
        "vae": singlefile.vae_config(shapes),
        "text_encoder": text,
        "text_encoder_2": text_2,
        "scheduler": singlefile.scheduler_config(shapes),
    }
    return singlefile.configs("sdxl", own)


def load_file(path: Path, shapes: Shapes, dtype: torch.dtype, vae_dtype: torch.dtype) -> Any:
    """A checkpoint of any width as a pipeline on the CPU."""
    configs = read_configs(shapes)
    with singlefile.configuration("sdxl", configs) as folder:
        words, words_2 = (configs[name]["vocab_size"] for name in TEXT_ENCODERS)
        singlefile.write_clip_tokenizer(folder / "tokenizer", words - 514)
        singlefile.write_clip_tokenizer(folder / "tokenizer_2", words_2 - 514, pad="!")
        return singlefile.load(PIPELINE, path, folder, dtype, vae_dtype)


def _unet_config(shapes: Shapes, pooled: int) -> dict[str, Any]:
    block = f"{singlefile.UNET}input_blocks"
    widths = [shapes[f"{block}.{number}.0.out_layers.3.weight"][0] for number in (1, 4, 7)]
    added = shapes[f"{singlefile.UNET}label_emb.0.0.weight"][1]
    return {
        "block_out_channels": widths,
        "attention_head_dim": [max(1, width // HEAD) for width in widths],  # the number of heads
        "cross_attention_dim": shapes[f"{block}.4.1.transformer_blocks.0.attn2.to_k.weight"][1],
        "projection_class_embeddings_input_dim": added,
        "addition_time_embed_dim": (added - pooled) // FRAMING,
    }


def make_ready(pipeline: Any, prediction: str) -> None:
    """Euler's method, SDXL's own; the autoencoder is kept from fp16, in which it overflows."""
    from diffusers import EulerDiscreteScheduler

    diffusion.fit_tokenizers(pipeline, TEXT_ENCODERS)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, **diffusion.predicts(pipeline, prediction)
    )
    if pipeline.vae.dtype == device.number_of("fp16"):
        pipeline.vae.float()


def names(pipeline: Any) -> tuple[str, str]:
    """Those of the SDXL 1.0 base."""
    return "sdxl_base_v1-0", "stable-diffusion-xl-v1-base"


def keys(model: str, layer: str) -> tuple[str, ...]:
    """sd-scripts' key, and that of a file with diffusers' names."""
    if model == BACKBONE:
        return UNET + original(layer).replace(".", "_"), unet_key(layer)
    if model == "text_encoder":
        return text_encoder_key(layer, TEXT_ENCODER_1), text_encoder_key(layer)
    return (text_encoder_key(layer, TEXT_ENCODER_2),)


def text_layers(model: str, config: Mapping[str, Any]) -> list[str]:
    """The attention of every layer but the first encoder's last, whose output nothing uses."""
    return diffusion.text_layers(config["num_hidden_layers"] - (model == "text_encoder"))


def tokenize(pipeline: Any, captions: Sequence[str]) -> Tensors:
    """Token ids [N, C·77] for each encoder; they are padded differently."""
    return {
        "text_encoder": diffusion.clip_ids(pipeline.tokenizer, captions),
        "text_encoder_2": diffusion.clip_ids(pipeline.tokenizer_2, captions),
    }


def embed(pipeline: Any, ids: Tensors) -> Tensors:
    """Both encoders' last but one hidden states [B, C·77, D1 + D2], and the second's pooled vector [B, D2].

    The vector is that of the first chunk, as in AUTOMATIC1111.
    """
    import torch

    words, words_2 = ids["text_encoder"], ids["text_encoder_2"]
    count = len(words)
    first = pipeline.text_encoder(diffusion.by_chunk(words, pipeline.tokenizer), output_hidden_states=True)
    second = pipeline.text_encoder_2(
        diffusion.by_chunk(words_2, pipeline.tokenizer_2), output_hidden_states=True
    )
    both = (diffusion.side_by_side(output.hidden_states[-2], count) for output in (first, second))
    return {
        "prompt_embeds": torch.cat(list(both), dim=-1),
        "pooled_prompt_embeds": second.text_embeds.reshape(count, -1, second.text_embeds.shape[-1])[:, 0],
    }


def loss(pipeline: Any, schedule: Any, drawn: Drawn, text: Tensors, gamma: float) -> torch.Tensor:
    """Each picture's squared error against its noise or velocity; [B]."""
    noisy, said = diffusion.noisy(pipeline, schedule, drawn), text["prompt_embeds"]
    added = {"text_embeds": text["pooled_prompt_embeds"], "time_ids": drawn.framing}
    made = pipeline.unet(noisy, drawn.times, said, added_cond_kwargs=added, return_dict=False)[0]
    return diffusion.errors(schedule, drawn, made, gamma)


def sample(
    pipeline: Any,
    text: Tensors,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seeds: Sequence[int],
    starts: Sequence[Start] = (),
    watch: Watch | None = None,
) -> Generator[None, None, list[np.ndarray]]:
    """Pictures, uint8 [H, W, 3]; what is not wanted is all zeros where the base learnt it so.

    It is told that nothing was cut off.
    """
    import torch

    if pipeline.config.force_zeros_for_empty_prompt:
        said = {name: text[name] for name in ("prompt_embeds", "pooled_prompt_embeds")}
        text = text | {name: torch.cat([of[:-1], torch.zeros_like(of[-1:])]) for name, of in said.items()}
    pooled, (width, height) = text["pooled_prompt_embeds"], size
    framing = torch.tensor([[height, width, 0, 0, height, width]] * len(pooled), dtype=pipeline.unet.dtype)
    added = {"text_embeds": pooled, "time_ids": framing}
    return (yield from diffusion.sample(pipeline, text, size, steps, guidance, seeds, starts, watch, added))
