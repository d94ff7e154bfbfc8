"""Proves an image LoRA: the same prompts and seeds with and without it, scored, and which one to use how.

Takes a finished LoRA, finds beside it what it was made of, and draws at several weights, with the LoRAs kept
along the way as well. What is measured stands in core.lora.judge, what it means in core.lora.report.
"""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from core import basemodels, device
from core.images.captions import CaptionedImage, read_captions
from core.images.importing import open_picture, picture_size
from core.images.tagging import Tagger
from core.jobs import Mistake, Progress, Sentence, Steps
from core.lora import advised, formats, origin, proofpage, report
from core.lora.artist import Artist, Sampling, sampling
from core.lora.judge import Judge, Known, Score, known
from core.lora.pictures import cover, kept_out, nearest
from core.lora.report import Figures, Proof
from core.project import write_atomic
from core.settings import ImageTraining, ProofSettings

PROMPTS = 3
SHOWN = 256  # pixels of a shown picture's longer side, at most


@dataclass(frozen=True)
class Subject:
    """What is proved, and by what.

    prediction: what the base predicts. loras: the kept and the finished LoRA, by step (None: finished).
    prompts: with the trigger word.
    """

    loras: dict[int | None, Path]
    base: str
    prediction: str
    trigger: str
    prompts: tuple[str, ...]
    images: tuple[CaptionedImage, ...]
    run: Path | None


def prove(settings: ProofSettings) -> Iterator[Progress]:
    """Draws, scores and advises; the last report's `result` is the page, see `proofpage.folder_of`.

    Stopping writes what was judged until then. Raises Mistake for a LoRA without a record of its pictures,
    pictures that can't be read, and a LoRA that doesn't fit the base.
    """
    yield Progress("Reading the pictures")
    subject = find(settings)
    how = _shape(settings, subject)
    yield Progress("Loading the labeller")
    judge = yield from _judge(subject, how)
    yield Progress("Loading the picture model")
    work = _Work(settings, subject, Artist(how), judge)
    try:
        yield from work.draw()
        advice = report.advice(work.proof(), Sentence)
    finally:
        page = work.write()
        del work
        device.free()
    if settings.use_advised:
        yield from (replace(progress, result=page) for progress in advised.taken(settings.lora))
    yield Progress("Done", text=advice, result=page)


def find(settings: ProofSettings) -> Subject:
    """The LoRA with what it was made of: by the settings, else by its lineage. Raises Mistake."""
    held = formats.read(settings.lora)
    training = origin.training(settings.lora, ImageTraining)
    folder = settings.pictures or (training and training.train_data_dir)
    if not folder:
        raise Mistake(
            "Nothing beside {path} says which pictures it was trained on; give their folder as pictures.",
            path=settings.lora,
        )
    metadata = training.metadata_path if training and not settings.pictures else None
    images = read_captions(folder, metadata).images
    trigger = training.trigger if training else held.metadata.get("modelspec.trigger_phrase", "")
    prompts = settings.prompts or _prompts(images, training)
    if not prompts:
        raise Mistake("The pictures in {folder} have no captions to draw; give prompts.", folder=folder)
    return Subject(
        loras=origin.along(settings.lora, training),
        base=settings.base or (training.base_model if training else basemodels.EMBEDDED),
        prediction=_prediction(settings, training),
        trigger=trigger,
        prompts=tuple(_called(prompt, trigger) for prompt in prompts),
        images=images,
        run=training.output_dir if training else None,
    )


def _prediction(settings: ProofSettings, training: ImageTraining | None) -> str:
    """What is set, else what the training set for its base."""
    if settings.prediction == "auto" and training and not settings.base:
        return training.prediction
    return settings.prediction


def _prompts(images: Sequence[CaptionedImage], training: ImageTraining | None) -> tuple[str, ...]:
    """The training's sample prompts, else captions of held-out pictures, else some of all, evenly spread."""
    if training and training.sample_prompts:
        return training.sample_prompts[:PROMPTS]
    held_out = kept_out(len(images), training) if training else []
    chosen = [images[number] for number in held_out] or images
    captions = list(dict.fromkeys(one.caption for one in chosen if one.caption))
    count = min(PROMPTS, len(captions))
    return tuple(captions[len(captions) * number // count] for number in range(count))


def _called(prompt: str, trigger: str) -> str:
    """The prompt with the trigger word, put first where it isn't there."""
    return prompt if not trigger or trigger in prompt else f"{trigger}, {prompt}"


def plain(prompt: str, trigger: str) -> str:
    """The prompt without the trigger word, as the labeller knows no such word."""
    return re.sub(rf"^{re.escape(trigger)}\s*,\s*", "", prompt) if trigger else prompt


def _shape(settings: ProofSettings, subject: Subject) -> Sampling:
    """How pictures are drawn: in the base's own size that most training pictures have the shape of."""
    own = basemodels.drawing(subject.base)
    sizes = (own.square, own.portrait, own.landscape)
    shapes = [nearest(picture_size(one.path), sizes) for one in subject.images]
    shape = statistics.mode(shapes)
    return sampling(subject.base, (), *shape, settings.steps, prediction=subject.prediction)


def _judge(subject: Subject, how: Sampling) -> Generator[Progress, None, Judge]:
    """A judge that knows what of the training pictures fits the shape that is drawn."""
    tagger = Tagger(basemodels.load_labeller())
    seen: list[Known] = []
    steps = Steps("Looking at the pictures", len(subject.images))
    for one in subject.images:
        shown = cover(open_picture(one.path), (how.width, how.height), one.focus)
        seen.append(known(tagger, one.path.name, shown))
        yield steps.report(1)
    return Judge(tagger, seen)


class _Work:
    """The pictures drawn and judged until now."""

    def __init__(self, settings: ProofSettings, subject: Subject, artist: Artist, judge: Judge) -> None:
        self.settings, self.subject, self.artist, self.judge = settings, subject, artist, judge
        self.seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
        self.drawn: dict[str, bytes] = {}
        self.base: list[Score] = []
        self.figures: list[Figures] = []
        looks = 1 + len(subject.loras) * len(settings.weights)
        self.steps = Steps("Drawing", looks * len(subject.prompts) * len(self.seeds) * artist.how.steps)

    def draw(self) -> Iterator[Progress]:
        """The base first, then each LoRA at each weight."""
        yield from (Progress("Drawing", text=line) for line in self.artist.unread(self.subject.prompts))
        yield self.steps.report()
        yield from self._look(None, 0.0)
        for step, lora in self.subject.loras.items():
            for weight in self.settings.weights:
                with formats.fused(self.artist.pipeline, [(lora, weight)]):
                    yield from self._look(step, weight)

    def _look(self, step: int | None, weight: float) -> Iterator[Progress]:
        """Draws every prompt at every seed with what is in the pipeline now, and notes the figures."""
        scores = []
        for number, prompt in enumerate(self.subject.prompts):
            for seed in self.seeds:
                drawn = yield from self.steps.counted(self.artist.drawing(prompt, seed))
                picture = Image.fromarray(drawn)
                self.drawn[report.picture_name(step, weight, number, seed)] = _jpeg(picture)
                scores += self.judge.score([picture], [plain(prompt, self.subject.trigger)])
        self.base = self.base or scores
        one = compare(step, weight, scores, self.base, len(self.seeds))
        self.figures.append(one)
        style, prompt = f"{one.style:.3f} ({one.gain:+.3f})", f"{one.prompt:.3f} ({one.kept:+.3f})"
        told = Sentence(
            "{name}, weight {weight}: style {style}, prompt {prompt}",
            name=report.title(one, Sentence),
            weight=f"{weight:g}",
            style=style,
            prompt=prompt,
        )
        yield self.steps.report(text=told)

    def proof(self) -> Proof:
        """What was found until now."""
        return Proof(
            lora=self.settings.lora.name,
            base=self.subject.base,
            prompts=self.subject.prompts,
            seeds=self.seeds,
            own_style=self.judge.own_style,
            own_likeness=self.judge.own_likeness,
            own_correlation=self.judge.own_correlation,
            figures=tuple(self.figures),
        )

    def write(self) -> Path | None:
        """The page on what was judged, beside the LoRA and in its run's folder; None before the LoRA was."""
        if len(self.figures) < 2:
            return None
        folder = proofpage.folder_of(self.settings.lora)
        for name, picture in self.drawn.items():
            write_atomic(folder / name, picture)
        page = report.write(self.proof(), folder)
        proofpage.copy_to_run(page, self.settings.lora, self.subject.run)
        return page


def compare(
    step: int | None, weight: float, scores: Sequence[Score], base: Sequence[Score], seeds: int
) -> Figures:
    """Figures of a LoRA at a weight from its pictures' scores and the base's, in the order prompt, seed."""
    gains = [mine.style - plain.style for mine, plain in zip(scores, base, strict=True)]
    by_seed = [statistics.mean(gains[seed::seeds]) for seed in range(seeds)]
    closest = max(scores, key=lambda score: (score.copied, score.likeness))
    prompt = statistics.mean(score.prompt for score in scores)
    return Figures(
        step=step,
        weight=weight,
        style=statistics.mean(score.style for score in scores),
        gain=statistics.mean(gains),
        spread=statistics.stdev(by_seed) if seeds > 1 else 0.0,
        prompt=prompt,
        kept=prompt - statistics.mean(score.prompt for score in base),
        nearest=closest.nearest,
        likeness=closest.likeness,
        correlation=max(score.correlation for score in scores),
        copies=sum(score.copied for score in scores),
    )


def _jpeg(picture: Image.Image) -> bytes:
    """A picture as a small JPEG file."""
    small = picture.copy()
    small.thumbnail((SHOWN, SHOWN))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
