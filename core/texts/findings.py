"""What should be looked at in a text set: near-duplicates, lines that many texts share, personal data.

Finds and names it; removes or masks it only when asked. Knows nothing about files or the window.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from core.messages import Sentence
from core.texts import personal
from core.texts.near_duplicates import near_duplicates
from core.texts.samples import TextSample, topic_of
from core.texts.speech import joined, sentences

LEAST_TEXTS, LEAST_SHARE = 3, 0.05  # texts that open or close with a line from which it is boilerplate
SHOWN = 3
SHOWN_LETTERS = 60


@dataclass(frozen=True)
class Findings:
    """`twins`: numbers of texts nearly the same as one before; `repeated`: (line, texts that open or close
    with it), most first; `personal`: pieces of personal data by kind.
    """

    twins: tuple[int, ...]
    repeated: tuple[tuple[str, int], ...]
    personal: dict[str, int]


def look(samples: Sequence[TextSample]) -> Findings:
    """What stands out in the samples."""
    kinds = Counter(
        one.kind for sample in samples for text in (sample.topic, sample.reply) for one in personal.find(text)
    )
    return Findings(tuple(near_duplicates(samples)), tuple(repeated(samples)), dict(kinds))


def lines(found: Findings) -> Iterator[Sentence]:
    """The findings in plain words; none where there is nothing."""
    if found.twins:
        numbers = ", ".join(str(number + 1) for number in found.twins[:SHOWN])
        more = f" (+{len(found.twins) - SHOWN})" if len(found.twins) > SHOWN else ""
        yield Sentence(
            "{count} texts are nearly the same as one before: {numbers}",
            count=len(found.twins),
            numbers=f"{numbers}{more}",
        )
    for line, count in found.repeated[:SHOWN]:
        short = line if len(line) <= SHOWN_LETTERS else f"{line[: SHOWN_LETTERS - 1]}…"
        yield Sentence("{count} texts begin or end with: {line}", count=count, line=short)
    if found.personal:
        yield Sentence(
            "personal data: {emails} e-mail addresses, {phones} phone numbers, {ids} ID numbers, {cards} "
            "bank cards",
            emails=found.personal.get(personal.EMAIL, 0),
            phones=found.personal.get(personal.PHONE, 0),
            ids=found.personal.get(personal.ID_CARD, 0),
            cards=found.personal.get(personal.BANK_CARD, 0),
        )


def repeated(samples: Sequence[TextSample]) -> list[tuple[str, int]]:
    """(line, count): sentences that open or close at least `LEAST_TEXTS` texts and `LEAST_SHARE` of all.

    Several such lines on end are all found: what is found is taken off and the texts are looked at again.
    Spelling, marks and numbers in them may differ.
    """
    least = max(LEAST_TEXTS, LEAST_SHARE * len(samples))
    texts = [sentences(sample.reply) for sample in samples]
    counts: Counter[str] = Counter()
    shown: dict[str, str] = {}
    while True:
        edges: Counter[str] = Counter()
        for parts in texts:
            if len(parts) > 1:
                edges.update({_plain(parts[0]), _plain(parts[-1])} - {""})
                for part in (parts[0], parts[-1]):
                    shown.setdefault(_plain(part), part)
        often = {line: count for line, count in edges.items() if count >= least}
        if not often:
            return [(shown[line], count) for line, count in counts.most_common()]
        counts.update(often)
        texts = [_without(parts, often) for parts in texts]


def without_twins(samples: Sequence[TextSample]) -> list[TextSample]:
    """The samples without those nearly the same as one before."""
    twins = set(near_duplicates(samples))
    return [sample for number, sample in enumerate(samples) if number not in twins]


def without_repeated(samples: Sequence[TextSample]) -> list[TextSample]:
    """The samples without the opening and closing lines that many share; each keeps one sentence at least.

    A topic that was made of the text's own words is made anew.
    """
    known = {_plain(line) for line, _ in repeated(samples)}
    kept = []
    for sample in samples:
        whole = sentences(sample.reply)
        parts = _without(whole, known)
        if len(parts) < len(whole):
            reply = joined(parts)
            own = sample.topic == topic_of(sample.reply)
            sample = replace(sample, topic=topic_of(reply) if own else sample.topic, reply=reply)
        kept.append(sample)
    return kept


def masked(samples: Sequence[TextSample]) -> list[TextSample]:
    """The samples with masks in the place of personal data, in topics and texts."""
    return [
        replace(sample, topic=personal.mask(sample.topic), reply=personal.mask(sample.reply))
        for sample in samples
    ]


def _without(parts: list[str], known: Collection[str]) -> list[str]:
    while len(parts) > 1 and _plain(parts[0]) in known:
        parts = parts[1:]
    while len(parts) > 1 and _plain(parts[-1]) in known:
        parts = parts[:-1]
    return parts


def _plain(sentence: str) -> str:
    """Letters alone, a number as one sign: what a line is told by."""
    said = re.sub(r"\d+", "0", unicodedata.normalize("NFKC", sentence).casefold())
    return " ".join(re.findall(r"\w+", said))
