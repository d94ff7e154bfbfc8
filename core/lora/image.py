"""Recipe for an image LoRA: how things look, on a base of the Stable Diffusion 1.x and 2.x family.

Pictures are grouped by shape, and what the frozen parts make of them is kept: the posterior's mean and spread
of each picture (sampled anew each time, which equals encoding anew) and the text encoder's output for each
caption. Then only the UNet computes. Knows nothing about the loop around it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels, device
from core.images.captions import read_captions
from core.images.importing import Unreadable, open_picture
from core.jobs import Mistake, Progress
from core.lora import formats, metadata
from core.lora.checkpoints import digest
from core.lora.earlier import put, refit
from core.lora.loop import Group, Sample, order, seed
from core.project import replacing
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image

KNOWN_TARGETS = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "out_proj": "to_out.0",
}
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "proj_in", "proj_out")
ALL_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", *CONVOLUTIONS)
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")
SAMPLES = 1  # drawing one takes as long as some ten steps
WIDEST = 2.0  # a bucket's longer side against its shorter
LOOKS = 4  # steps at which a held-out picture is judged
HELD_OUT_EPOCH = 2**32  # seeds of held-out noise lie past those of any epoch
EXPORT_ERROR = 1e-3


@dataclass(frozen=True)
class Picture:
    """A training picture with what the frozen autoencoder makes of it: mean and spread, [2, C, H/8, W/8].

    `mirrored` is the same of the mirrored picture; None where pictures are not mirrored.
    """

    path: Path
    caption: str
    size: tuple[int, int]
    posterior: torch.Tensor
    mirrored: torch.Tensor | None


@dataclass(frozen=True)
class Drawn:
    """The random choices for a batch: latents and noise [B, C, h, w], steps [B], and captions."""

    latents: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    captions: tuple[str, ...]


@dataclass
class ImageRecipe:
    """A picture base with a LoRA on it, and the pictures it learns from."""

    settings: ImageTraining
    pipeline: Any
    schedule: Any
    pictures: list[Picture]
    numbers: list[int]
    held_out: list[int]
    words: dict[str, torch.Tensor]
    drawing: basemodels.Drawing
    device: torch.device
    dtype: torch.dtype
    facts: dict[str, Any]
    figures: dict[str, float] = field(default_factory=dict)
    base_samples: list[Image.Image] | None = None

    def groups(self) -> list[Group]:
        """The UNet's LoRA, and the text encoder's where it is trained."""
        groups = [Group(self.settings.learning_rate, _trained(self.pipeline.unet, "unet"))]
        if self.settings.train_text_encoder:
            rate = self.settings.text_encoder_lr or self.settings.learning_rate / 10
            groups.append(Group(rate, _trained(self.pipeline.text_encoder, "text_encoder")))
        return groups

    def epoch(self, number: int, per_step: int) -> list[list[tuple[int, ...]]]:
        """Each picture as often as it repeats, in a new order; a batch holds pictures of one size."""
        waiting: dict[tuple[int, int], list[int]] = {}
        batches: list[tuple[int, ...]] = []
        for place in order(len(self.numbers), self.settings.seed, number):
            group = waiting.setdefault(self.pictures[self.numbers[place]].size, [])
            group.append(place)
            if len(group) == self.settings.batch_size:
                batches.append(tuple(group))
                group.clear()
        batches += [tuple(group) for group in waiting.values() if group]
        return [batches[at : at + per_step] for at in range(0, len(batches), per_step)]

    def weight(self, batch: tuple[int, ...]) -> float:
        """Pictures."""
        return len(batch)

    def halves(self, batch: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The batch in two, for a device whose memory it is too much for."""
        middle = (len(batch) + 1) // 2
        return [part for part in (batch[:middle], batch[middle:]) if part]

    def loss(self, batch: tuple[int, ...], epoch: int) -> torch.Tensor:
        """Mean squared error against the noise or the velocity, weighted by min-SNR."""
        return self._loss(self._draw([self.numbers[place] for place in batch], batch, epoch))

    def _loss(self, drawn: Drawn) -> torch.Tensor:
        import torch

        noisy = self.schedule.add_noise(drawn.latents, drawn.noise, drawn.times)
        velocity = self.schedule.config.prediction_type == "v_prediction"
        target = (
            self.schedule.get_velocity(drawn.latents, drawn.noise, drawn.times) if velocity else drawn.noise
        )
        noisy = noisy.to(self.dtype, memory_format=_memory_format(self.dtype))
        made = self.pipeline.unet(noisy, drawn.times, self._text(drawn.captions), return_dict=False)[0]
        errors = torch.nn.functional.mse_loss(made.float(), target, reduction="none").mean(dim=(1, 2, 3))
        return (errors * self._snr_weight(drawn.times, velocity)).mean()

    def _snr_weight(self, times: torch.Tensor, velocity: bool) -> torch.Tensor | float:
        """min(SNR, gamma) / SNR, or / (SNR + 1) where the velocity is predicted (Hang 2023)."""
        gamma = self.settings.min_snr_gamma
        if not gamma:
            return 1.0
        kept = self.schedule.alphas_cumprod.to(times.device)[times]
        snr = kept / (1 - kept)
        return snr.clamp(max=gamma) / (snr + 1 if velocity else snr)

    def _draw(self, pictures: Sequence[int], places: Sequence[int], epoch: int) -> Drawn:
        """What is random about samples, each from its own seed, so that batch size changes nothing."""
        import torch

        settings, latents, noise, times, captions = self.settings, [], [], [], []
        for number, place in zip(pictures, places, strict=True):
            picture = self.pictures[number]
            own = torch.Generator().manual_seed(seed(settings.seed, epoch, place))
            chances = torch.rand(2, generator=own).tolist()
            mirrored = picture.mirrored if chances[0] < 0.5 else None
            mean, spread = (picture.posterior if mirrored is None else mirrored).float()
            latents.append(mean + spread * torch.randn(mean.shape, generator=own))
            grain = torch.randn(mean.shape, generator=own)
            if settings.noise_offset:
                grain += settings.noise_offset * torch.randn((len(mean), 1, 1), generator=own)
            noise.append(grain)
            times.append(torch.randint(self.schedule.config.num_train_timesteps, (), generator=own))
            captions.append("" if chances[1] < settings.caption_dropout else picture.caption)
        there = [torch.stack(values).to(self.device, non_blocking=True) for values in (latents, noise, times)]
        return Drawn(there[0], there[1], there[2], tuple(captions))

    def _text(self, captions: Sequence[str]) -> torch.Tensor:
        """The text encoder's output [B, L, D] for captions: cached, or computed where it is trained."""
        import torch

        held = torch.stack([self.words[caption] for caption in captions]).to(self.device, non_blocking=True)
        return self.pipeline.text_encoder(held)[0] if self.settings.train_text_encoder else held

    def validate(self) -> dict[str, float]:
        """Mean loss of LoRA and base on the held-out pictures, at fixed noise and at even steps."""
        if self.held_out:
            if not self.figures:
                with self._without_lora():
                    self.figures["base_held_out_loss"] = self._held_out_loss()
            self.figures["held_out_loss"] = self._held_out_loss()
        return self.figures

    def _held_out_loss(self) -> float:
        import torch

        losses = []
        self.pipeline.unet.eval()
        steps = self.schedule.config.num_train_timesteps
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            for number in self.held_out:
                for look in range(LOOKS):
                    drawn = self._draw([number], [look], HELD_OUT_EPOCH + number)
                    times = torch.full_like(drawn.times, steps * (2 * look + 1) // (2 * LOOKS))
                    losses.append(self._loss(replace(drawn, times=times)).item())
        self.pipeline.unet.train()
        return sum(losses) / len(losses)

    def samples(self, folder: Path, step: int) -> Iterator[Sample]:
        """Draws the sample prompts at the run's seed: base on the left, LoRA on the right."""
        from PIL import Image

        prompts = self._sample_prompts()
        if self.base_samples is None:
            with self._without_lora():
                self.base_samples = [self._draw_sample(prompt) for prompt in prompts]
        for number, (prompt, base) in enumerate(zip(prompts, self.base_samples, strict=True)):
            made = self._draw_sample(prompt)
            pair = Image.new("RGB", (base.width + made.width, base.height))
            pair.paste(base, (0, 0))
            pair.paste(made, (base.width, 0))
            path = folder / f"step-{step:08d}-{number}.png"
            with replacing(path) as part:
                pair.save(part)
            yield Sample(prompt, picture=path)

    def _sample_prompts(self) -> tuple[str, ...]:
        return (
            self.settings.sample_prompts
            or tuple(dict.fromkeys(picture.caption for picture in self.pictures if picture.caption))[:SAMPLES]
        )

    def _draw_sample(self, prompt: str) -> Image.Image:
        import torch

        self.pipeline.unet.eval()
        embeds = self._text([prompt, ""])
        width, height = self.drawing.square
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            picture = self.pipeline(
                prompt_embeds=embeds[:1],
                negative_prompt_embeds=embeds[1:],
                width=width,
                height=height,
                num_inference_steps=self.drawing.steps,
                guidance_scale=self.drawing.guidance,
                generator=torch.Generator().manual_seed(self.settings.seed),
            ).images[0]
        self.pipeline.unet.train()
        return picture

    @property
    def _mixed(self) -> bool:
        import torch

        return self.dtype != torch.float32

    @contextlib.contextmanager
    def _without_lora(self) -> Iterator[None]:
        """Within it the base draws alone."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        parts = (self.pipeline.unet, self.pipeline.text_encoder)
        layers = [
            m for part in parts if part is not None for m in part.modules() if isinstance(m, BaseTunerLayer)
        ]
        for layer in layers:
            layer.enable_adapters(False)
        try:
            yield
        finally:
            for layer in layers:
                layer.enable_adapters(True)

    def layers(self) -> dict[str, formats.Layer]:
        """The trained LoRA by sd-scripts' key."""
        found = _layers(self.pipeline.unet, formats.unet_key, self.settings.alpha)
        if self.settings.train_text_encoder:
            found |= _layers(self.pipeline.text_encoder, formats.text_encoder_key, self.settings.alpha)
        return found

    def export(self, path: Path, steps: int, started: float) -> Path:
        """Writes the LoRA in sd-scripts' format, in fp16 where that keeps the UNet's output, else in fp32.

        The file is read again; its keys must be the trained ones, and the UNet with the file's LoRA must give
        the trained one's output within a relative error of 1e-3. Raises RuntimeError where it doesn't.
        """
        import torch

        said = metadata.describe(self.settings, self.facts, steps, started)
        error = math.inf
        for dtype in (torch.float16, torch.float32):
            formats.write(path, self.layers(), said, dtype)
            error = self._error(path)
            if error < EXPORT_ERROR:
                return path
        path.unlink()
        raise RuntimeError(f"{path} does not give the trained LoRA's output (relative error {error:.1e})")

    def _error(self, path: Path) -> float:
        """Relative difference of the outputs of trained LoRA and file, in fp32."""
        import torch

        layers = formats.read(path).layers
        if layers.keys() != self.layers().keys():
            return math.inf
        unet = self.pipeline.unet.float().eval()
        own = torch.Generator().manual_seed(self.settings.seed)
        size = [8 * 2 ** (len(unet.config.block_out_channels) - 1)] * 2
        noisy = torch.randn(1, unet.config.in_channels, *size, generator=own).to(self.device)
        text = torch.randn(1, 8, unet.config.cross_attention_dim, generator=own).to(self.device)
        time = torch.tensor([500], device=self.device)
        with torch.inference_mode():
            trained = unet(noisy, time, text, return_dict=False)[0]
            modules = formats.modules_by_key(self.pipeline)
            before = {key: modules[key].weight.detach().clone() for key in layers}
            with self._without_lora():
                for key, layer in layers.items():
                    formats.fuse(modules[key], layer, 1.0)
                filed = unet(noisy, time, text, return_dict=False)[0]
            for key, weight in before.items():
                modules[key].weight.copy_(weight)
        _freeze(unet, self.dtype)
        return float((filed - trained).norm() / trained.norm())


def _freeze(model: Any, dtype: torch.dtype) -> None:
    """Frozen weights in `dtype`, trained ones in fp32."""
    import torch

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)


def _memory_format(dtype: torch.dtype) -> torch.memory_format:
    """channels_last helps in half precision only (measured: 0.98 → 0.93 s a step in bf16)."""
    import torch

    return torch.contiguous_format if dtype == torch.float32 else torch.channels_last


def _trained(model: Any, prefix: str) -> dict[str, torch.nn.Parameter]:
    return {f"{prefix}.{name}": p for name, p in model.named_parameters() if p.requires_grad}


def _layers(model: Any, key: Any, alpha: float) -> dict[str, formats.Layer]:
    held = dict(model.named_parameters())
    return {
        key(name.removesuffix(".lora_A.default.weight")): formats.Layer(
            down, held[name.replace(".lora_A.", ".lora_B.")], alpha
        )
        for name, down in held.items()
        if name.endswith(".lora_A.default.weight")
    }


def targets(settings: ImageTraining, unet: Any) -> list[str]:
    """Names of the UNet's layers that get a LoRA; `all` means attention, feed-forward and convolutions.

    Raises Mistake for a name that no layer has.
    """
    names = [module for module, _ in unet.named_modules()]
    wanted = [KNOWN_TARGETS.get(name, name) for name in settings.target_modules]
    wanted = list(dict.fromkeys(ALL_TARGETS if "all" in wanted else wanted))
    for name in wanted:
        if not any(module.endswith(f".{name}") for module in names) and name not in ALL_TARGETS:
            raise Mistake(
                "The picture base has no layer {target}; target_modules can be {known} or all.",
                target=name,
                known=", ".join(ALL_TARGETS),
            )
    return wanted


def bucket(size: tuple[int, int], area: int, unit: int) -> tuple[int, int]:
    """Width and height of a picture's bucket: its shape, at most `area`, sides multiples of `unit`.

    Shapes beyond 1:2 get 1:2.
    """
    shape = min(max(size[0] / size[1], 1 / WIDEST), WIDEST)
    width = max(unit, round(math.sqrt(area * shape) / unit) * unit)
    height = max(unit, int(area / width / unit) * unit)
    return width, height


def nearest(size: tuple[int, int], choices: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The choice whose shape is nearest to that of `size`."""
    return min(choices, key=lambda other: abs(math.log(size[0] * other[1] / (size[1] * other[0]))))


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled until it covers `size`, its middle cut out."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    return ImageOps.fit(picture, size, Resampling.LANCZOS)


def prepare(settings: ImageTraining) -> Generator[Progress, None, ImageRecipe]:
    """Reads pictures and captions, loads the base, caches what is frozen and puts the LoRA on; the recipe.

    Raises Mistake for a folder without pictures, a base that is none, and unknown target modules.
    """
    import torch
    from diffusers import DDPMScheduler

    found = read_captions(settings.train_data_dir, settings.metadata_path)
    yield from (Progress("Reading the pictures", text=str(problem)) for problem in found.problems)
    yield Progress("Loading the base model")
    where = device.pick()
    dtype = device.dtype(settings.precision, where)
    pipeline = basemodels.load_pipeline(settings.base_model, dtype)
    drawing = basemodels.drawing(settings.base_model)
    pictures, repeats = yield from _encode_pictures(found.images, pipeline, settings, drawing, where)
    captions = {picture.caption for picture in pictures} | {"", *settings.sample_prompts}
    words = _token_ids(captions, pipeline.tokenizer)
    if not settings.train_text_encoder:
        words = _text_outputs(words, pipeline.text_encoder, where)
        pipeline.text_encoder = None
    device.free()
    torch.manual_seed(settings.seed)
    _add_loras(pipeline, settings, dtype)
    pipeline.to(where)
    pipeline.unet.to(memory_format=_memory_format(dtype)).train()
    sizes = sorted({picture.size for picture in pictures})
    facts = {
        "pictures": len(pictures),
        "samples": sum(repeats),
        "sizes": [f"{width}x{height}" for width, height in sizes],
        "precision": {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}[dtype],
        "folder": settings.train_data_dir.name,
        "base_hash": _base_hash(settings.base_model),
        "prediction_type": pipeline.scheduler.config.prediction_type,
        "tags": _tag_counts(picture.caption for picture in pictures),
        "data": digest([[p.path.name, p.caption, list(p.size), p.posterior.sum().item()] for p in pictures]),
    }
    line = f"{len(pictures)} pictures at {', '.join(facts['sizes'])}"
    yield Progress("Reading the pictures", text=line)
    held_out = _kept_out(len(pictures), settings)
    numbers = [n for n, times in enumerate(repeats) if n not in held_out for _ in range(times)]
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    return ImageRecipe(
        settings, pipeline, schedule, pictures, numbers, held_out, words, drawing, where, dtype, facts
    )


def _encode_pictures(
    images: Sequence[Any],
    pipeline: Any,
    settings: ImageTraining,
    drawing: basemodels.Drawing,
    where: torch.device,
) -> Generator[Progress, None, tuple[list[Picture], list[int]]]:
    """Each picture's posterior, and how often it repeats; one that can't be opened is named and left out."""
    unit = pipeline.vae_scale_factor * 2 ** (len(pipeline.unet.config.block_out_channels) - 1)
    native = (drawing.square, drawing.portrait, drawing.landscape)
    vae = pipeline.vae.to(where)
    pictures: list[Picture] = []
    repeats: list[int] = []
    for number, image in enumerate(images):
        try:
            opened = open_picture(image.path)
        except Unreadable as problem:
            yield Progress("Encoding the pictures", number + 1, len(images), text=str(problem))
            continue
        side = settings.resolution
        size = bucket(opened.size, side * side, unit) if side else nearest(opened.size, native)
        shown = cover(opened, size)
        posterior = encode(vae, shown)
        mirrored = encode(vae, _mirror(shown)) if settings.flip else None
        pictures.append(Picture(image.path, image.caption, size, posterior, mirrored))
        repeats.append(image.repeats)
        yield Progress("Encoding the pictures", number + 1, len(images))
    if not pictures:
        raise Mistake("None of the pictures in {folder} can be opened; put others in it.",
                      folder=settings.train_data_dir)  # fmt: skip
    return pictures, repeats


def _kept_out(count: int, settings: ImageTraining) -> list[int]:
    """Numbers of the held-out pictures: the settings' share, at least one of two where it isn't 0."""
    wanted = min(max(round(count * settings.holdout), 1), count - 1) if settings.holdout else 0
    return sorted(order(count, settings.seed, HELD_OUT_EPOCH)[:wanted])


def _mirror(picture: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.mirror(picture)


def encode(vae: Any, picture: Image.Image) -> torch.Tensor:
    """Mean and spread of a picture's latents as the UNet sees them, [2, C, H/f, W/f], fp32 on the CPU.

    An autoencoder that overflows in half precision (SDXL's does) is turned to fp32 and asked again.
    """
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    mean = (posterior.mean.float() - shift) * vae.config.scaling_factor
    both = torch.cat([mean, posterior.std.float() * vae.config.scaling_factor]).cpu()
    if not both.isfinite().all():
        if vae.dtype == torch.float32:
            raise Mistake("The base model's autoencoder gives no numbers; get the base model again.")
        return encode(vae.float(), picture)
    return both


def _token_ids(captions: set[str], tokenizer: Any) -> dict[str, torch.Tensor]:
    """Token ids [L] by caption, padded to the tokenizer's length as pipelines do."""
    ordered = sorted(captions)
    ids = tokenizer(
        ordered,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return dict(zip(ordered, ids, strict=True))


def _text_outputs(
    words: dict[str, torch.Tensor], encoder: Any, where: torch.device
) -> dict[str, torch.Tensor]:
    """The text encoder's output [L, D] by caption, on the CPU."""
    import torch

    encoder.to(where)
    with torch.inference_mode():
        return {caption: encoder(ids[None].to(where))[0][0].cpu() for caption, ids in words.items()}


def _add_loras(pipeline: Any, settings: ImageTraining, dtype: torch.dtype) -> None:
    """Puts the LoRA into the UNet (and text encoder): trained numbers in fp32, all else frozen in `dtype`."""
    from peft import LoraConfig, inject_adapter_in_model

    wanted = [(pipeline.unet, targets(settings, pipeline.unet))]
    if settings.train_text_encoder:
        wanted.append((pipeline.text_encoder, list(TEXT_TARGETS)))
    for model, names in wanted:
        model.requires_grad_(False)
        config = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=names,
        )
        inject_adapter_in_model(config, model)
        if settings.gradient_checkpointing:
            checkpointing = (
                model.enable_gradient_checkpointing
                if model is pipeline.unet
                else (model.gradient_checkpointing_enable)
            )
            checkpointing()
        _freeze(model, dtype)
        model.train()
    if settings.continue_from:
        _continue(pipeline, settings, settings.continue_from)
    pipeline.vae.requires_grad_(False)


def _continue(pipeline: Any, settings: ImageTraining, path: Path) -> None:
    """Puts an earlier LoRA's numbers into the new one. Raises Mistake where none of its layers fits."""
    earlier = formats.read(path).layers
    scale, found = settings.alpha / settings.lora_rank, 0
    for model, key in ((pipeline.unet, formats.unet_key), (pipeline.text_encoder, formats.text_encoder_key)):
        held = dict(model.named_parameters()) if model is not None else {}
        for name, down in held.items():
            layer = earlier.get(key(name.removesuffix(".lora_A.default.weight")))
            if layer is None or not name.endswith(".lora_A.default.weight"):
                continue
            up = held[name.replace(".lora_A.", ".lora_B.")]
            if layer.down.shape[1:] != down.shape[1:] or layer.up.shape[0] != up.shape[0]:
                continue
            new = refit(layer.down, layer.up, layer.alpha / layer.rank, settings.lora_rank, scale)
            put(down, new[0])
            put(up, new[1])
            found += 1
    if not found:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=path
        )


def _tag_counts(captions: Iterator[str] | Generator[str, None, None]) -> dict[str, int]:
    """How often each tag stands in the captions, most frequent first."""
    from collections import Counter

    tags = Counter(tag.strip() for caption in captions for tag in caption.split(",") if tag.strip())
    return dict(tags.most_common())


def _base_hash(name: str) -> str:
    """A single-file base's SHA-256; empty for a folder or a hub id, which have no one hash."""
    from core.project import file_hash

    source = basemodels.image_base(name)
    return file_hash(source) if isinstance(source, Path) and source.is_file() else ""
