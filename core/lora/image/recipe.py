"""Recipe for an image LoRA: how things look, on a base of any family (core.families).

Works on what core.lora.image.setup made: what the frozen parts of the base make of pictures and captions is
at hand, so only the backbone computes. A picture's posterior is sampled anew each time, which equals encoding
it anew. Knows nothing about the loop around it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device, families
from core.families.family import Drawing, Drawn, Family, Tensors
from core.lora.adapters import attach, image_file, metadata
from core.lora.adapters.facts import ImageFacts
from core.lora.adapters.layers import Layer
from core.lora.engine import compile, fingerprint, sample_plan
from core.lora.engine.recipe import Group, Sample, answering
from core.lora.engine.sample_plan import Plan
from core.lora.engine.seeds import order, seed
from core.lora.image import prompts
from core.lora.image.dataset import HELD_OUT_EPOCH
from core.lora.image.latents import Picture
from core.lora.kernels import lora_linear
from core.messages import Mistake, Sentence
from core.progress import within
from core.project import replacing
from core.settings.training import ImageTraining
from core.texts.samples import evenly

if TYPE_CHECKING:
    import torch
    from PIL import Image

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
    facts: ImageFacts
    data: fingerprint.Data
    figures: dict[str, float] = field(default_factory=dict)
    base_losses: dict[int, float] = field(default_factory=dict)  # by how many held-out pictures
    pace: float | None = None
    base_samples: dict[tuple[str, Plan], Image.Image] = field(default_factory=dict)

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
        """A batch counts in its update by its pictures."""
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

    def compile(self, steps: int) -> Sentence | None:
        """Has the backbone's repeated blocks compiled at their first use, where that repays in `steps`."""
        if not compile.repays(self.settings.compile, self.device, steps):
            return None
        lora_linear.take_off(self.backbone)
        batches = [batch for update in self.epoch(0, 1) for batch in update]
        shapes = {(self.pictures[self.numbers[batch[0]]].size, len(batch)) for batch in batches}
        lengths = {tuple(map(len, told.values())) for told in self.words.values()}
        why = compile.start(self.backbone, len(shapes) * len(lengths))
        return compile.failed(why) if why else Sentence("The first steps take longer: blocks are compiled")

    def uncompile(self) -> bool:
        """Has the backbone run as it is written; False where it does already."""
        return compile.stop(self.backbone)

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
        held = prompts.batch(self.words, captions, self.device)
        return self.family.embed(self.pipeline, held) if self.settings.train_text_encoder else held

    def judged(self, count: int) -> int:
        """Held-out pictures of a look at `count`, at first for the base as well."""
        return count if count in self.base_losses else 2 * count

    def validate(self, count: int) -> Generator[int, None, dict[str, float]]:
        """Mean loss of LoRA and base on `count` held-out pictures, at fixed noise and even steps."""
        if not count:
            return {}
        judged = evenly(self.held_out, count)
        if count not in self.base_losses:
            base = within(partial(attach.without_lora, self.pipeline), self._mean_loss(judged))
            self.base_losses[count] = yield from base
        loss = yield from self._mean_loss(judged)
        self.figures = {"base_held_out_loss": self.base_losses[count], "held_out_loss": loss}
        return self.figures

    def _mean_loss(self, judged: Sequence[int]) -> Generator[int, None, float]:
        import torch

        losses = []
        shares = [(2 * look + 1) / (2 * LOOKS) for look in range(LOOKS)]
        times = torch.stack([self.family.time(self.schedule, share) for share in shares]).to(self.device)
        for number in judged:
            with self._asked():
                drawn = self._draw([number] * LOOKS, range(LOOKS), HELD_OUT_EPOCH + number)
                losses.append(self._loss(replace(drawn, times=times)).item())
            yield 1
        return sum(losses) / len(losses)

    @property
    def plan(self) -> Plan:
        """The samples that are asked for."""
        return sample_plan.of_pictures(self.settings, self.drawing, len(self._sample_prompts()))

    def steps(self, plan: Plan, showings: int) -> int:
        """Denoising steps, with the base's where it hasn't drawn these samples."""
        prompts = self._sample_prompts()[: plan.count]
        return plan.steps(showings, any((prompt, plan) not in self.base_samples for prompt in prompts))

    def guess(self, update: float) -> float:
        """By the pixels: a denoising step computes two pictures, an update its own thrice."""
        side, other = self.drawing.square
        pixels = [math.prod(self.pictures[number].size) for number in self.numbers]
        at_once = self.settings.batch_size * self.settings.gradient_accumulation
        return update * 2 * side * other / (3 * at_once * sum(pixels) / len(pixels))

    def samples(self, folder: Path, step: int, plan: Plan) -> Iterator[Sample | None]:
        """Draws the sample prompts at the run's seed: base on the left, LoRA on the right."""
        from PIL import Image

        for number, prompt in enumerate(self._sample_prompts()[: plan.count]):
            if (prompt, plan) not in self.base_samples:
                alone = within(partial(attach.without_lora, self.pipeline), self._draw_sample(prompt, plan))
                self.base_samples[prompt, plan] = yield from alone
            base = self.base_samples[prompt, plan]
            made = yield from self._draw_sample(prompt, plan)
            pair = Image.new("RGB", (base.width + made.width, base.height))
            pair.paste(base, (0, 0))
            pair.paste(made, (base.width, 0))
            path = folder / f"step-{step:08d}-{number}.png"
            with replacing(path) as part:
                pair.save(part)
            yield Sample(prompt, picture=path)

    def _sample_prompts(self) -> tuple[str, ...]:
        if not self.settings.samples or self.settings.sample_prompts:
            return self.settings.sample_prompts if self.settings.samples else ()
        captions = dict.fromkeys(picture.caption for picture in self.pictures if picture.caption)
        return tuple(captions)[: self.settings.samples]

    def _draw_sample(self, prompt: str, plan: Plan) -> Generator[None, None, Image.Image]:
        from PIL import Image

        how, seed = self.drawing, self.settings.seed
        with self._asked():
            text = self._text([prompt, ""])
        steps = self.family.sample(
            self.pipeline, text, self._sample_size(plan), plan.length, how.guidance, [seed]
        )
        (drawn,) = yield from within(self._asked, steps)
        yield  # for the decoding
        return Image.fromarray(drawn)

    def _sample_size(self, plan: Plan) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.drawing.square
        if plan.area == 1:
            return width, height
        unit, share = self.family.side_unit(families.configs(self.pipeline)), math.sqrt(plan.area)
        return max(1, round(width * share / unit)) * unit, max(1, round(height * share / unit)) * unit

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Within it the models answer, uncompiled, and do not learn."""
        models = families.models(self.pipeline).values()
        with answering(models, self.device, self.dtype), compile.plain(self.backbone):
            yield

    def layers(self) -> dict[str, Layer]:
        """The trained LoRA by sd-scripts' key."""
        return attach.layers(self.pipeline)

    def keep(self, path: Path, step: int) -> None:
        """Writes the LoRA as it stands after `step`, checked as `export` does; one that fails isn't kept."""
        self._write(path, metadata.describe(self.settings, self.facts, step))

    def export(self, path: Path, step: int, started: float) -> Path:
        """Writes the LoRA in sd-scripts' format, in fp16 where that keeps what it learnt, else in fp32.

        The file is read again: its keys must be the trained ones, each layer must add what the trained one
        adds, and the backbone must give the same output with the file's numbers, all within a relative error
        of 1e-3. Raises RuntimeError where they don't.
        """
        error = self._write(path, metadata.describe(self.settings, self.facts, step, started))
        if error >= EXPORT_ERROR:
            raise RuntimeError(f"{path} does not give the trained LoRA's output (relative error {error:.1e})")
        return path

    def _write(self, path: Path, said: dict[str, str]) -> float:
        """Writes and checks the LoRA; the check's error, and no file where that is too large."""
        error = math.inf
        for dtype in (device.number_of("fp16"), device.number_of("fp32")):
            image_file.write(path, self.layers(), said, dtype)
            with contextlib.suppress(Mistake):  # numbers too large for the format are none in it
                error = self._error(image_file.read(path).layers)
            if error < EXPORT_ERROR:
                return error
        path.unlink()
        return error

    def _error(self, filed: dict[str, Layer]) -> float:
        """How far a file is from the LoRA on the pipeline: by its layers, and by the backbone's output."""
        error = attach.difference(self.pipeline, filed)
        if not error < EXPORT_ERROR:
            return math.inf
        mine = self._output()
        with attach.holding(self.pipeline, filed):
            theirs = self._output()
        apart = float((theirs - mine).norm() / mine.norm())
        return max(error, apart) if math.isfinite(apart) else math.inf

    def _output(self) -> torch.Tensor:
        """What the backbone makes of the first picture with noise, as it now is; fp32."""
        import torch

        made: list[Any] = []
        hook = self.backbone.register_forward_hook(lambda model, given, output: made.append(output))
        torch.manual_seed(self.settings.seed)  # the same dropout where text encoders are trained
        try:
            with self._asked():
                self._loss(self._draw([0], [0], HELD_OUT_EPOCH))
        finally:
            hook.remove()
        output = made[0][0] if isinstance(made[0], tuple) else made[0].sample
        return output.float()


def _trained(model: Any, prefix: str) -> dict[str, torch.nn.Parameter]:
    return {f"{prefix}.{name}": p for name, p in model.named_parameters() if p.requires_grad}
