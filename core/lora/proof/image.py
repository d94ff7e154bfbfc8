"""Proves an image LoRA: the same prompts and seeds with and without it, scored, and which one to use how.

Takes a finished LoRA, finds beside it what it was made of, and draws at several weights, with the LoRAs kept
along the way as well. What is measured stands in core.lora.proof.scores, what it means in
core.lora.proof.image_report.
"""

from __future__ import annotations

import io
import math
import re
import statistics
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from core import device
from core.bases import labeller, picture_base
from core.images.captions import CaptionedImage, read_captions
from core.images.picture_file import open_picture, picture_size
from core.images.tagging import Tagger
from core.lora.adapters import fuse, image_file, versions
from core.lora.image.buckets import cover, nearest
from core.lora.image.dataset import kept_out
from core.lora.image.sampler import Artist, Sampling, Shot, Wanted, sampling
from core.lora.proof import image_report, within
from core.lora.proof import page as proof_page
from core.lora.proof.image_report import Figures, Proof
from core.lora.proof.scores import Judge, Known, Score, known
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
from core.project import write_atomic
from core.settings.lora_jobs import ProofSettings
from core.settings.training import ImageTraining

PROMPTS = 3
FEWEST_SEEDS = 2
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


def prove_pictures(settings: ProofSettings, seconds: float = math.inf) -> Generator[Progress, None, Progress]:
    """Draws, scores and advises; gives the last report, whose `result` is the page, see `page.folder_of`.

    Where drawing would take more than `seconds`, fewer pictures are drawn, but always some.
    Stopping writes what was judged until then. Raises Mistake for a LoRA without a record of its pictures,
    pictures that can't be read, and a LoRA that doesn't fit the base.
    """
    yield Progress("Reading the pictures")
    subject = find(settings)
    how = _shape(settings, subject)
    yield Progress("Loading the labeller")
    judge = yield from _judge(subject, how)
    yield Progress("Loading the picture model")
    artist = Artist(how)
    if not math.isinf(seconds):
        settings, subject = yield from _within(seconds, settings, subject, artist)
    work = _Work(settings, subject, artist, judge)
    try:
        yield from work.draw()
        advice = image_report.advice(work.proof(), Sentence)
    finally:
        page = work.write()
        del work
        device.free()
    return Progress("Done", text=advice, result=page)


def find(settings: ProofSettings) -> Subject:
    """The LoRA with what it was made of: by the settings, else by its lineage. Raises Mistake."""
    held = image_file.read(settings.lora)
    training = versions.training(settings.lora, ImageTraining)
    folder = settings.pictures or (training and training.train_data_dir)
    if not folder:
        raise Mistake(
            "Nothing beside {path} says which pictures it was trained on; give their folder as pictures.",
            path=settings.lora,
        )
    metadata = training.metadata_path if training and not settings.pictures else None
    outside = bool(training and training.outside_pictures)
    images = read_captions(folder, metadata, outside=outside).images
    trigger = training.trigger if training else held.metadata.get("modelspec.trigger_phrase", "")
    prompts = settings.prompts or _prompts(images, training)
    if not prompts:
        raise Mistake("The pictures in {folder} have no captions to draw; give prompts.", folder=folder)
    return Subject(
        loras=versions.along(settings.lora, training),
        base=versions.base(settings.lora, settings.base, training),
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
    own = picture_base.drawing(subject.base)
    sizes = (own.square, own.portrait, own.landscape)
    shapes = [nearest(picture_size(one.path), sizes) for one in subject.images]
    shape = statistics.mode(shapes)
    return sampling(subject.base, (), *shape, Wanted(settings.steps), prediction=subject.prediction)


def _within(
    most: float, settings: ProofSettings, subject: Subject, artist: Artist
) -> Generator[Progress, None, tuple[ProofSettings, Subject]]:
    """What of it can be drawn in `most` seconds, by a picture that is drawn to that end."""
    began = time.monotonic()
    yield from Steps("Drawing", artist.how.steps).counted(
        artist.drawing([Shot(subject.prompts[0], settings.seed)])
    )
    picture = time.monotonic() - began
    left = most - picture
    fewer = within.fitting(_fewer(settings, subject), lambda one: picture * pictures(*one), left)
    count, asked = pictures(*fewer), pictures(settings, subject)
    if count < asked:
        changes = Sentence("{count} pictures, not {asked}", count=count, asked=asked)
        yield Progress("Drawing", text=within.told(picture * asked, left, changes))
    return fewer


def pictures(settings: ProofSettings, subject: Subject) -> int:
    """How many are drawn: each prompt at each seed, by the base and by each LoRA at each weight."""
    looks = 1 + len(subject.loras) * len(settings.weights)
    return looks * len(subject.prompts) * settings.seeds


def _fewer(settings: ProofSettings, subject: Subject) -> Iterator[tuple[ProofSettings, Subject]]:
    """What is to be drawn, then less and less of it; two seeds always, as chance is told by them."""
    yield settings, subject
    for count in (len(settings.weights), 2, 1):
        weights = sorted(sorted(settings.weights, key=lambda weight: abs(weight - 1))[:count])
        settings = settings.model_copy(
            update={"seeds": min(settings.seeds, FEWEST_SEEDS), "weights": tuple(weights)}
        )
        yield settings, subject
    subject = replace(subject, loras={None: subject.loras[None]})
    yield settings, subject
    yield settings, replace(subject, prompts=subject.prompts[:1])


def _judge(subject: Subject, how: Sampling) -> Generator[Progress, None, Judge]:
    """A judge that knows what of the training pictures fits the shape that is drawn."""
    tagger = Tagger(labeller.load())
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
        self.steps = Steps("Drawing", pictures(settings, subject) * artist.how.steps)

    def draw(self) -> Iterator[Progress]:
        """The base first, then each LoRA at each weight."""
        yield from (Progress("Drawing", text=line) for line in self.artist.unread(self.subject.prompts))
        yield self.steps.report()
        yield from self._look(None, 0.0)
        for step, lora in self.subject.loras.items():
            for weight in self.settings.weights:
                with fuse.fused(self.artist.pipeline, [(lora, weight)]):
                    yield from self._look(step, weight)

    def _look(self, step: int | None, weight: float) -> Iterator[Progress]:
        """Draws every prompt at every seed with what is in the pipeline now, and notes the figures."""
        scores = []
        for number, prompt in enumerate(self.subject.prompts):
            for seed in self.seeds:
                (drawn,) = yield from self.steps.counted(self.artist.drawing([Shot(prompt, seed)]))
                picture = Image.fromarray(drawn)
                self.drawn[image_report.picture_name(step, weight, number, seed)] = _jpeg(picture)
                scores += self.judge.score([picture], [plain(prompt, self.subject.trigger)])
        self.base = self.base or scores
        one = compare(step, weight, scores, self.base, len(self.seeds))
        self.figures.append(one)
        style, prompt = f"{one.style:.3f} ({one.gain:+.3f})", f"{one.prompt:.3f} ({one.kept:+.3f})"
        told = Sentence(
            "{name}, weight {weight}: style {style}, prompt {prompt}",
            name=image_report.title(one, Sentence),
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
        folder = proof_page.folder_of(self.settings.lora)
        for name, picture in self.drawn.items():
            write_atomic(folder / name, picture)
        page = image_report.write(self.proof(), folder)
        proof_page.copy_to_run(page, self.settings.lora, self.subject.run)
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
