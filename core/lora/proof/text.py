"""Proves a text LoRA: base and LoRA answer the same held-out topics, scored, and which one to use.

Takes a finished LoRA and finds beside it what it was made of, with the LoRAs kept along the way. What is
measured of texts stands in core.texts.style and core.texts.overlap, what it means in
core.lora.proof.text_report.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from core import device
from core.lineage import read_lineage
from core.lora.adapters import peft_folder, versions
from core.lora.engine import fingerprint
from core.lora.proof import page as proof_page
from core.lora.proof import text_report, within
from core.lora.proof.text_report import Figures, Proof, Traits
from core.lora.text import dataset as text_dataset
from core.lora.text import setup as text_setup
from core.lora.text import tokens as text_tokens
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps, outcome
from core.settings.lora_jobs import TextProofSettings
from core.settings.training import TextTraining
from core.texts.importing import read_texts
from core.texts.overlap import Known, Run, dense, repeated
from core.texts.samples import NARRATION, TextSample, evenly, learnt, messages, split
from core.texts.sampling import Sampling
from core.texts.speech import spoken_seconds
from core.texts.style import Scale
from core.texts.template import answer
from core.texts.writer import Writer

ROWS_AT_ONCE = 48  # replies that are written together
TEMPERATURE, TOP_P = 0.7, 0.92  # as the writer draws
ROOM = 1.5  # a reply has room for so many times the tokens of the creator's longest text
LEAST_TOKENS, MOST_TOKENS = 16, 200
TIMED = 4  # tokens by which a proof's time is told beforehand
FEWEST_JUDGED = 8
LONGEST = 2048  # tokens of a held-out text that are judged
LEAST_COPY = {False: 8, True: 13}  # words, or characters: shorter passages are anybody's
END = re.compile(r"[.!?…。！？～~][\"'”’」』)）]*$")


@dataclass(frozen=True)
class Subject:
    """What is proved, and by what.

    loras: the kept and the finished LoRA, by step (None: finished). task: what is asked for. held_out: texts
    that it has not learnt, training: those that it has, as far as they are known. changed: whether they were
    others at the training. judged: the most held-out texts whose perplexity is taken.
    """

    loras: dict[int | None, Path]
    base: str
    precision: str
    task: str
    held_out: tuple[TextSample, ...]
    training: tuple[TextSample, ...]
    changed: bool
    run: Path | None
    judged: int = text_setup.JUDGED


def prove_texts(
    settings: TextProofSettings, seconds: float = math.inf
) -> Generator[Progress, None, Progress]:
    """Answers, scores and advises; gives the last report, whose `result` is the page, see `page.folder_of`.

    Where that would take more than `seconds`, less is asked for, but always something.
    Stopping writes what was judged until then. Raises Mistake for a LoRA without a record of its texts, one
    that held none out, and one that doesn't fit the base.
    """
    yield Progress("Reading the texts")
    subject = find(settings)
    yield Progress("Loading the language model")
    writer = Writer(subject.base, subject.precision)
    work = _Work(settings, subject, writer)
    if not math.isinf(seconds):
        work = _Work(*(yield from _within(seconds, work)), writer)
    try:
        yield from work.answer()
        advice = text_report.advice(work.proof(), Sentence)
    finally:
        page = work.write()
        del work
        device.free()
    yield from (Progress("Scoring", text=line, result=page) for line in advice[1:])
    return Progress("Done", text=advice[0], result=page)


def _within(most: float, work: _Work) -> Generator[Progress, None, tuple[TextProofSettings, Subject]]:
    """What of it can be written and judged in `most` seconds, by the first tokens of the smallest part."""
    began, plans = time.monotonic(), list(_fewer(work.settings, work.subject))
    least, steps = _Work(*plans[-1], work.writer), Steps("Writing replies", TIMED + 1)
    yield steps.report()
    writing, marks = least._replies(least.asked, 0), [time.monotonic()]
    for _ in range(TIMED):
        if next(writing, False) is False:
            break
        marks.append(time.monotonic())
        yield steps.report(1)
    writing.close()
    first, token = marks[1] - marks[0], (marks[-1] - marks[1]) / max(1, len(marks) - 2)
    outcome(held_out_loss(work.writer, least.judged[:1], work.subject.task))
    judging, rows = time.monotonic() - marks[-1], replies(*plans[-1]) / len(plans[-1][1].loras)

    def seconds(plan: tuple[TextProofSettings, Subject]) -> float:
        """At most: more rows at once take no longer than one after the other."""
        subject = plan[1]
        writing = replies(*plan) / len(subject.loras) / rows * (first + work.limit * token)
        judged = min(subject.judged, len(subject.held_out)) * judging
        return (1 + len(subject.loras)) * (writing + judged)

    left = most - (time.monotonic() - began)
    fewer = within.fitting(plans, seconds, left)
    count, asked = replies(*fewer), replies(*plans[0])
    if count < asked:
        changes = Sentence("{count} replies, not {asked}", count=count, asked=asked)
        yield steps.report(1, text=within.told(seconds(plans[0]), left, changes))
    return fewer


def replies(settings: TextProofSettings, subject: Subject) -> int:
    """How many the LoRAs write."""
    return len(subject.loras) * min(settings.topics, len(subject.held_out)) * settings.replies


def _fewer(settings: TextProofSettings, subject: Subject) -> Iterator[tuple[TextProofSettings, Subject]]:
    """What is asked for, then less and less of it."""
    yield settings, subject
    settings = settings.model_copy(update={"replies": 1})
    yield settings, subject
    finished: dict[int | None, Path] = {None: subject.loras[None]}
    for loras in (subject.loras, finished):
        for topics, judged in ((6, 20), (3, FEWEST_JUDGED)):
            fewer = {"topics": min(settings.topics, topics)}
            yield (
                settings.model_copy(update=fewer),
                replace(subject, loras=loras, judged=min(subject.judged, judged)),
            )


def find(settings: TextProofSettings) -> Subject:
    """The LoRA with what it was made of: by the settings, else by its lineage. Raises Mistake."""
    made = versions.training(settings.lora, TextTraining)
    if made is None and settings.texts is None:
        raise Mistake(
            "Nothing in {path} says what it was trained on; give texts that it hasn't learnt as texts.",
            path=settings.lora,
        )
    training, held_out, changed = _learnt(made, settings.lora, settings.texts is None)
    if settings.texts is not None:
        known = {sample.reply for sample in training}
        found = learnt(read_texts(settings.texts).samples, made.task if made else NARRATION)
        held_out = tuple(one for one in found if one.reply not in known)
    if not held_out:
        raise Mistake(
            "{path} held no texts out to judge by; train it with holdout 0.1, or give others as texts.",
            path=settings.lora,
        )
    return Subject(
        loras=versions.along(settings.lora, made),
        base=settings.base or peft_folder.base_of(settings.lora),
        precision=made.precision if made else "auto",
        task=made.task if made else NARRATION,
        held_out=held_out,
        training=training,
        changed=changed,
        run=made.output_dir if made else None,
    )


def _learnt(
    made: TextTraining | None, lora: Path, needed: bool
) -> tuple[tuple[TextSample, ...], tuple[TextSample, ...], bool]:
    """Training and held-out texts as the training split them, and whether they have changed since.

    Texts that are no longer there are a Mistake only where they are `needed`.
    """
    if made is None:
        return (), (), False
    try:
        samples = read_texts(made.train_data_path).samples
    except Mistake:
        if needed:
            raise
        return (), (), False
    then = read_lineage(lora).get("facts", {}).get("data")
    now = fingerprint.digest(text_dataset.of_texts(samples))
    training, held_out = split(learnt(samples, made.task), made.holdout, made.seed)
    return training, held_out, then is not None and then != now


@dataclass(frozen=True)
class Reply:
    """What a model said, and whether it ended by itself, at a sentence's end."""

    text: str
    ended: bool


class _Work:
    """The replies written and judged until now."""

    def __init__(self, settings: TextProofSettings, subject: Subject, writer: Writer) -> None:
        self.settings, self.subject, self.writer = settings, subject, writer
        self.asked = evenly(subject.held_out, settings.topics)
        self.judged = evenly(subject.held_out, subject.judged)
        self.known = Known(sample.reply for sample in subject.training)
        own = [sample.reply for sample in subject.held_out]
        # What new texts of the creator's own share with the training texts is no copying.
        natural = max((self.known.longest(one).length for one in own), default=0)
        self.copied_from = max(natural, LEAST_COPY[dense(own)] - 1) + 1
        self.own = replace(
            self._traits([Reply(one, bool(END.search(one))) for one in own]),
            off=off_each_other([spoken_seconds(sample.reply) for sample in self.judged]),
        )
        longest = max(len(writer.tokenizer(one, add_special_tokens=False)["input_ids"]) for one in own)
        self.limit = min(max(round(ROOM * longest), LEAST_TOKENS), MOST_TOKENS)
        self.scale: Scale | None = None
        self.figures: list[Figures] = []

    def answer(self) -> Iterator[Progress]:
        """The base first, then each LoRA."""
        voices = [(None, None), *((path, step) for step, path in self.subject.loras.items())]
        at_once = max(1, ROWS_AT_ONCE // self.settings.replies)
        groups = [self.asked[at : at + at_once] for at in range(0, len(self.asked), at_once)]
        steps = Steps("Writing replies", len(voices) * (len(groups) * self.limit + len(self.judged)))
        yield steps.report()
        for lora, step in voices:
            replies: list[list[Reply]] = []
            with self.writer.voice(lora):
                steps.message = "Writing replies"
                for group in groups:
                    replies += yield from steps.counted(self._replies(group, len(replies)), self.limit)
                steps.message = "Scoring"
                scored = held_out_loss(self.writer, self.judged, self.subject.task)
                perplexity = math.exp((yield from steps.counted(scored)))
            self.figures.append(self._compare(lora is not None, step, perplexity, replies))
            yield steps.report(text=_told(self.figures[-1]))

    def _compare(
        self, lora: bool, step: int | None, perplexity: float, replies: Sequence[Sequence[Reply]]
    ) -> Figures:
        """Figures of the base's replies, which come first, or of a LoRA's."""
        said = [[reply.text for reply in mine] for mine in replies]
        if self.scale is None:
            chosen = {id(sample) for sample in self.asked}
            more = [sample.reply for sample in self.subject.held_out if id(sample) not in chosen]
            self.scale = Scale([sample.reply for sample in self.asked], said, more)
        places = self.scale.places(said) if self.scale.trusted else []
        return Figures(
            lora=lora,
            step=step,
            perplexity=perplexity,
            style=statistics.mean(places) if places else None,
            spread=statistics.stdev(places) if len(places) > 1 else 0.0,
            traits=replace(
                self._traits([reply for mine in replies for reply in mine]),
                off=_mean(
                    [
                        off_by(text, sample.reply)
                        for sample, mine in zip(self.asked, said, strict=True)
                        for text in mine
                    ]
                ),
            ),
            replies=tuple(map(tuple, said)),
        )

    def _replies(self, samples: Sequence[TextSample], first: int) -> Generator[None, None, list[list[Reply]]]:
        """Replies to each topic, all at once, a token at a time.

        `first`: the first topic's number, from which seeds follow.
        """
        prompts = [self.writer.prompt(messages(sample.topic, task=self.subject.task)) for sample in samples]
        count, seed = self.settings.replies, self.settings.seed + first
        how = Sampling(self.limit, TEMPERATURE, TOP_P)
        rows = yield from self.writer.sampling(prompts, count, seed, how)
        said = [self._reply(row) for row in rows]
        return [said[at : at + count] for at in range(0, len(said), count)]

    def _reply(self, ids: list[int]) -> Reply:
        said = answer(self.writer.tokenizer, ids).strip()
        return Reply(said, len(ids) < self.limit and bool(END.search(said)))

    def _traits(self, replies: Sequence[Reply]) -> Traits:
        runs = [self.known.longest(reply.text) for reply in replies]
        longest = max(runs, key=lambda run: run.length, default=Run(0, ""))
        return Traits(
            longest=longest.length,
            passage=longest.passage,
            shared=_mean([self.known.share(reply.text) for reply in replies]),
            copies=sum(run.length >= self.copied_from for run in runs),
            repeated=_mean([repeated(reply.text) for reply in replies]),
            ended=_mean([float(reply.ended) for reply in replies]),
            seconds=_mean([spoken_seconds(reply.text) for reply in replies]),
        )

    def proof(self) -> Proof:
        """What was found until now."""
        assert self.scale is not None
        return Proof(
            lora=self.settings.lora.name,
            base=self.subject.base,
            topics=tuple(sample.topic for sample in self.asked),
            seed=self.settings.seed,
            own=tuple(sample.reply for sample in self.asked),
            own_traits=self.own,
            held_out=len(self.judged),
            known=len(self.subject.training),
            changed=self.subject.changed,
            told=self.scale.told,
            trusted=self.scale.trusted,
            enough=self.scale.enough,
            figures=tuple(self.figures),
        )

    def write(self) -> Path | None:
        """The page on what was judged, beside the LoRA and in its run's folder; None before a LoRA was."""
        if len(self.figures) < 2:
            return None
        page = text_report.write(self.proof(), proof_page.folder_of(self.settings.lora))
        proof_page.copy_to_run(page, self.settings.lora, self.subject.run)
        return page


def held_out_loss(
    writer: Writer, samples: Sequence[TextSample], task: str = NARRATION
) -> Generator[None, None, float]:
    """Mean cross-entropy a token of the samples' replies and their ends, as the training takes it.

    It stops after each sample, to be told of.
    """
    import torch

    total, count = 0.0, 0
    for sample in samples:
        tokens = text_tokens.tokenize(writer.tokenizer, sample, LONGEST, task)
        kept = tokens.supervised + 1
        with torch.inference_mode():
            ids = torch.tensor([tokens.ids], device=writer.model.device)
            logits = writer.model(input_ids=ids, logits_to_keep=kept, use_cache=False).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits, ids[0, tokens.start :], reduction="sum")
        total, count = total + loss.item(), count + tokens.supervised
        yield
    return total / count


def off_by(said: str, asked: str) -> float:
    """How much longer or shorter a text is than the one asked for, in spoken time, as a share of that."""
    return abs(spoken_seconds(said) / spoken_seconds(asked) - 1)


def off_each_other(seconds: Sequence[float]) -> float | None:
    """How much a text is off by where another of the same set was asked for; None for a single text."""
    return _mean([abs(one / other - 1) for one, other in permutations(seconds, 2)]) if seconds[1:] else None


def _mean(values: Sequence[float]) -> float:
    """Their mean; 0 of none."""
    return statistics.mean(values) if values else 0.0


def _told(one: Figures) -> Sentence:
    """A line for the log."""
    traits = one.traits
    return Sentence(
        "{name}: style {style}, perplexity {perplexity}, longest shared passage {longest}, repeated "
        "{repeated}, ended {ended}, {seconds} s, off by {off}",
        name=text_report.title(one, Sentence),
        style="–" if one.style is None else f"{one.style:.2f} (± {one.spread:.2f})",
        perplexity=f"{one.perplexity:.1f}",
        longest=traits.longest,
        repeated=f"{traits.repeated:.0%}",
        ended=f"{traits.ended:.0%}",
        seconds=f"{traits.seconds:.1f}",
        off=f"{traits.off or 0.0:.0%}",
    )
