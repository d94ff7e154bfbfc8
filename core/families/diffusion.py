"""What Stable Diffusion's families have in common: CLIP's token ids, an autoencoder, noise by a schedule.

Latents are scaled by the autoencoder's own factor; the UNet predicts the noise or the velocity, as the
scheduler's `prediction_type` says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, singlefile
from core.families import unet
from core.families.family import Block, Configs, Drawn, Start, Tensors, Watch
from core.messages import Mistake

if TYPE_CHECKING:
    import numpy as np
    import torch

CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "proj_in", "proj_out")
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", *CONVOLUTIONS)
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj")
CHUNKS = 3  # in which a caption is read at most: 225 of CLIP's tokens, as with sd-scripts
CLIP_DEFAULTS = {
    "vocab_size": 49408,
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "max_position_embeddings": 77,
}
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


def fit_tokenizer(tokenizer: Any, encoder: Mapping[str, Any]) -> Any:
    """A text encoder's tokenizer that cuts to what the encoder, by its configuration, reads at once.

    Raises Mistake where it isn't the encoder's: a folder without one gives a tokenizer that knows two tokens.
    """
    words = encoder.get("vocab_size", CLIP_DEFAULTS["vocab_size"])
    if len(tokenizer) < words / 2:
        raise Mistake(
            "The base model's tokenizer is missing or damaged: it knows {count} of {words} tokens; get the "
            "base model again.",
            count=len(tokenizer),
            words=words,
        )
    positions = encoder.get("max_position_embeddings", CLIP_DEFAULTS["max_position_embeddings"])
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return tokenizer


def fit_tokenizers(pipeline: Any, encoders: Sequence[str]) -> None:
    """`fit_tokenizer` for each of a pipeline's text encoders. Raises Mistake as that does."""
    for name in encoders:
        tokenizer = getattr(pipeline, name.replace("text_encoder", "tokenizer"))
        fit_tokenizer(tokenizer, getattr(pipeline, name).config.to_dict())


def read_tokenizer(source: Path, configs: Configs) -> Any:
    """The tokenizer of a base's first text encoder, from its folder; for a single file CLIP's.

    Raises Mistake where it isn't the encoder's.
    """
    from transformers import CLIPTokenizer

    encoder = configs["text_encoder"]
    if source.is_dir():
        return fit_tokenizer(CLIPTokenizer.from_pretrained(source / "tokenizer"), encoder)
    with tempfile.TemporaryDirectory() as place:
        singlefile.write_clip_tokenizer(Path(place), encoder["vocab_size"] - 514)
        return fit_tokenizer(CLIPTokenizer.from_pretrained(place), encoder)


def clip_ids(tokenizer: Any, captions: Sequence[str]) -> torch.Tensor:
    """Token ids [N, C·L]: C chunks of the tokenizer's length L, each with its own begin and end token.

    C is what the longest caption takes, `CHUNKS` at most; the others are filled with the empty caption's, as
    AUTOMATIC1111 does.
    """
    import torch

    empty, *found = (_chunks(tokenizer, caption).input_ids[:CHUNKS] for caption in ("", *captions))
    most = max(len(chunks) for chunks in found)
    return torch.stack([torch.cat([*chunks, *empty.expand(most - len(chunks), -1)]) for chunks in found])


def chunked(tokenizer: Any, caption: str) -> tuple[int, str]:
    """How many chunks a caption is read in, and the rest of it that is cut, empty where nothing is."""
    chunks = _chunks(tokenizer, caption, return_offsets_mapping=True)
    if len(chunks.input_ids) <= CHUNKS:
        return len(chunks.input_ids), ""
    first_cut = int(chunks.offset_mapping[CHUNKS][1][0])
    return CHUNKS, caption[first_cut:]


def _chunks(tokenizer: Any, caption: str, **more: Any) -> Any:
    return tokenizer(
        caption,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_overflowing_tokens=True,
        return_tensors="pt",
        **more,
    )


def by_chunk(ids: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """Chunks [N·C, L] of token ids [N, C·L]: each is encoded by itself."""
    return ids.reshape(-1, tokenizer.model_max_length)


def side_by_side(encoded: torch.Tensor, count: int) -> torch.Tensor:
    """What an encoder gives for the chunks of `count` captions, [N·C, L, D], as [N, C·L, D]."""
    return encoded.reshape(count, -1, encoded.shape[-1])


def encode(pipeline: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Mean and spread of a picture's latents as the UNet sees them, [2, C, H/f, W/f], fp32 on the CPU.

    Reckoned in the autoencoder's own format. Raises Mistake where the autoencoder gives no numbers.
    """
    import torch

    vae = pipeline.vae

    def both() -> torch.Tensor:
        with torch.inference_mode():
            posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
        mean = (posterior.mean.float() - _shift(vae)) * vae.config.scaling_factor
        return torch.cat([mean, posterior.std.float() * vae.config.scaling_factor])

    return _in_numbers(vae, both).cpu()


def decode(vae: Any, latents: torch.Tensor) -> np.ndarray:
    """The picture of latents [1, C, h, w], uint8 [H, W, 3]; reckoned in the autoencoder's own format.

    Raises Mistake where the latents are no numbers, which would make a black picture.
    """
    import torch

    if not latents.isfinite().all():
        raise Mistake(
            "The picture would be black, as numbers overflow in {format}; give the LoRA a smaller weight, "
            "choose another LoRA or base, or in a training set precision=fp32.",
            format=str(latents.dtype).removeprefix("torch."),
        )

    def picture() -> torch.Tensor:
        with torch.inference_mode(), device.autocast(latents.device, torch.float32):
            scaled = latents.float() / vae.config.scaling_factor + _shift(vae)
            return vae.decode(scaled.to(vae.dtype)).sample[0].float()

    pixels = ((_in_numbers(vae, picture).clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()


def _in_numbers(vae: Any, reckon: Callable[[], torch.Tensor]) -> torch.Tensor:
    """What `reckon` makes with the autoencoder, and with it in fp32 where it overflows in half precision.

    Raises Mistake where that gives no numbers either.
    """
    import torch

    made = reckon()
    if made.isfinite().all():
        return made
    if vae.dtype == torch.float32:
        raise Mistake("The base model's autoencoder gives no numbers; get the base model again.")
    held = vae.dtype
    try:
        vae.float()
        return _in_numbers(vae, reckon)
    finally:
        vae.to(held)  # half → float → half is exact: a picture's numbers don't depend on those before it


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


def _begun(
    pipeline: Any, starts: Sequence[Start], seeds: Sequence[int], time: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Pictures' latents, each with the noise of its seed, as they stand at a time of the sampler's."""
    import torch

    begun = []
    for start, seed in zip(starts, seeds, strict=True):
        pixels = torch.from_numpy(start.picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        mean = encode(pipeline, pixels)[0][None]
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
        begun.append(pipeline.scheduler.add_noise(mean, noise, time.cpu()))
    return torch.cat(begun).to(pipeline.unet.device, dtype)


def _expected(scheduler: Any, given: torch.Tensor, time: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """The latents without noise that the UNet foresees, by what it was given at a time and made of it.

    All samplers give it latents with as much noise as training had at that time (Ho 2020), so this is theirs.
    """
    kept = scheduler.alphas_cumprod[int(time.round())]
    signal, noise = float(kept) ** 0.5, float(1 - kept) ** 0.5
    if scheduler.config.prediction_type == "v_prediction":
        return signal * given - noise * made
    return (given - noise * made) / max(signal, 1e-3)


def sample(
    pipeline: Any,
    text: Tensors,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seeds: Sequence[int],
    starts: Sequence[Start] = (),
    watch: Watch | None = None,
    added: Tensors | None = None,
) -> Generator[None, None, list[np.ndarray]]:
    """Pictures, uint8 [H, W, 3], a denoising step of all at a time; `text`: what is wanted of each, and not.

    The numbers are those of the pipeline's own call, which can't be left in the midst; each picture's noise
    is its seed's, whatever is drawn beside it. `added`: what else the UNet is told, in the order of `text`.
    Raises Mistake where what comes out is no numbers.
    """
    import torch

    unet, scheduler, place = pipeline.unet, pipeline.scheduler, pipeline.unet.device
    guided, count = guidance > 1, len(seeds)
    rows = [*([count] * count if guided else []), *range(count)]  # unwanted first, as pipelines have it
    words = text["prompt_embeds"][rows].to(place, unet.dtype)
    extra: dict[str, Any] = {name: values[rows].to(place) for name, values in (added or {}).items()}
    if "image_embeds" in text:  # of an IP-Adapter's
        extra["image_embeds"] = [text["image_embeds"][rows].to(place, unet.dtype)]
    width, height = size
    scheduler.set_timesteps(steps, device=place)  # first, as the noise's height follows from it
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    latents = pipeline.prepare_latents(
        count, unet.config.in_channels, height, width, words.dtype, place, generators, None
    )
    # Those that add noise at each step take it from the seeds' generators, too.
    noisy = {"generator": generators} if "generator" in signature(scheduler.step).parameters else {}
    times = scheduler.timesteps
    if starts:
        first = len(times) - max(1, round(len(times) * starts[0].strength))
        times, latents = times[first:], _begun(pipeline, starts, seeds, times[first : first + 1], words.dtype)
        scheduler.set_begin_index(first)
    for time in times:
        given = scheduler.scale_model_input(torch.cat([latents] * (1 + guided)), time)
        made = unet(given, time, words, added_cond_kwargs=extra or None, return_dict=False)[0]
        if guided:
            unwanted, wanted = made.chunk(2)
            made = unwanted + guidance * (wanted - unwanted)
        latents = scheduler.step(made, time, latents, **noisy, return_dict=False)[0]
        if watch is not None:
            watch(partial(_expected, scheduler, given[:count], time, made))
        yield
    return [decode(pipeline.vae, latents[at : at + 1]) for at in range(count)]
