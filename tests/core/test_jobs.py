"""The runner: order, stopping, mistakes, and what a later process finds on disk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import itertools
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import jobs, jobstate, messages, progress
from core.jobs import Runner
from core.jobstate import DONE, JobState
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
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
    assert (state.status, state.result, seen) == (jobstate.DONE, Path("made"), [1, 2, 3, -1])
    assert state.losses == ((1, 1.0), (2, 0.5), (3, 1 / 3))
    assert state.log == ("Counting", "Done")


def test_what_is_being_drawn_is_looked_at_once_a_second_and_kept_by_no_file(tmp_path: Path) -> None:
    """A look costs time, so that a job of a hundred quick steps is asked for one; the next part has none."""
    asked, gates = [], [threading.Event(), threading.Event()]

    def drawing() -> Iterator[Progress]:
        for step in range(100):
            yield Progress(
                "Drawing", step, 100, look=lambda step=step: asked.append(step) or b"jpeg %d" % step
            )
        gates[0].wait(60)
        time.sleep(jobs.EVERY_S)
        yield Progress("Drawing", 100, 100, look=lambda: b"the last")
        yield Progress("Drawing", 100, 100, look=lambda: b"at once after it")
        gates[1].wait(60)
        yield Progress("Rendering")
        yield Progress("Done", look=lambda: b"done")

    runner = Runner(tmp_path)
    job_id = runner.submit("compose", "A film", drawing)
    while (state := runner.state(job_id)).progress.step != 99:
        time.sleep(0.01)
    assert (asked, state.look, state.progress.look) == ([0], b"jpeg 0", None)
    gates[0].set()
    while (state := runner.state(job_id)).progress.step != 100:
        time.sleep(0.01)
    assert state.look == b"the last"
    gates[1].set()
    assert runner.wait(job_id, 60).look == b""
    assert "look" not in (tmp_path / f"{job_id}.json").read_text()
    assert Runner(tmp_path).state(job_id).status == DONE


def test_sentences_and_looks_survive_a_restart(tmp_path: Path) -> None:
    changed = (Sentence("{name}: {old} → {new}", name="epochs", old=3, new=4), Sentence("flip"))
    told = Sentence("Changed: {changes}", changes=changed)
    assert told == "Changed: epochs: 3 → 4; flip"
    runner = Runner(tmp_path)
    reports = [Progress("Training", 5, 9, held_out=0.25), Progress("Training", 9, 9, text=told)]
    runner.wait(runner.submit("train", "A run", lambda: iter(reports)), 5)
    state = Runner(tmp_path).newest("train")
    assert state and state.held_out == ((5, 0.25),) and state.log[0] == "Training"
    line = state.log[1]
    assert isinstance(line, Sentence) and messages.as_plain(line) == messages.as_plain(told)
    assert state.progress.text == line == told


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


@pytest.mark.parametrize("look", [lambda runner: runner.newest("label"), lambda runner: runner.active()])
def test_a_job_that_is_submitted_while_a_page_looks_disturbs_nobody(tmp_path: Path, look) -> None:
    """A look at many states may be interrupted by another thread after any of them."""
    runner = Runner(tmp_path)

    class LookedAt(JobState):
        def __getattribute__(self, name: str) -> object:
            if name in ("kind", "status"):
                runner._set(JobState(f"new-{len(runner._states)}", "image", "Image LoRA", DONE))
            return super().__getattribute__(name)

    for name in ("a", "b"):
        runner._states[name] = LookedAt(name, "label", "Labelling", DONE)
    look(runner)


def test_stop_closes_the_generator_so_that_its_finally_saves(tmp_path: Path) -> None:
    runner, seen, gate = Runner(tmp_path), [], threading.Event()
    job = runner.submit("train", "long", lambda: steps(1000, seen, gate))
    eventually(lambda: runner.state(job).status == jobstate.RUNNING)  # one that waits would never begin
    runner.stop(job)
    gate.set()
    assert runner.wait(job, 60).status == jobstate.STOPPED
    assert seen == [1, -1]


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
    assert (state.status, state.result, closed) == (jobstate.DONE, made, [True])
    file = tmp_path / "jobs" / f"{state.id}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "running", "ended": None}))
    again = Runner(tmp_path / "jobs").newest("train")
    assert again and again.status == jobstate.DONE


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
    counted, reports = steps.counted(progress.within(mode, work()), most=6), []
    for report in counted:
        assert not inside
        reports.append((report.message, report.step, report.total))
    assert reports == [("Drawing", 1, 8), ("Drawing", 4, 8)] and steps.report().step == 6
    assert progress.outcome(steps.counted(progress.within(mode, work()))) == "made"


def test_a_waiting_job_that_is_stopped_never_starts(tmp_path: Path) -> None:
    runner, gate, seen = Runner(tmp_path), threading.Event(), []
    first = runner.submit("train", "first", lambda: steps(1, [], gate))
    second = runner.submit("train", "second", lambda: steps(1, seen))
    runner.stop(second)
    gate.set()
    runner.wait(first, 60)
    assert runner.wait(second, 60).status == jobstate.STOPPED and seen == []


def test_closing_stops_what_runs_and_what_waits(tmp_path: Path) -> None:
    runner, gate, seen = Runner(tmp_path), threading.Event(), []
    ids = [runner.submit("train", title, lambda: steps(1000, seen, gate)) for title in ("runs", "waits")]
    eventually(lambda: runner.state(ids[0]).status == jobstate.RUNNING)
    threading.Timer(0.2, gate.set).start()  # the first is within a step when it is closed
    runner.close(60)
    assert [runner.state(job).status for job in ids] == [jobstate.STOPPED] * 2
    assert runner.active() == [] and seen == [1, -1], "only the first had begun, and its finally saved"


def test_a_mistake_is_kept_as_one_sentence_and_the_worker_goes_on(tmp_path: Path) -> None:
    def wrong() -> Iterator[Progress]:
        raise Mistake("The folder {path} is empty; add pictures.", path="a b")
        yield Progress("never")

    def broken() -> Iterator[Progress]:
        yield Progress("Starting")
        raise RuntimeError("boom")

    runner = Runner(tmp_path)
    mistaken = runner.wait(runner.submit("label", "x", wrong), 60)
    assert mistaken.status == jobstate.FAILED
    assert mistaken.error == "The folder a b is empty; add pictures."
    assert mistaken.error_values == {"path": "a b"}
    failed = runner.wait(runner.submit("label", "x", broken), 60)
    assert failed.error == "RuntimeError: boom"
    assert "boom" in (tmp_path / f"{failed.id}.log").read_text()
    assert runner.wait(runner.submit("label", "x", lambda: steps(1, [])), 60).status == jobstate.DONE


def test_a_job_left_running_by_a_killed_process_is_interrupted(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    done = runner.wait(runner.submit("train", "Ink", lambda: steps(2, [])), 60)
    file = tmp_path / f"{done.id}.json"
    values = json.loads(file.read_text()) | {"status": "running", "ended": None}
    file.write_text(json.dumps(values))
    (tmp_path / "foreign.json").write_text("[1]")
    again = Runner(tmp_path)
    state = again.newest("train")
    assert state and state.status == jobstate.INTERRUPTED and state.title == "Ink"
    assert state.progress == done.progress and state.result == Path("made")


def test_a_long_curve_is_thinned_but_keeps_its_mean() -> None:
    curve = tuple((step, float(step)) for step in range(jobstate.MAX_LOSSES + 2))
    short = jobstate.thin(curve)
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


def held(runner: Runner, job: str) -> str:
    """The status that a job's file holds; empty where it isn't there yet."""
    file = runner.folder / f"{job}.json"
    return json.loads(file.read_text())["status"] if file.exists() else ""


def eventually(true: Callable[[], object]) -> None:
    """Waits for what another thread does."""
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@posix
def test_a_job_goes_on_where_the_disk_takes_no_state_and_the_window_is_told(tmp_path: Path) -> None:
    """Its true state is shown; it is written once there is room; nothing half-written is left."""
    folder, go = tmp_path / "jobs", threading.Event()
    runner = Runner(folder)

    def long() -> Iterator[Progress]:
        yield Progress("Counting")
        go.wait(60)
        yield Progress("Counting", text="a line", result=tmp_path)

    job = runner.submit("train", "x", long)
    eventually(lambda: held(runner, job) == jobstate.RUNNING)
    with room(10):
        changes = runner.changes
        go.set()
        state = runner.wait(job, 60)
        other = runner.wait(runner.submit("train", "y", lambda: steps(2, [])), 60)
        assert runner.active() == [] and runner.changes > changes and held(runner, job) == jobstate.RUNNING
        assert not list(folder.glob(".*"))
    assert (state.status, state.log, other.status) == (jobstate.DONE, ("Counting", "a line"), jobstate.DONE)
    for told in (state.unwritten, other.unwritten):
        assert isinstance(told, Sentence), told
        assert told.startswith(f"There is no room left on the disk of {folder};")
    eventually(lambda: runner.state(job).unwritten is None and runner.state(other.id).unwritten is None)
    assert held(runner, job) == held(runner, other.id) == jobstate.DONE


def test_a_folder_of_states_that_goes_away_is_made_again(tmp_path: Path) -> None:
    folder, go = tmp_path / "jobs", threading.Event()
    runner, seen = Runner(folder), []
    job = runner.submit("train", "x", lambda: steps(3, seen, go))
    eventually(lambda: held(runner, job) == jobstate.RUNNING)
    shutil.rmtree(folder)
    go.set()
    assert runner.wait(job, 60).status == jobstate.DONE and seen == [1, 2, 3, -1]
    assert held(runner, job) == jobstate.DONE


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("can't be told")


class Panic(BaseException):
    """What a panic in Rust is to Python (pyo3_runtime.PanicException)."""


ODD = [
    SystemExit(2), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Panic("in Rust"), Untold(),
    MemoryError(), RecursionError(), OSError("boom \udcff"), StopIteration(), Mistake("no {a}", a=Untold),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["before", "within", "closing"])
def test_the_worker_outlives_any_error(tmp_path: Path, odd: BaseException, when: str) -> None:
    runner, made = Runner(tmp_path), threading.Event()

    def within() -> Iterator[Progress]:
        try:
            yield Progress("Working")
            made.wait(60)
            if when == "within":
                raise odd
            yield Progress("Working")
        finally:
            if when == "closing":
                raise odd

    def before() -> Iterator[Progress]:
        raise odd

    job = runner.submit("train", "x", before if when == "before" else within)
    runner.stop(job) if when == "closing" else None
    made.set()
    state = runner.wait(job, 60)
    assert state.status in ([jobstate.FAILED, jobstate.STOPPED] if when == "closing" else [jobstate.FAILED])
    assert state.error or state.status == jobstate.STOPPED
    assert held(runner, job) == state.status and Runner(tmp_path).state(job) == state
    assert runner.wait(runner.submit("train", "y", lambda: steps(1, [])), 60).status == jobstate.DONE


class Opaque:
    def __str__(self) -> str:
        raise RuntimeError("can't be told")

    __repr__ = __str__


around = Sentence("a {b}", b="c")
around.values["b"] = around
UNWRITABLE = [
    Progress("Working", text="a \udcff name"), Progress("Working", text="x" * 3_000_000),
    Progress("Working", text=Sentence("{name}: a boat", name="\udcff.png")), Progress("Working \udcff"),
    Progress("Working", loss=float("nan"), held_out=float("inf")), Progress("Working", loss=np.float32(0.5)),
    Progress("Working", picture=Opaque()), Progress("Working", text=around), Progress("Working", total=None),
    None, "Working", Progress("Working", text=7),
]  # fmt: skip


@pytest.mark.parametrize("report", UNWRITABLE, ids=lambda one: repr(type(one)))
def test_the_worker_outlives_a_state_that_cant_be_written(tmp_path: Path, report: Progress) -> None:
    """What can be told is shown and kept; where it can't, the state says so and the others are kept."""
    runner = Runner(tmp_path)
    job = runner.submit("train", "x", lambda: iter([Progress("Starting"), report]))
    state = runner.wait(job, 60)
    assert state.status in (jobstate.DONE, jobstate.FAILED)
    json.dumps(state.log, ensure_ascii=False).encode()  # as a page is sent it
    assert all(len(line) <= messages.MAX_LINE + 1 for line in state.log)
    again = Runner(tmp_path).state(job)
    assert state.unwritten or (again and (again.status, again.log) == (state.status, state.log))
    assert runner.wait(runner.submit("train", "y", lambda: steps(1, [])), 60).status == jobstate.DONE


def test_neither_a_job_nor_a_page_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk here takes no file while a whole job runs: a slow one takes it later."""
    runner, awake, asleep, replace = Runner(tmp_path), threading.Event(), threading.Event(), os.replace

    def slow(part: Path, path: Path) -> None:
        asleep.set()
        awake.wait(60)
        replace(part, path)

    monkeypatch.setattr(os, "replace", slow)
    seen: list[int] = []
    job = runner.submit("train", "x", lambda: steps(500, seen))
    assert asleep.wait(60)
    eventually(lambda: not runner.state(job).active)
    assert len(seen) == 501 and runner.newest("train").status == jobstate.DONE and runner.active() == []
    with pytest.raises(TimeoutError):
        runner.wait(job, 0.05)  # who waits for its end may end the process
    awake.set()
    runner.wait(job, 60)
    assert held(runner, job) == jobstate.DONE


def test_jobs_keep_their_order_while_the_clock_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, day, go = time.time(), 86400.0, threading.Event()
    times = itertools.chain([now, now + day, now - day, now + 2 * day], itertools.repeat(now - 2 * day))
    monkeypatch.setattr(time, "time", lambda: next(times))
    runner, ids = Runner(tmp_path), []
    for number in range(4):
        ids.append(runner.submit("train", f"job {number}", lambda: steps(2, [], go)))
    assert [state.id for state in runner.active()] == ids
    go.set()
    for job in ids:
        runner.wait(job, 60)
    assert runner.newest("train").id == ids[-1]
    again = Runner(tmp_path)
    assert again.newest("train").id == ids[-1]
    later = again.wait(again.submit("train", "later", lambda: steps(1, [])), 60)
    assert again.newest("train") == later and Runner(tmp_path).newest("train") == later


GOOD = {"id": "a", "kind": "train", "title": "Ink", "status": "done", "log": ["x"], "losses": [[1, 0.5]],
        "progress": {"message": "Done", "step": 3, "total": 3}, "created": 1.0, "ended": 2.0}  # fmt: skip
DEEP = "[" * 200_000 + "]" * 200_000
DEEP_LINE: Any = "x"
for _ in range(400):
    DEEP_LINE = {"template": "{a}", "values": {"a": DEEP_LINE}}
LAUGHS: Any = "x" * 1000
for _ in range(30):
    LAUGHS = {"template": "{a}{a}{a}{a}", "values": {"a": LAUGHS}}
HOSTILE = {
    "deep": DEEP,
    "deep values": json.dumps(GOOD)[:-1] + f', "log": {DEEP}}}',
    "cut off": json.dumps(GOOD)[:40],
    "list": "[1]", "null": "null", "number": "7", "text": '"x"', "empty": "", "no text": "\udcff",
    "a long number": json.dumps(GOOD)[:-1] + f', "created": {"9" * 5000}}}',
} | {
    f"{name}: {json.dumps(value)[:40]}": json.dumps(GOOD | {name: value})
    for name, values in {
        "progress": [None, [], 7, {"step": "many"}, {"text": DEEP_LINE}, {"picture": 7},
                     {"seconds_left": 1e999}],
        "log": ["x", 7, [None], [7], [{}], [{"template": "{a:>300000000}", "values": {"a": "x"}}], [LAUGHS],
                [{"template": "{a.b}", "values": {"a": "x"}}], [{"template": "{a", "values": {"a": "x"}}],
                [{"template": "{a}", "values": {}}], [{"template": "{a:{a}}", "values": {"a": "9999999"}}]],
        "losses": [[1], [[1, 2, 3]], [["x", 1]], {"a": 1}],
        "error": [7, {"a": 1}], "error_template": ["{a:>300000000}", "{a.__class__}", 7, "{", "{b}"],
        "error_values": [7, {"a": [1]}], "created": ["yesterday", None, 1e999, [1], 10**400],
        "ended": ["x", {}], "number": ["x", 1e999, 10**30], "status": ["flying", None, 7, [1]],
        "result": [7, "a\0b", "x" * 5000, ["a"]], "kind": [["a"], None], "title": [7, "x" * 100_000],
    }.items()
    for value in values
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_job_file_holds_the_window_opens(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "good.json").write_text(json.dumps(GOOD))
    (folder / "hostile.json").write_bytes(HOSTILE[name].encode(errors="surrogateescape"))
    runner = Runner(folder)
    assert runner.state("good").title == "Ink"
    for state in [runner.state("good"), *filter(None, [runner.state("hostile")])]:
        assert (
            state.status in jobstate.ENDED and state.error_template.format(**state.error_values) is not None
        )
        assert isinstance(jobstate.as_json(state), str)
        for path in filter(None, [state.result, state.progress.result]):
            path.exists()  # raises nothing, as for a name that is too long
        json.dumps([state.title, state.log, state.error], ensure_ascii=False).encode()
    assert runner.newest("train") in (runner.state("good"), runner.state("hostile"))
    done = runner.wait(runner.submit("train", "new", lambda: steps(1, [])), 60)
    assert runner.newest("train") == done
    assert (folder / "hostile.json").exists(), "it may be a newer studio's"


@pytest.mark.parametrize("given", ["../../x", "/tmp/x", "a/b", "", None, 7, "good"])
def test_a_jobs_id_is_its_files_name(tmp_path: Path, given: object) -> None:
    folder = tmp_path / "home" / "jobs"
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text(json.dumps(GOOD | {"id": given, "status": "running"}))
    runner = Runner(folder)
    runner.wait("mine", 60)
    assert runner.newest("train").id == "mine" and held(runner, "mine") == jobstate.INTERRUPTED
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["home", "jobs", "mine.json"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_picture_outside_the_home_is_not_shown(tmp_path: Path, inside: bool) -> None:
    folder = tmp_path / "home" / "jobs"
    picture = tmp_path / ("home/projects/a.png" if inside else "a.png")
    for path in (folder / "x", picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    picture.touch()
    (tmp_path / "home" / "link.png").symlink_to(tmp_path / "a.png")
    for number, one in enumerate([picture, *([] if inside else [tmp_path / "home" / "link.png"])]):
        progress = GOOD["progress"] | {"picture": str(one)}
        (folder / f"{number}.json").write_text(json.dumps(GOOD | {"progress": progress}))
        state = Runner(folder).state(str(number))
        assert state and state.progress.picture == (picture if inside else None)


def test_an_error_can_be_said_again_from_its_parts(tmp_path: Path) -> None:
    """In another language, whose template writes the numbers in its own way."""

    def wrong() -> Iterator[Progress]:
        raise Mistake("It takes {needed:.1f} GB in {folder}.", needed=3.25, folder=tmp_path)
        yield Progress("never")

    runner = Runner(tmp_path)
    state = runner.wait(runner.submit("train", "x", wrong), 60)
    for one in (state, Runner(tmp_path).state(state.id)):
        assert (
            one
            and one.error_template.format(**one.error_values)
            == one.error
            == f"It takes 3.2 GB in {tmp_path}."
        )


@posix
def test_what_is_no_file_or_endless_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(jobstate.MAX_BYTES + 1)
    assert Runner(tmp_path).newest("train") is None


def test_states_of_an_older_and_a_newer_studio_are_read(tmp_path: Path) -> None:
    older = {name: GOOD[name] for name in ("kind", "title", "status")}
    newer = GOOD | {"mood": "good", "status": "paused", "progress": GOOD["progress"] | {"stars": 5}}
    (tmp_path / "older.json").write_text(json.dumps(older))
    (tmp_path / "newer.json").write_text(json.dumps(newer))
    runner = Runner(tmp_path)
    assert (
        runner.state("older").status == jobstate.DONE and runner.state("newer").status == jobstate.INTERRUPTED
    )
    assert runner.state("newer").progress.step == 3 and runner.state("newer").losses == ((1, 0.5),)


def test_states_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay; with one that goes its settings and its trace go, and what no job has."""
    monkeypatch.setattr(jobs, "KEPT", 2)
    for number in range(4):
        (tmp_path / f"{number}.json").write_text(json.dumps(GOOD | {"number": number}))
        (tmp_path / f"{number}.yaml").touch()
    (tmp_path / "orphan.yaml").touch()
    (tmp_path / "foreign.json").write_text("[1]")
    (tmp_path / ".2.1234567-1.part.json").touch()
    runner = Runner(tmp_path)
    assert [state.number for state in runner._states.values()] == [2, 3]
    runner.wait(runner.submit("train", "x", lambda: steps(1, [])), 60)
    left = {path.name for path in tmp_path.iterdir()} - {f"{runner.newest('train').id}.json"}
    assert left == {"2.json", "2.yaml", "3.json", "3.yaml", "foreign.json"}


def test_pages_may_ask_while_jobs_come(tmp_path: Path) -> None:
    runner, over = Runner(tmp_path), threading.Event()

    def ask() -> int:
        asked = 0
        while not over.is_set():
            runner.newest("train")
            runner.active()
            asked += 1
        return asked

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pages:
            asked = pages.submit(ask)
            for number in range(300):
                runner.submit(f"kind {number}", "x", lambda: iter(()))
            over.set()
            assert asked.result(60)
    finally:
        sys.setswitchinterval(switch)


def test_what_a_disk_did_to_a_job_is_told_as_a_sentence(tmp_path: Path) -> None:
    def full() -> Iterator[Progress]:
        yield Progress("Writing")
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a.bin"))

    runner = Runner(tmp_path / "jobs")
    state = runner.wait(runner.submit("train", "x", full), 60)
    assert state.error.startswith(f"There is no room left on the disk of {tmp_path};")
    assert not list((tmp_path / "jobs").glob("*.log"))
