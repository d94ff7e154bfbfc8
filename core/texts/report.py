"""What a text set is worth for training, told before it begins: how much it is, how even, what to change.

Works on samples and, where it is given, a function that counts tokens. Reads no weights.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core import weights
from core.bases import language_model
from core.messages import Mistake, Sentence
from core.settings.data import TextsSettings
from core.settings.training import TextTraining
from core.texts import findings
from core.texts.importing import read_texts
from core.texts.letters import DENSE
from core.texts.samples import TextSample, learnt, split, write_samples
from core.texts.speech import sentences, spoken_seconds, words

FEW_TEXTS = 30  # from here on a LoRA learns the voice and not the texts
MANY_TEXTS = 2000  # beyond, a small LoRA gains little by more
PROMPT_TOKENS = 40  # about what a sample's prompt takes of `max_length`
EVEN, MIXED = 55, 50  # of 100: sets of one voice had 57 to 62, sets of two 39 to 51
LEAST_FOR_A_SHARE, LEAST_FOR_A_STYLE = 10, 20  # texts from which a share, a uniformity mean something
_WORD = re.compile(r"[^\W\d_]+")
COMMON_TEXTS, COMMON_SHARE = 3, 0.05  # a word that stands in so many texts is shared


@dataclass(frozen=True)
class Figures:
    """A set in numbers.

    `tokens` are of the texts alone, `counted` by the model's tokenizer or estimated; `seconds` of speech;
    `sentence` and `spread`: mean length of a sentence in words, and its deviation as a share of it; `shared`:
    share of the words that many texts use; `uniformity` of 100; `chinese`: share of the texts that are in
    Chinese or the like; `cut`: texts longer than a row.
    """

    samples: int
    held_out: int
    tokens: int
    counted: bool
    seconds: float
    sentence: float
    spread: float
    shared: float
    uniformity: int
    chinese: float
    cut: int


def measure(
    samples: Sequence[TextSample],
    holdout: float,
    count: Callable[[str], int] | None = None,
    max_length: int = 0,
) -> Figures:
    """The figures of a set. count: tokens of a text, None estimates them; max_length 0: rows of any length.

    The style's uniformity is the mean of two shares: how little the texts' mean sentence length varies (1
    less its coefficient of variation), and the words that many of the texts use.
    """
    texts = [sample.reply for sample in samples]
    tokens = [(count or estimated_tokens)(text) for text in texts]
    lengths = [[words(part) for part in sentences(text)] for text in texts]
    whole = [length for text in lengths for length in text]
    means = [statistics.fmean(text) for text in lengths if text]
    rhythm = 1 - min(1.0, _variation(means))
    shared = _shared(texts)
    return Figures(
        samples=len(texts),
        held_out=len(split(samples, holdout, 0)[1]) if texts else 0,
        tokens=sum(tokens),
        counted=count is not None,
        seconds=sum(map(spoken_seconds, texts)),
        sentence=statistics.fmean(whole) if whole else 0.0,
        spread=_variation(whole),
        shared=shared,
        uniformity=round(50 * (rhythm + shared)),
        chinese=sum(bool(DENSE.search(text)) for text in texts) / max(1, len(texts)),
        cut=sum(length + PROMPT_TOKENS > max_length for length in tokens) if max_length else 0,
    )


def _variation(values: Sequence[float]) -> float:
    return statistics.pstdev(values) / statistics.fmean(values) if sum(values) else 0.0


def _shared(texts: Sequence[str]) -> float:
    """Mean share of a text's words, or Chinese characters, that stand in many of the texts."""
    units = [DENSE.findall(text) + _WORD.findall(DENSE.sub(" ", text).casefold()) for text in texts]
    holders = Counter(unit for text in units for unit in set(text))
    least = max(COMMON_TEXTS, COMMON_SHARE * len(texts))
    shares = [sum(holders[unit] >= least for unit in text) / len(text) for text in units if text]
    return statistics.fmean(shares) if shares else 0.0


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is: 1.35 an English word, 1.1 a Chinese character."""
    dense = len(DENSE.findall(text))
    return math.ceil(1.35 * (words(text) - 0.6 * dense) + 1.1 * dense)


def counter(base_model: str) -> Callable[[str], int] | None:
    """Counts tokens as a base model does; None where its tokenizer isn't on this machine."""
    file = language_model.tokenizer_file(base_model)
    return _counter(file, file.stat().st_mtime_ns) if file else None


@lru_cache(maxsize=2)
def _counter(file: Path, stamp: int) -> Callable[[str], int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # tokenizers has no class of its own
        raise weights.unreadable(file) from None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def lines(figures: Figures) -> Iterator[Sentence]:
    """The figures in plain words, and last what to change."""
    if not figures.samples:
        return
    yield Sentence(
        "{count} texts, {held_out} of them held out to judge by ({share} %)",
        count=figures.samples,
        held_out=figures.held_out,
        share=round(100 * figures.held_out / figures.samples),
    )
    size = {
        "tokens": figures.tokens,
        "minutes": f"{figures.seconds / 60:.1f}",
        "seconds": f"{figures.seconds / figures.samples:.0f}",
    }
    if figures.counted:
        yield Sentence("{tokens} tokens, {minutes} min of speech, {seconds} s a text", **size)
    else:
        yield Sentence("about {tokens} tokens, {minutes} min of speech, {seconds} s a text", **size)
    sentence = {"length": f"{figures.sentence:.0f}", "spread": round(100 * figures.spread)}
    if figures.samples < LEAST_FOR_A_STYLE:
        yield Sentence("style: too few texts to tell; sentences of {length} words ± {spread} %", **sentence)
    else:
        yield Sentence(
            "style: {word} ({figure} of 100); sentences of {length} words ± {spread} %, {shared} % of the "
            "words stand in many texts",
            word=evenness(figures),
            figure=figures.uniformity,
            shared=round(100 * figures.shared),
            **sentence,
        )
    yield from advice(figures)


def evenness(figures: Figures) -> Sentence:
    """The style's uniformity in a word."""
    if figures.uniformity >= EVEN:
        return Sentence("even")
    return Sentence("mixed") if figures.uniformity >= MIXED else Sentence("very mixed")


def advice(figures: Figures) -> Iterator[Sentence]:
    """What to change about a set; nothing where it is good."""
    if figures.samples < FEW_TEXTS:
        yield Sentence(
            "These are few: add {count} more; from {least} texts on it learns the voice and not the texts.",
            count=FEW_TEXTS - figures.samples,
            least=FEW_TEXTS,
        )
    if figures.samples > MANY_TEXTS:
        yield Sentence(
            "These are many: beyond {most} texts training grows longer and the voice hardly better; keep the "
            "best, or set max_steps.",
            most=MANY_TEXTS,
        )
    if 0.1 <= figures.chinese <= 0.9 and figures.samples >= LEAST_FOR_A_SHARE:
        yield Sentence("The texts are in two languages: train a LoRA for each of them.")
    elif figures.uniformity < MIXED and figures.samples >= FEW_TEXTS:
        yield Sentence("The texts differ a lot in style: train a LoRA for each style, or keep one of them.")
    if figures.cut:
        yield Sentence(
            "{count} texts are longer than a row and will be cut: raise max_length, or split them at fewer "
            "seconds.",
            count=figures.cut,
        )


def of_training(settings: TextTraining) -> Iterator[Sentence]:
    """The report on the texts of a training that is about to start. Raises Mistake where there are none."""
    found = read_texts(settings.train_data_path)
    samples = learnt(found.samples, settings.task)
    count = counter(settings.base_model)
    yield from lines(measure(samples, settings.holdout, count, settings.max_length))
    yield from findings.lines(findings.look(found.samples))


def made(settings: TextsSettings) -> tuple[list[Sentence], Path | None]:
    """Reads, cleans and writes a set as asked for: (report, the train.jsonl written or None).

    Raises Mistake where there are no texts, or where the file to write already stands there.
    """
    if settings.output and settings.output.exists():
        raise Mistake("{path} is there already; choose another name for the output.", path=settings.output)
    found = read_texts(settings.texts, settings)
    samples = list(found.samples)
    if settings.drop_repeated:
        samples = findings.without_repeated(samples)
    if settings.mask:
        samples = findings.masked(samples)
    said = [Sentence(problem.template, **problem.values) for problem in found.problems]
    said += lines(measure(samples, settings.holdout, counter(settings.base_model)))
    said += findings.lines(findings.look(samples))
    return said, write_samples(settings.output, samples) if settings.output else None
