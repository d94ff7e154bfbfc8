"""A project's texts as the Text LoRA tab shows and changes them: what is in the table, pasted, found, mended.

Works on core.texts; knows nothing about widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.encodings import whole
from core.messages import Mistake, Sentence
from core.project import Project
from core.settings.data import TextCleaning
from core.texts import editing, findings, report
from core.texts.cleaning import AS_IT_COMES
from core.texts.importing import TextSet, kind_of
from core.texts.samples import TextSample, learnt, topic_of

MENDS: dict[str, Callable[[Sequence[TextSample]], list[TextSample]]] = {
    "twins": findings.without_twins,
    "repeated": findings.without_repeated,
    "personal": findings.masked,
}
"""What one click does about a field of `Findings`."""


def samples_of(project: Project) -> list[TextSample]:
    """The project's samples; none where there are none. Raises Mistake where it is damaged."""
    return editing.current(project.texts())


def table(project: Project) -> list[list[str]]:
    """Rows of topic and narration."""
    return [[sample.topic, sample.reply] for sample in samples_of(project)]


def save(project: Project, rows: Sequence[Sequence[str]]) -> int:
    """Writes the table; a row without narration is left out, one without a topic gets it from its words.

    Raises Mistake where no row is left.
    """
    kept = [
        TextSample(topic.strip() or topic_of(reply), reply.strip())
        for topic, reply in ((whole(topic or ""), whole(reply or "")) for topic, reply, *_ in rows)
        if reply.strip()
    ]
    if not kept:
        raise Mistake("The table holds no narration; write at least two lines of yours.")
    editing.save(project.texts(), kept)
    return len(kept)


def add(project: Project, files: Sequence[str], choices: TextCleaning = AS_IT_COMES) -> tuple[int, TextSet]:
    """Adds dropped text files; returns how many samples came, and the whole set with its problems."""
    return editing.add(project.texts(), [Path(file) for file in files], choices)


def paste(project: Project, text: str, choices: TextCleaning = AS_IT_COMES) -> tuple[int, TextSet]:
    """Adds pasted text, read as the kind of file that it looks like. Raises Mistake where it is empty."""
    if not text.strip():
        raise Mistake("There is nothing to add yet; paste your texts into the box first.")
    with TemporaryDirectory() as place:
        file = Path(place) / f"pasted{kind_of(text)}"
        file.write_text(whole(text), encoding="utf-8")
        return add(project, [str(file)], choices)


def replace(project: Project, find: str, instead: str) -> int:
    """Replaces in all texts and topics; returns in how many places."""
    samples, count = editing.replaced(samples_of(project), find or "", whole(instead or ""))
    if count:
        editing.save(project.texts(), samples)
    return count


def mend(project: Project, what: str) -> int:
    """Does what MENDS says about a finding; returns how many texts changed or went."""
    before = samples_of(project)
    after = MENDS[what](before)
    editing.save(project.texts(), after)
    return len(set(before) - set(after)) or len(before) - len(after)


def overview(
    project: Project, base_model: str, task: str, holdout: float, max_length: int
) -> tuple[list[Sentence], list[Sentence], findings.Findings | None]:
    """(report, findings in words, findings) of the project's texts; empty where there are none.

    Of texts that are damaged the report says so, with the way back.
    """
    try:
        samples = tuple(samples_of(project))
    except Mistake as damage:
        return [damage.sentence], [], None
    if not samples:
        return [], [], None
    figures = report.measure(learnt(samples, task), holdout, report.counter(base_model), max_length)
    found = _look(samples)
    return list(report.lines(figures)), list(findings.lines(found)), found


@lru_cache(maxsize=2)
def _look(samples: tuple[TextSample, ...]) -> findings.Findings:
    """Looks once at each state of a set, as a page asks at every change of a setting."""
    return findings.look(samples)
