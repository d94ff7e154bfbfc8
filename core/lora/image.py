"""Recipe for an image LoRA: how things look, on a base of the Stable Diffusion 1.x and 2.x family.

Pictures are grouped by shape, and what the frozen parts make of them is kept: the posterior's mean and spread
of each picture (sampled anew each time, which equals encoding anew) and the text encoder's output for each
caption, in memory for this run and on disk for the next. Then only the UNet computes. Knows nothing about the
loop around it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels, device
from core.images.captions import read_captions
from core.jobs import Progress
from core.lora import adapter, cache, changes, formats, metadata
from core.lora.pictures import HELD_OUT_EPOCH, Picture, encode_pictures, kept_out, seen
from core.lora.recipe import Group, Sample, order, seed
from core.project import replacing
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image

SAMPLES = 1  # drawing one takes as long as some ten steps
LOOKS = 4  # steps at which a held-out picture is judged
ORDERS = 8  # that a shuffled caption is seen in: each one's text is encoded once
EXPORT_ERROR = 1e-3


@dataclass(frozen=True)
class Drawn:
    """The random choices for a batch: latents and noise [B, C, h, w], steps and weights [B], captions."""

    latents: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    weights: torch.Tensor
    captions: tuple[str, ...]


@dataclass
class ImageRecipe:
    """A picture base with a LoRA on it, and the pictures it learns from.

    numbers: a picture's number as often as it is seen in an epoch. orders: a caption's wordings. regular: the
    numbers of pictures that only keep the base from forgetting. words: what is fed for a wording.
    """

    settings: ImageTraining
    pipeline: Any
    schedule: Any
    pictures: list[Picture]
    numbers: list[int]
    held_out: list[int]
    orders: dict[str, tuple[str, ...]]
    regular: frozenset[int]
    words: dict[str, torch.Tensor]
    drawing: basemodels.Drawing
    device: torch.device
    dtype: torch.dtype
    facts: dict[str, Any]
    data: changes.Data
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

    def checkpoint_gradients(self) -> None:
        """Computes each block's activations twice."""
        self.pipeline.unet.enable_gradient_checkpointing()
        if self.settings.train_text_encoder:
            self.pipeline.text_encoder.gradient_checkpointing_enable({"use_reentrant": False})

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
        return (errors * self._snr_weight(drawn.times, velocity) * drawn.weights).mean()

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

        settings, latents, noise, times, weights, captions = self.settings, [], [], [], [], []
        for number, place in zip(pictures, places, strict=True):
            picture = self.pictures[number]
            own = torch.Generator().manual_seed(seed(settings.seed, epoch, place))
            chances = torch.rand(3, generator=own).tolist()
            mirrored = picture.mirrored if chances[0] < 0.5 else None
            mean, spread = (picture.posterior if mirrored is None else mirrored).float()
            latents.append(mean + spread * torch.randn(mean.shape, generator=own))
            grain = torch.randn(mean.shape, generator=own)
            if settings.noise_offset:
                grain += settings.noise_offset * torch.randn((len(mean), 1, 1), generator=own)
            noise.append(grain)
            times.append(torch.randint(self.schedule.config.num_train_timesteps, (), generator=own))
            weights.append(torch.tensor(settings.reg_weight if number in self.regular else 1.0))
            orders = self.orders[picture.caption]
            said = orders[int(chances[2] * len(orders))]
            captions.append("" if chances[1] < settings.caption_dropout else said)
        drawn = (latents, noise, times, weights)
        there = [torch.stack(values).to(self.device, non_blocking=True) for values in drawn]
        return Drawn(there[0], there[1], there[2], there[3], tuple(captions))

    def _text(self, captions: Sequence[str]) -> torch.Tensor:
        """The text encoder's output [B, L, D] for captions: cached, or computed where it is trained."""
        import torch

        held = torch.stack([self.words[caption] for caption in captions]).to(self.device, non_blocking=True)
        return self.pipeline.text_encoder(held)[0] if self.settings.train_text_encoder else held

    def validate(self) -> dict[str, float]:
        """Mean loss of LoRA and base on the held-out pictures, at fixed noise and at even steps."""
        if self.held_out:
            if not self.figures:
                with adapter.without_lora(self.pipeline):
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
            with adapter.without_lora(self.pipeline):
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

    def layers(self) -> dict[str, formats.Layer]:
        """The trained LoRA by sd-scripts' key."""
        text_encoder = self.pipeline.text_encoder if self.settings.train_text_encoder else None
        return adapter.layers(self.pipeline.unet, text_encoder, self.settings.alpha)

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
            with adapter.without_lora(self.pipeline):
                for key, layer in layers.items():
                    formats.fuse(modules[key], layer, 1.0)
                filed = unet(noisy, time, text, return_dict=False)[0]
            for key, weight in before.items():
                modules[key].weight.copy_(weight)
        adapter.freeze(unet, self.dtype)
        return float((filed - trained).norm() / trained.norm())


def _memory_format(dtype: torch.dtype) -> torch.memory_format:
    """channels_last helps in half precision only (measured: 0.98 → 0.93 s a step in bf16)."""
    import torch

    return torch.contiguous_format if dtype == torch.float32 else torch.channels_last


def _trained(model: Any, prefix: str) -> dict[str, torch.nn.Parameter]:
    return {f"{prefix}.{name}": p for name, p in model.named_parameters() if p.requires_grad}


def prepare(settings: ImageTraining) -> Generator[Progress, None, ImageRecipe]:
    """Reads pictures and captions, loads the base, caches what is frozen and puts the LoRA on; the recipe.

    Raises Mistake for a folder without pictures, a base that is none, and unknown target modules.
    """
    import torch
    from diffusers import DDPMScheduler

    sets = [(settings.train_data_dir, read_captions(settings.train_data_dir, settings.metadata_path))]
    if settings.reg_data_dir:
        sets.append((settings.reg_data_dir, read_captions(settings.reg_data_dir)))
    for _, found in sets:
        yield from (Progress("Reading the pictures", text=str(problem)) for problem in found.problems)
    yield Progress("Loading the base model")
    where = device.pick()
    dtype = device.dtype(settings.precision, where)
    pipeline = basemodels.load_pipeline(settings.base_model, dtype)
    drawing = basemodels.drawing(settings.base_model)
    encoded = []
    for folder, found in sets:
        encoded.append((yield from encode_pictures(folder, found.images, pipeline, settings, drawing, where)))
    (trained, repeats), *others = encoded
    pictures, own = [*trained, *(picture for other, _ in others for picture in other)], len(trained)
    orders = {
        picture.caption: tag_orders(picture.caption, settings, number)
        for number, picture in enumerate(pictures)
    }
    captions = {said for all_orders in orders.values() for said in all_orders} | {
        "",
        *settings.sample_prompts,
    }
    words = _token_ids(captions, pipeline.tokenizer)
    if not settings.train_text_encoder:
        words = _text_outputs(words, pipeline.text_encoder, where)
        pipeline.text_encoder = None
    device.free()
    torch.manual_seed(settings.seed)
    adapter.add_loras(pipeline, settings, dtype)
    pipeline.to(where)
    pipeline.unet.to(memory_format=_memory_format(dtype)).train()
    data = changes.of_pictures((folder, found.images) for folder, found in sets)
    sizes = sorted({picture.size for picture in pictures})
    facts = {
        "pictures": own,
        "regularisation": len(pictures) - own,
        "samples": sum(repeats),
        "sizes": [f"{width}x{height}" for width, height in sizes],
        "precision": {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}[dtype],
        "folder": settings.train_data_dir.name,
        "base_hash": _base_hash(settings.base_model),
        "prediction_type": pipeline.scheduler.config.prediction_type,
        "tags": _tag_counts(picture.caption for picture in pictures[:own]),
        "data": changes.digest(data),
    }
    line = f"{own} pictures at {', '.join(facts['sizes'])}"
    yield Progress("Reading the pictures", text=line)
    held_out, regular = kept_out(own, settings), range(own, len(pictures))
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    recipe = ImageRecipe(
        settings=settings,
        pipeline=pipeline,
        schedule=schedule,
        pictures=pictures,
        numbers=seen(repeats, held_out, regular),
        held_out=held_out,
        orders=orders,
        regular=frozenset(regular),
        words=words,
        drawing=drawing,
        device=where,
        dtype=dtype,
        facts=facts,
        data=data,
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def tag_orders(caption: str, settings: ImageTraining, number: int) -> tuple[str, ...]:
    """The caption as it stands; where tags are shuffled, `ORDERS` wordings of it, the first tags in front."""
    tags = [tag.strip() for tag in caption.split(",")]
    front, rest = tags[: settings.keep_tags], tags[settings.keep_tags :]
    if not settings.shuffle_tags or len(rest) < 2:
        return (caption,)
    shuffled = [
        [rest[at] for at in order(len(rest), settings.seed, HELD_OUT_EPOCH + number, again)]
        for again in range(ORDERS - 1)
    ]
    return tuple(dict.fromkeys([caption, *(", ".join(front + tags) for tags in shuffled)]))


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
    """The text encoder's output [L, D] by caption, on the CPU; known ones come from the disk."""
    import torch

    encoder.to(where)
    kept = cache.Cache(encoder, where)

    def output(ids: torch.Tensor) -> torch.Tensor:
        return encoder(ids[None].to(where))[0][0].cpu()

    with torch.inference_mode():
        outputs = {said: kept.get(ids.numpy().tobytes(), partial(output, ids)) for said, ids in words.items()}
    cache.trim()
    return outputs


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
