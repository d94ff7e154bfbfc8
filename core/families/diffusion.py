"""What Stable Diffusion's families have in common: CLIP's token ids, an autoencoder, noise by a schedule.

Latents are scaled by the autoencoder's own factor; the UNet predicts the noise or the velocity, as the
scheduler's `prediction_type` says.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core import device
from core.families import unet
from core.families.family import Block, Configs, Drawn, Tensors
from core.jobs import Mistake

if TYPE_CHECKING:
    import numpy as np
    import torch

CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "proj_in", "proj_out")
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", *CONVOLUTIONS)
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj")
CLIP_DEFAULTS = {"hidden_size": 512, "num_hidden_layers": 12, "max_position_embeddings": 77}
DEFAULTS: Configs = {  # diffusers' and transformers' own
    "unet": {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "layers_per_block": 2,
        "cross_attention_dim": 1280,
    },
    "vae": {"block_out_channels": [64], "latent_channels": 4},
    "text_encoder": CLIP_DEFAULTS,
    "text_encoder_2": CLIP_DEFAULTS,
}


def side_unit(configs: Configs) -> int:
    """A picture's side is halved by the autoencoder and again by the UNet, a whole number of times."""
    return int(_factor(configs) * 2 ** (len(configs["unet"]["block_out_channels"]) - 1))


def _factor(configs: Configs) -> int:
    return int(2 ** (len(configs["vae"]["block_out_channels"]) - 1))


def latents(configs: Configs, size: tuple[int, int]) -> tuple[int, int, int]:
    """Channels, height and width of a picture's latents."""
    width, height = size
    return configs["vae"]["latent_channels"], height // _factor(configs), width // _factor(configs)


def blocks(configs: Configs, size: tuple[int, int]) -> Iterator[Block]:
    """The UNet's, where captions have the first text encoder's length."""
    _, height, width = latents(configs, size)
    tokens = configs["text_encoder"]["max_position_embeddings"]
    return unet.blocks(configs["unet"], (width, height), tokens)


def text_layers(count: int) -> list[str]:
    """The attention of a text encoder's first `count` layers."""
    return [f"layers.{at}.self_attn.{name}" for at in range(count) for name in TEXT_LAYERS]


def clip_ids(tokenizer: Any, captions: Sequence[str]) -> torch.Tensor:
    """Token ids [N, L], padded and cut to the tokenizer's length as pipelines do."""
    return tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def encode(pipeline: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Mean and spread of a picture's latents as the UNet sees them, [2, C, H/f, W/f], fp32 on the CPU.

    An autoencoder that overflows in half precision is asked again in fp32.
    """
    import torch

    vae = pipeline.vae
    with torch.inference_mode():
        posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    mean = (posterior.mean.float() - _shift(vae)) * vae.config.scaling_factor
    both = torch.cat([mean, posterior.std.float() * vae.config.scaling_factor]).cpu()
    if both.isfinite().all():
        return both
    if vae.dtype == torch.float32:
        raise Mistake("The base model's autoencoder gives no numbers; get the base model again.")
    held = vae.dtype
    try:
        vae.float()
        return encode(pipeline, pixels)
    finally:
        vae.to(held)  # half → float → half is exact: a picture's numbers don't depend on those before it


def decode(vae: Any, latents: torch.Tensor) -> np.ndarray:
    """The picture of latents [1, C, h, w], uint8 [H, W, 3]; reckoned in the autoencoder's own format."""
    import torch

    with torch.inference_mode(), torch.autocast(latents.device.type, enabled=False):
        scaled = latents.float() / vae.config.scaling_factor + _shift(vae)
        picture = vae.decode(scaled.to(vae.dtype)).sample[0].float()
    pixels = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()


def _shift(vae: Any) -> float:
    return getattr(vae.config, "shift_factor", None) or 0.0


def schedule(pipeline: Any) -> Any:
    """The DDPM schedule (Ho 2020) of the sampler's betas."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(pipeline.scheduler.config)


def time(schedule: Any, share: float) -> torch.Tensor:
    """The step at a share of all steps, 0 up to 1."""
    import torch

    return torch.tensor(int(share * schedule.config.num_train_timesteps))


def noisy(pipeline: Any, schedule: Any, drawn: Drawn) -> torch.Tensor:
    """The latents with their noise, as the UNet is fed."""
    mixed = schedule.add_noise(drawn.latents, drawn.noise, drawn.times)
    dtype = pipeline.unet.conv_in.weight.dtype
    return mixed.to(dtype, memory_format=device.memory_format(dtype))


def errors(schedule: Any, drawn: Drawn, made: torch.Tensor, gamma: float) -> torch.Tensor:
    """Mean squared error of each picture against its noise or velocity, weighted by min-SNR; [B]."""
    import torch

    velocity = schedule.config.prediction_type == "v_prediction"
    target = schedule.get_velocity(drawn.latents, drawn.noise, drawn.times) if velocity else drawn.noise
    squares = torch.nn.functional.mse_loss(made.float(), target, reduction="none").mean(dim=(1, 2, 3))
    return squares * snr_weight(schedule, drawn.times, gamma, velocity) if gamma else squares


def snr_weight(schedule: Any, times: torch.Tensor, gamma: float, velocity: bool) -> torch.Tensor:
    """min(SNR, gamma) / SNR, or / (SNR + 1) where the velocity is predicted (Hang 2023)."""
    kept = schedule.alphas_cumprod.to(times.device)[times]
    snr = kept / (1 - kept)
    return snr.clamp(max=gamma) / (snr + 1 if velocity else snr)


def predicts(pipeline: Any, prediction: str) -> dict[str, str]:
    """The scheduler's `prediction_type`: what is set, or for `auto` what the base says."""
    said = pipeline.scheduler.config.get("prediction_type", "epsilon")
    return {"prediction_type": said if prediction == "auto" else prediction}


def sample(
    pipeline: Any,
    text: Tensors,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seed: int,
    added: Tensors | None = None,
) -> Generator[None, None, np.ndarray]:
    """One picture, uint8 [H, W, 3], a denoising step at a time; `text`: what is wanted, and what is not.

    The numbers are those of the pipeline's own call, which can't be left in the midst. `added`: what else the
    UNet is told, in the same order.
    """
    import torch

    unet, scheduler, place = pipeline.unet, pipeline.scheduler, pipeline.unet.device
    guided = guidance > 1  # unwanted first, as pipelines have it
    rows = [1, 0] if guided else [0]
    words = text["prompt_embeds"][rows].to(place, unet.dtype)
    told = {name: values[rows].to(place) for name, values in (added or {}).items()}
    width, height = size
    scheduler.set_timesteps(steps, device=place)  # first, as the noise's height follows from it
    generator = torch.Generator().manual_seed(seed)
    latents = pipeline.prepare_latents(
        1, unet.config.in_channels, height, width, words.dtype, place, generator, None
    )
    for time in scheduler.timesteps:
        given = scheduler.scale_model_input(torch.cat([latents] * len(rows)), time)
        made = unet(given, time, words, added_cond_kwargs=told or None, return_dict=False)[0]
        if guided:
            unwanted, wanted = made.chunk(2)
            made = unwanted + guidance * (wanted - unwanted)
        latents = scheduler.step(made, time, latents, return_dict=False)[0]
        yield
    return decode(pipeline.vae, latents)
