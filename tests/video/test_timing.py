"""How long a film takes, by what the parts of others took."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest

from core.progress import Progress, outcome
from core.settings.video import ComposeSettings
from core.video import timing

TOOK = {"script": 12.0, "voice": 3.0, "frames": 30.0, "enlarging": 6.0, "rendering": 24.0, "check": 1.5}
FILM = ComposeSettings(topic="a river", scenes=6, seconds=30)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path))


def test_nothing_is_said_before_the_first_film() -> None:
    assert timing.expected(FILM) == {}
    assert "unknown" in timing.line(FILM)
    timing.remember(FILM, {"script": 12.0})
    assert timing.expected(FILM) == {}, "half of the parts say nothing of the whole"


def test_a_film_takes_what_the_last_took_by_its_scenes_and_its_length() -> None:
    timing.remember(FILM, TOOK)
    same = timing.expected(FILM)
    assert {part: same[part] for part in TOOK} == pytest.approx(TOOK)
    double = timing.expected(FILM.model_copy(update={"scenes": 12, "seconds": 60}))
    assert {part: double[part] for part in TOOK} == pytest.approx({k: 2 * v for k, v in TOOK.items()})
    assert timing.line(FILM) == "time: about 80 s, as the last video went"
    assert timing.line(FILM.model_copy(update={"scenes": 12, "seconds": 60})).startswith(
        "time: about 2.5 min"
    )


def test_another_base_or_size_is_unknown_again() -> None:
    timing.remember(FILM, TOOK)
    assert timing.expected(FILM.model_copy(update={"width": 540, "height": 960})) == {}
    assert timing.expected(FILM.model_copy(update={"image_base": "sdxl"})) == {}
    assert timing.expected(FILM.model_copy(update={"text_base": "qwen"})) == {}


def part() -> Generator[Progress, None, str]:
    yield Progress("Drawing", 1, 2, seconds_left=4.0)
    yield Progress("Drawing", 2, 2)
    return "made"


def test_the_time_left_is_that_of_the_whole_film() -> None:
    course = timing.Course({"frames": 10.0, "rendering": 20.0})
    told = list(course.part("frames", part()))
    assert told[0].seconds_left == pytest.approx(24.0)
    assert told[1].seconds_left == pytest.approx(30.0, abs=0.5), "no estimate of its own: what is expected"
    assert outcome(course.part("rendering", part())) == "made"
    last = list(course.part("rendering", part()))
    assert last[0].seconds_left == pytest.approx(4.0)
    unknown = timing.Course({})
    assert [report.seconds_left for report in unknown.part("frames", part())] == [4.0, None]


def test_a_part_that_is_stopped_is_closed_and_its_time_kept() -> None:
    closed = []

    def slow() -> Generator[Progress, None, None]:
        try:
            while True:
                time.sleep(0.01)
                yield Progress("Rendering")
        finally:
            closed.append(True)

    course = timing.Course({})
    job = course.part("rendering", slow())
    next(job)
    job.close()
    assert closed and course.seconds["rendering"] >= 0.01
