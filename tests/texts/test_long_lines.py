"""Patterns that look for the same from each sign of a long line: the work may grow with it, not faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.encodings import decoded, json_values, table
from core.texts import cleaning, findings, personal, prose, reasoning, speech
from core.texts.cleaning import AS_IT_COMES
from core.texts.importing import READERS, kind_of
from core.texts.samples import TextSample
from tests.hostile.texts import DIALOGUE, SUBTITLES, long_texts

OPENING = {".ass": DIALOGUE, ".srt": SUBTITLES}
SHORT, TIMES = 4_000, 16
MOST = 60  # times as long, of 16 times the text: its square takes 256 times as long
UNTOLD = 0.3  # seconds of the longer text from which a comparison tells anything


def read(ending: str) -> Callable[[str], object]:
    path = Path(f"a{ending}")
    return lambda text: list(READERS[ending](path, OPENING.get(ending, "") + text, AS_IT_COMES))


WORK: dict[str, Callable[[str], object]] = {
    **{
        ending: read(ending)
        for ending in (".txt", ".md", ".csv", ".json", ".srt", ".lrc", ".ass", ".ttml", ".smi")
    },
    "clean": cleaning.clean,
    "speakers": cleaning.speakers,
    "transcript": cleaning.is_transcript,
    "markdown": prose.is_markdown,
    "kind": kind_of,
    "decoded": lambda text: decoded(text.encode(), "a"),
    "table": table,
    "json": json_values,
    "personal": personal.find,
    "sentences": speech.sentences,
    "parted": lambda text: speech.parted(text, 15),
    "reasoning": reasoning.spoken,
    "findings": lambda text: findings.look([TextSample("a", text)] * 2),
}


def seconds(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    try:
        work(text)
    except ValueError:
        pass
    except Exception as refused:
        assert type(refused).__name__ == "Mistake", refused
    return time.process_time() - began


@pytest.mark.parametrize("name", long_texts(0))
def test_work_grows_with_a_text_and_not_with_its_square(name: str) -> None:
    short, long = long_texts(SHORT)[name], long_texts(SHORT * TIMES)[name]
    slow = {}
    for what, work in WORK.items():
        taken = seconds(work, long)
        if taken > UNTOLD and taken > MOST * (once := seconds(work, short)):
            slow[what] = (once, taken)
    assert slow == {}
