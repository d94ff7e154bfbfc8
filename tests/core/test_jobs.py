"""The runner: order, stopping, mistakes, and what a later process finds on disk."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import json
import shutil
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from core import jobs
from core.jobs import Mistake, Progress, Runner, Sentence, Steps
from tests.limits import posix, room


def steps(count: int, seen: list[int], gate: threading.Event | None = None) -> Iterator[Progress]:
    try:
        for number in range(1, count + 1):
            if gate:
                gate.wait(60)
            seen.append(number)
            yield Progress("Counting", number, count, loss=1 / number)
        yield Progress("Done", result=Path("made"))
    finally:
        seen.append(-1)


def test_a_job_runs_to_its_result(tmp_path: Path) -> None:
    runner, seen = Runner(tmp_path), []
    state = runner.wait(runner.submit("train", "A run", lambda: steps(3, seen)), 60)
    assert (state.status, state.result, seen) == (jobs.DONE, Path("made"), [1, 2, 3, -1])
    assert state.losses == ((1, 1.0), (2, 0.5), (3, 1 / 3))
    assert state.log == ("Counting", "Done")


def test_sentences_and_looks_survive_a_restart(tmp_path: Path) -> None:
    changed = (Sentence("{name}: {old} → {new}", name="epochs", old=3, new=4), Sentence("flip"))
    told = Sentence("Changed: {changes}", changes=changed)
    assert told == "Changed: epochs: 3 → 4; flip"
    runner = Runner(tmp_path)
    reports = [Progress("Training", 5, 9, held_out=0.25), Progress("Training", 9, 9, text=told)]
    runner.wait(runner.submit("train", "A run", lambda: iter(reports)), 5)
    state = Runner(tmp_path).newest("train")
    assert state and state.held_out == ((5, 0.25),) and state.log == ("Training", str(told))
    line = state.log[1]
    assert isinstance(line, Sentence) and line.template == told.template and line.values == told.values
    assert state.progress.text == told


def test_jobs_wait_for_each_other_and_the_running_one_is_newest(tmp_path: Path) -> None:
    runner, seen, gate = Runner(tmp_path), [], threading.Event()
    first = runner.submit("train", "first", lambda: steps(2, seen, gate))
    second = runner.submit("train", "second", lambda: steps(1, seen))
    assert [state.id for state in runner.active()] == [first, second]
    gate.set()
    runner.wait(second, 60)
    assert seen == [1, 2, -1, 1, -1]
    newest = runner.newest("train")
    assert newest and newest.id == second


def test_stop_closes_the_generator_so_that_its_finally_saves(tmp_path: Path) -> None:
    runner, seen, gate = Runner(tmp_path), [], threading.Event()
    job = runner.submit("train", "long", lambda: steps(1000, seen, gate))
    runner.stop(job)
    gate.set()
    assert runner.wait(job, 60).status == jobs.STOPPED
    assert seen[-1:] in ([-1], []) and len(seen) < 1000


def test_a_job_that_is_stopped_after_its_result_is_done(tmp_path: Path) -> None:
    """It is closed like any other; and done, too, where the process was killed then."""
    runner, made, closed, ids = Runner(tmp_path / "jobs"), tmp_path / "made", [], list[str]()
    made.touch()

    def job() -> Iterator[Progress]:
        try:
            yield Progress("Saving", result=made)
            runner.stop(ids[0])
            yield Progress("Drawing samples", 1, 9)
            raise AssertionError("it went on")
        finally:
            closed.append(True)

    ids.append(runner.submit("train", "A run", job))
    state = runner.wait(ids[0], 60)
    assert (state.status, state.result, closed) == (jobs.DONE, made, [True])
    file = tmp_path / "jobs" / f"{state.id}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "running", "ended": None}))
    again = Runner(tmp_path / "jobs").newest("train")
    assert again and again.status == jobs.DONE


def test_steps_count_what_another_generator_does_and_let_no_mode_leak() -> None:
    inside: list[bool] = []

    @contextlib.contextmanager
    def mode() -> Iterator[None]:
        inside.append(True)
        yield
        inside.pop()

    def work() -> Generator[int | None, None, str]:
        for told in (None, 3):
            assert inside
            yield told
        return "made"

    steps = Steps("Drawing", 8)
    counted, reports = steps.counted(jobs.within(mode, work()), most=6), []
    for report in counted:
        assert not inside
        reports.append((report.message, report.step, report.total))
    assert reports == [("Drawing", 1, 8), ("Drawing", 4, 8)] and steps.report().step == 6
    assert jobs.outcome(steps.counted(jobs.within(mode, work()))) == "made"


def test_a_waiting_job_that_is_stopped_never_starts(tmp_path: Path) -> None:
    runner, gate, seen = Runner(tmp_path), threading.Event(), []
    first = runner.submit("train", "first", lambda: steps(1, [], gate))
    second = runner.submit("train", "second", lambda: steps(1, seen))
    runner.stop(second)
    gate.set()
    runner.wait(first, 60)
    assert runner.wait(second, 60).status == jobs.STOPPED and seen == []


def test_closing_stops_what_runs_and_what_waits(tmp_path: Path) -> None:
    runner, gate, seen = Runner(tmp_path), threading.Event(), []
    ids = [runner.submit("train", title, lambda: steps(1000, seen, gate)) for title in ("runs", "waits")]
    gate.set()
    runner.close(5)
    states = [runner.state(job) for job in ids]
    assert [state.status for state in states if state] == [jobs.STOPPED] * 2
    assert runner.active() == [] and len(seen) < 1000


def test_a_mistake_is_kept_as_one_sentence_and_the_worker_goes_on(tmp_path: Path) -> None:
    def wrong() -> Iterator[Progress]:
        raise Mistake("The folder {path} is empty; add pictures.", path="a b")
        yield Progress("never")

    def broken() -> Iterator[Progress]:
        yield Progress("Starting")
        raise RuntimeError("boom")

    runner = Runner(tmp_path)
    mistaken = runner.wait(runner.submit("label", "x", wrong), 60)
    assert mistaken.status == jobs.FAILED
    assert mistaken.error == "The folder a b is empty; add pictures."
    assert mistaken.error_values == {"path": "a b"}
    failed = runner.wait(runner.submit("label", "x", broken), 60)
    assert failed.error == "RuntimeError: boom"
    assert "boom" in (tmp_path / f"{failed.id}.log").read_text()
    assert runner.wait(runner.submit("label", "x", lambda: steps(1, [])), 60).status == jobs.DONE


def test_a_job_left_running_by_a_killed_process_is_interrupted(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    done = runner.wait(runner.submit("train", "Ink", lambda: steps(2, [])), 60)
    file = tmp_path / f"{done.id}.json"
    values = json.loads(file.read_text()) | {"status": "running", "ended": None}
    file.write_text(json.dumps(values))
    (tmp_path / "foreign.json").write_text("[1]")
    again = Runner(tmp_path)
    state = again.newest("train")
    assert state and state.status == jobs.INTERRUPTED and state.title == "Ink"
    assert state.progress == done.progress and state.result == Path("made")


def test_a_long_curve_is_thinned_but_keeps_its_mean() -> None:
    curve = tuple((step, float(step)) for step in range(jobs.MAX_LOSSES + 2))
    short = jobs.thin(curve)
    assert len(short) == len(curve) // 2
    assert sum(loss for _, loss in short) / len(short) == pytest.approx(sum(v for _, v in curve) / len(curve))


def test_a_mistake_without_values_keeps_its_braces() -> None:
    assert str(Mistake("Write {name} as it stands.")) == "Write {name} as it stands."


def test_a_moments_work_is_done_between_jobs_and_on_their_thread(tmp_path):
    runner, order, go, begun = Runner(tmp_path), [], threading.Event(), threading.Event()
    runner.before.append(lambda: order.append("room made"))

    def job():
        order.append(threading.current_thread())
        go.wait(60)
        yield Progress("Working")

    def moment():
        begun.set()
        time.sleep(0.2)
        order.append("a moment's work")
        return threading.current_thread()

    with concurrent.futures.ThreadPoolExecutor() as others:
        asked = others.submit(runner.between, moment)
        assert begun.wait(60)
        job_id = runner.submit("text", "Text LoRA 水", job)  # comes while it is done, and waits for it
        thread = asked.result(60)
        while len(order) < 3:
            time.sleep(0.01)
        with pytest.raises(Mistake, match="Text LoRA 水 is at work"):
            runner.between(moment)
    go.set()
    runner.wait(job_id, 60)
    assert runner.between(lambda: 7) == 7
    assert order == ["a moment's work", "room made", thread] and thread.name == "jobs"


def test_what_a_job_overtakes_is_refused_and_never_done(tmp_path):
    """The job has come between the look whether one is there and the place in the queue."""
    runner, done, go = Runner(tmp_path), [], threading.Event()

    def job():
        go.wait(60)
        yield Progress("Working")

    active, looks = runner.active, []
    runner.active = lambda: active() if looks or looks.append(1) else []
    job_id = runner.submit("text", "Text LoRA", job)
    with pytest.raises(Mistake, match="is at work"):
        runner.between(lambda: done.append("too late"))
    go.set()
    runner.wait(job_id, 60)
    assert runner.between(lambda: done) == []


def test_what_goes_wrong_in_a_moments_work_is_told_to_the_one_who_asked(tmp_path):
    runner = Runner(tmp_path)
    with pytest.raises(Mistake, match="no such LoRA"):
        runner.between(lambda: (_ for _ in ()).throw(Mistake("no such LoRA")))
    assert runner.between(lambda: 7) == 7


@posix
@pytest.mark.parametrize("gone", [False, True], ids=["no room", "folder gone"])
def test_the_worker_outlives_a_disk_that_takes_no_state(tmp_path: Path, gone: bool) -> None:
    """The job is shown as failed, in a sentence; the next one runs; nothing half-written is left."""
    folder, go = tmp_path / "jobs", threading.Event()
    runner, saved = Runner(folder), []

    def long() -> Iterator[Progress]:
        try:
            yield Progress("Counting")
            go.wait(60)
            time.sleep(1.1)  # states are written once a second
            yield Progress("Counting", text="a line")
            yield Progress("never")
        finally:
            saved.append("saved")

    job = runner.submit("train", "x", long)
    while not runner.state(job).log:
        time.sleep(0.01)
    if gone:
        shutil.rmtree(folder)
    with contextlib.nullcontext() if gone else room(10):
        go.set()
        state = runner.wait(job, 60)
        with pytest.raises(Mistake):
            runner.submit("train", "y", lambda: steps(1, []))
        assert runner.active() == []
    folder.mkdir(exist_ok=True)
    assert state.status == jobs.FAILED and saved == ["saved"]
    said = f"{folder} is no longer there" if gone else f"There is no room left on the disk of {folder}"
    assert state.error.startswith(said) and state.error_template
    assert not list(folder.glob("*.part"))
    assert runner.wait(runner.submit("train", "z", lambda: steps(1, [])), 60).status == jobs.DONE


def test_what_a_disk_did_to_a_job_is_told_as_a_sentence(tmp_path: Path) -> None:
    def full() -> Iterator[Progress]:
        yield Progress("Writing")
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a.bin"))

    runner = Runner(tmp_path / "jobs")
    state = runner.wait(runner.submit("train", "x", full), 60)
    assert state.error.startswith(f"There is no room left on the disk of {tmp_path};")
    assert not list((tmp_path / "jobs").glob("*.log"))
