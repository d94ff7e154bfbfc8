"""Homes with something foreign in them, as the window finds them when it opens: jobs, storyboards, lineage.

Each case is a home of its own with one project in it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.hostile.case import Case
from tests.hostile.fuzz import mutated

JOB: dict[str, Any] = {
    "id": "20260101-000000-aaaaaa",
    "kind": "label",
    "title": "Labelling",
    "status": "running",
    "progress": {
        "message": "Labelling",
        "step": 1,
        "total": 2,
        "loss": None,
        "held_out": None,
        "seconds_left": 5.0,
        "picture": None,
        "text": None,
        "result": None,
    },
    "log": [
        {"template": "{name} is empty (0 bytes); copy it again from its source.", "values": {"name": "a"}}
    ],
    "losses": [[1, 0.5], [2, 0.4]],
    "held_out": [],
    "error": "",
    "error_template": "",
    "error_values": {},
    "result": None,
    "created": 1.0,
    "ended": None,
}
BOARD = """topic: rain
style: ink-wash
seed: 1
scenes:
- {number: 1, thing: boat, setting: river, subject: a boat, prompt: a boat, narration: It rains.}
"""
LINEAGE = "made: 2026-01-01 00:00:00\nadvice:\n- {template: 'use {lora}', values: {lora: a.safetensors}}\n"
DEEP = "[" * 100_000
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
WIDE = "{a:>300000000}"  # a template that asks for 300 MB
NOT_YAML = {
    "nothing": "",
    "a list": "[1]",
    "a number": "7",
    "a word": "rain",
    "null": "null",
    "not closed": "{a: [",
    "deep": DEEP,
    "laughs": LAUGHS,
    "keys that are numbers": "1: 2\n[3]: 4\n",
    "an object": "!!python/object/apply:os.system ['true']",
    "a tab": "a:\n\t- b",
    "a date": "made: 9999-99-99\nscenes: 1\n",
}


def cases(folder: Path, seed: int) -> Iterator[Case]:
    """A home a case."""
    made = [*_jobs(), *_jobs_besides(), *_boards(), *_lineage(), *_projects(), *_damaged(random.Random(seed))]
    for number, (name, lay) in enumerate(made):
        home = folder / f"{number:03}"
        project = home / "projects" / "mine"
        project.mkdir(parents=True)
        (home / "jobs").mkdir()
        (project / "project.yaml").write_text("name: mine\n")
        lay(home)
        yield Case(name, ("--home", str(home)))


Lay = Callable[[Path], object]


def _job(text: str | bytes, name: str = "a.json") -> Lay:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda home: (home / "jobs" / name).write_bytes(data)


def _jobs() -> Iterator[tuple[str, Lay]]:
    """Job files with one value of another kind."""
    others: dict[str, list[Any]] = {
        "id": [None, 7, "../../../outside/x", "a\0b", "x" * 300],
        "kind": [None, 7, ["label"]],
        "title": [None, 7, "<script>alert(1)</script>", "x" * 1_000_000],
        "status": [None, 7, "asleep", "done"],
        "progress": [
            None,
            [],
            {"message": "x"},
            {**JOB["progress"], "step": "1"},
            {**JOB["progress"], "total": 1e999},
            {**JOB["progress"], "loss": "x"},
            {**JOB["progress"], "seconds_left": "soon"},
            {**JOB["progress"], "picture": 7},
            {**JOB["progress"], "result": "/dev/zero"},
            {**JOB["progress"], "extra": 1},
            {**JOB["progress"], "text": {"template": WIDE, "values": {"a": 1}}},
        ],
        "log": [
            None,
            7,
            "x",
            [1, None],
            [{"template": WIDE, "values": {"a": "b"}}],
            [{"template": "{a.__class__}", "values": {"a": 1}}],
            [{"template": "{b}", "values": {}}],
            ["x"] * 200_000,
        ],
        "losses": [None, 7, [[1]], [["a", "b"]], [[1, 1e999]], [[1, 0.5]] * 200_000],
        "error_template": [WIDE, "{missing}", 7],
        "error_values": [None, [], {"a": "b"}],
        "result": [7, "/dev/zero", "../../outside/canary.txt"],
        "created": [None, "x", 1e999, -1e300],
        "ended": ["x"],
        "extra": [1],
    }
    for name, values in others.items():
        for value in values:
            status = {"status": "failed"} if name.startswith("error") else {}
            yield f"a job whose {name} is {value!r:.40}", _job(json.dumps({**JOB, **status, name: value}))
        if name in JOB:
            yield f"a job without {name}", _job(json.dumps({key: JOB[key] for key in JOB if key != name}))


def _jobs_besides() -> Iterator[tuple[str, Lay]]:
    """What else may stand among the jobs."""
    for name, text in {**NOT_YAML, "an object": "{}", "not UTF-8": "é"}.items():
        yield f"a job that is {name}", _job(text.encode("latin-1"))
    yield "a job that is a folder", lambda home: (home / "jobs" / "a.json").mkdir()
    yield "a job that is a pipe", lambda home: os.mkfifo(home / "jobs" / "a.json")
    yield "a job that is endless", lambda home: (home / "jobs" / "a.json").symlink_to("/dev/zero")
    yield (
        "a job that is the canary",
        lambda home: (home / "jobs" / "a.json").symlink_to("../../../outside/canary.txt"),
    )
    yield "jobs that are a file", _no_folder
    yield (
        "1000 jobs",
        lambda home: [_job(json.dumps({**JOB, "id": f"{n}"}), f"{n}.json")(home) for n in range(1000)],
    )


def _no_folder(home: Path) -> None:
    (home / "jobs").rmdir()
    (home / "jobs").write_text("")


def _boards() -> Iterator[tuple[str, Lay]]:
    """Storyboards beside a video."""
    scenes = {
        "a number": "scenes: 7\n",
        "a list of words": "scenes: [a, b]\n",
        "a mapping": "scenes: {a: b}\n",
        "a page": BOARD.replace("It rains.", "<script>alert(1)</script>"),
        "endless numbers": BOARD.replace("number: 1", "number: .inf"),
    }
    for name, text in {**NOT_YAML, **scenes, "not UTF-8": "\xe9"}.items():
        yield f"a storyboard that is {name}", _board(text.encode("latin-1"))
    yield "a storyboard that is a pipe", lambda home: os.mkfifo(_video(home) / "storyboard.yaml")


def _board(data: bytes) -> Lay:
    return lambda home: (_video(home) / "storyboard.yaml").write_bytes(data)


def _video(home: Path) -> Path:
    video = home / "projects" / "mine" / "videos" / "rain"
    video.mkdir(parents=True)
    (video / "video.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    return video


def _lineage() -> Iterator[tuple[str, Lay]]:
    """What stands beside a LoRA about how it was made."""
    said = {
        "advice that is a number": "advice: 7\n",
        "advice of 300 MB": f"advice:\n- {{template: '{WIDE}', values: {{a: b}}}}\n",
        "advice without values": "advice:\n- {template: '{a}'}\n",
        "advice that asks for classes": "advice:\n- {template: '{a.__class__.__mro__}', values: {a: b}}\n",
        "advice of lists": "advice: [[[[1]]]]\n",
        "a page": "made: <script>alert(1)</script>\n",
    }
    for name, text in {**NOT_YAML, **said, "not UTF-8": "\xe9"}.items():
        yield f"lineage that is {name}", _note(text.encode("latin-1"))
    yield "lineage that is a pipe", lambda home: os.mkfifo(_lora(home).with_suffix(".yaml"))


def _note(data: bytes) -> Lay:
    return lambda home: _lora(home).with_suffix(".yaml").write_bytes(data)


def _lora(home: Path) -> Path:
    lora = home / "projects" / "mine" / "loras" / "lora_v1_mine_r8_ep1.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"\2\0\0\0\0\0\0\0{}")
    return lora


def _projects() -> Iterator[tuple[str, Lay]]:
    """Projects themselves."""
    for name, text in NOT_YAML.items():
        yield f"a project that is {name}", _in_project("project.yaml", text)
    yield "projects that lead to each other", lambda home: (home / "projects" / "other").symlink_to("mine")
    for name, text in {"deep": DEEP, "none": '{"messages": [1]}\n{"messages": null}\n[]\n'}.items():
        yield f"texts of a project that are {name}", _in_project("texts/main/train.jsonl", text)
    yield "texts of a project that are a folder", _in_project("texts/main/train.jsonl/a", "")


def _in_project(name: str, text: str) -> Lay:
    def lay(home: Path) -> None:
        path = home / "projects" / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return lay


def _damaged(chance: random.Random) -> Iterator[tuple[str, Lay]]:
    """Whole files of each kind after a few blows."""
    for number in range(10):
        yield f"a damaged job {number}", _job(mutated(json.dumps(JOB).encode(), chance))
        yield f"a damaged storyboard {number}", _board(mutated(BOARD.encode(), chance))
        yield f"damaged lineage {number}", _note(mutated(LINEAGE.encode(), chance))
