"""Recipe for an image LoRA: how things look, on a base of any family (core.families).

Pictures are grouped by shape, and what the frozen parts make of them is kept: the posterior's mean and spread
of each picture (sampled anew each time, which equals encoding anew) and the text encoders' output for each
caption, in memory for this run and on disk for the next. Then only the backbone computes. Knows nothing about
the loop around it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels, device, families
from core.families.family import Drawing, Drawn, Family, Tensors
from core.images.captions import read_captions
from core.jobs import Progress
from core.lora import adapter, changes, formats, metadata, wordings
from core.lora.layers import Layer
from core.lora.pictures import HELD_OUT_EPOCH, Picture, encode_pictures, kept_out, seen
from core.lora.recipe import Group, Sample, order, seed
from core.project import replacing
from core.settings import ImageTraining

if TYPE_CHECKING:
    import torch
    from PIL import Image

SAMPLES = 1  # drawing one takes as long as some ten steps
LOOKS = 4  # steps at which a held-out picture is judged
EXPORT_ERROR = 1e-3


@dataclass
class ImageRecipe:
    """A picture base with a LoRA on it, and the pictures it learns from.

    numbers: a picture's number as often as it is seen in an epoch. orders: a caption's wordings. regular: the
    numbers of pictures that only keep the base from forgetting. words: what the backbone is told for a
    wording, or its token ids where the text encoders are trained.
    """

    settings: ImageTraining
    pipeline: Any
    family: Family
    schedule: Any
    pictures: list[Picture]
    numbers: list[int]
    held_out: list[int]
    orders: dict[str, tuple[str, ...]]
    regular: frozenset[int]
    words: dict[str, Tensors]
    drawing: Drawing
    device: torch.device
    dtype: torch.dtype
    facts: dict[str, Any]
    data: changes.Data
    figures: dict[str, float] = field(default_factory=dict)
    base_samples: list[Image.Image] | None = None

    @property
    def backbone(self) -> Any:
        """The model that is trained."""
        return getattr(self.pipeline, self.family.BACKBONE)

    def groups(self) -> list[Group]:
        """The backbone's LoRA, and the text encoders' where they are trained."""
        rate = self.settings.learning_rate
        text_rate = self.settings.text_encoder_lr or rate / 10
        return [
            Group(text_rate if name in self.family.TEXT_ENCODERS else rate, _trained(model, name))
            for name, model in families.models(self.pipeline).items()
        ]

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
        """Computes the activations of each model's blocks twice."""
        for name, model in families.models(self.pipeline).items():
            if name == self.family.BACKBONE:  # diffusers and transformers name it differently
                model.enable_gradient_checkpointing()
            else:
                model.gradient_checkpointing_enable({"use_reentrant": False})

    def loss(self, batch: tuple[int, ...], epoch: int) -> torch.Tensor:
        """The family's loss, its mean over the batch."""
        return self._loss(self._draw([self.numbers[place] for place in batch], batch, epoch))

    def _loss(self, drawn: Drawn) -> torch.Tensor:
        text, gamma = self._text(drawn.captions), self.settings.min_snr_gamma
        return (self.family.loss(self.pipeline, self.schedule, drawn, text, gamma) * drawn.weights).mean()

    def _draw(self, pictures: Sequence[int], places: Sequence[int], epoch: int) -> Drawn:
        """What is random about samples, each from its own seed, so that batch size changes nothing."""
        import torch

        settings, captions = self.settings, []
        latents, noise, times, framing, weights = [], [], [], [], []
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
            times.append(self.family.time(self.schedule, torch.rand((), generator=own).item()))
            framing.append(torch.tensor(picture.framing))
            weights.append(torch.tensor(settings.reg_weight if number in self.regular else 1.0))
            orders = self.orders[picture.caption]
            said = orders[int(chances[2] * len(orders))]
            captions.append("" if chances[1] < settings.caption_dropout else said)
        stacks = (latents, noise, times, framing, weights)
        there = [torch.stack(values).to(self.device, non_blocking=True) for values in stacks]
        return Drawn(there[0], there[1], there[2], there[3], there[4], tuple(captions))

    def _text(self, captions: Sequence[str]) -> Tensors:
        """What the backbone is told for captions: cached, or computed where the text encoders are trained."""
        held = wordings.batch([self.words[caption] for caption in captions], self.device)
        return self.family.embed(self.pipeline, held) if self.settings.train_text_encoder else held

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
        self.backbone.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            for number in self.held_out:
                for look in range(LOOKS):
                    drawn = self._draw([number], [look], HELD_OUT_EPOCH + number)
                    time = self.family.time(self.schedule, (2 * look + 1) / (2 * LOOKS)).to(self.device)
                    losses.append(self._loss(replace(drawn, times=time[None])).item())
        self.backbone.train()
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
        from PIL import Image

        how, seed = self.drawing, self.settings.seed
        self.backbone.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            text = self._text([prompt, ""])
            drawn = self.family.sample(self.pipeline, text, how.square, how.steps, how.guidance, seed)
        self.backbone.train()
        return Image.fromarray(drawn)

    @property
    def _mixed(self) -> bool:
        import torch

        return self.dtype != torch.float32

    def layers(self) -> dict[str, Layer]:
        """The trained LoRA by sd-scripts' key."""
        return adapter.layers(self.pipeline)

    def keep(self, path: Path, steps: int) -> None:
        """Writes the LoRA as it stands in sd-scripts' format, in fp16, unchecked."""
        import torch

        formats.write(path, self.layers(), metadata.describe(self.settings, self.facts, steps), torch.float16)

    def export(self, path: Path, steps: int, started: float) -> Path:
        """Writes the LoRA in sd-scripts' format, in fp16 where that keeps what it learnt, else in fp32.

        The file is read again: its keys must be the trained ones, and each layer must add what the trained
        one adds within a relative error of 1e-3. Raises RuntimeError where it doesn't.
        """
        import torch

        said = metadata.describe(self.settings, self.facts, steps, started)
        error = math.inf
        for dtype in (torch.float16, torch.float32):
            formats.write(path, self.layers(), said, dtype)
            error = adapter.difference(self.pipeline, formats.read(path).layers)
            if error < EXPORT_ERROR:
                return path
        path.unlink()
        raise RuntimeError(f"{path} does not give the trained LoRA's output (relative error {error:.1e})")


def _trained(model: Any, prefix: str) -> dict[str, torch.nn.Parameter]:
    return {f"{prefix}.{name}": p for name, p in model.named_parameters() if p.requires_grad}


def prepare(settings: ImageTraining) -> Generator[Progress, None, ImageRecipe]:
    """Reads pictures and captions, loads the base, caches what is frozen and puts the LoRA on; the recipe.

    Raises Mistake for a folder without pictures, a base that is none, and unknown target modules.
    """
    import torch

    sets = [(settings.train_data_dir, read_captions(settings.train_data_dir, settings.metadata_path))]
    if settings.reg_data_dir:
        sets.append((settings.reg_data_dir, read_captions(settings.reg_data_dir)))
    for _, found in sets:
        yield from (Progress("Reading the pictures", text=str(problem)) for problem in found.problems)
    yield Progress("Loading the base model")
    where = device.pick()
    dtype = device.dtype(settings.precision, where)
    pipeline = basemodels.load_pipeline(settings.base_model, dtype, settings.prediction)
    family = families.of(pipeline)
    drawing = basemodels.drawing(settings.base_model)
    encoded = []
    for folder, found in sets:
        encoded.append((yield from encode_pictures(folder, found.images, pipeline, settings, drawing, where)))
    (trained, repeats), *others = encoded
    pictures, own = [*trained, *(picture for other, _ in others for picture in other)], len(trained)
    orders = {
        picture.caption: wordings.tag_orders(picture.caption, settings, number)
        for number, picture in enumerate(pictures)
    }
    captions = {said for all_orders in orders.values() for said in all_orders}
    words = wordings.token_ids(pipeline, captions | {"", *settings.sample_prompts})
    if not settings.train_text_encoder:
        words = wordings.embedded(pipeline, words, where)
        for name in family.TEXT_ENCODERS:
            setattr(pipeline, name, None)
    device.free()
    torch.manual_seed(settings.seed)
    adapter.add_loras(pipeline, settings, dtype)
    pipeline.to(where)
    getattr(pipeline, family.BACKBONE).to(memory_format=device.memory_format(dtype)).train()
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
        "base_names": family.names(pipeline),
        "prediction_type": pipeline.scheduler.config.get("prediction_type", ""),
        "tags": wordings.tag_counts(picture.caption for picture in pictures[:own]),
        "data": changes.digest(data),
    }
    line = f"{own} pictures at {', '.join(facts['sizes'])}"
    yield Progress("Reading the pictures", text=line)
    held_out, regular = kept_out(own, settings), range(own, len(pictures))
    recipe = ImageRecipe(
        settings=settings,
        pipeline=pipeline,
        family=family,
        schedule=family.schedule(pipeline),
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


def _base_hash(name: str) -> str:
    """A single-file base's SHA-256; empty for a folder or a hub id, which have no one hash."""
    from core.project import file_hash

    source = basemodels.image_base(name)
    return file_hash(source) if isinstance(source, Path) and source.is_file() else ""
