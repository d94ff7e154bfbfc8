"""A small, fixed part of the hostile cases, and that the watch sees what it is there for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

if not hasattr(os, "fork") or sys.platform != "linux":
    pytest.skip("cases are forked, and their memory is read from Linux", allow_module_level=True)


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_a_sample_of_hostile_input_is_told_in_one_sentence_each():
    done = python("-m", "tests.hostile", "--only", "pictures", "fuzz", "--sample", "40", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr


MISDEEDS = """
import json, os, pathlib, socket, subprocess, sys
from core import commands
from core.jobs import Mistake
from core.texts.rendering import Renderer
from tests.hostile import run
from tests.hostile.case import Case

run.CPU_SECONDS, run.MEMORY_MB = 2, 100
place = run.Place.make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]) / "cache")
folder = place.kind("misdeeds")
outside = place.outside / "canary.txt"
link = folder / "link.txt"
link.symlink_to(outside)


def twice():
    print("studio: one", file=sys.stderr)
    raise Mistake("two")


def endless():
    while True:
        pass


def template():
    turns = [{"role": "user", "content": "x" * 8}]
    assert Renderer().render("{{ messages[0].content }}", turns, {}) == "x" * 8


deeds = {
    "nothing": lambda: link.read_text(),
    "nothing by a table of disks": lambda: pathlib.Path("/proc/mounts").read_text(),
    "nothing by a template": template,
    "reads": lambda: outside.read_text(),
    "writes": lambda: (place.outside / "new").write_text("x"),
    "changes": lambda: os.mkdir(place.outside / "folder"),
    "starts a program": lambda: subprocess.run(["true"]),
    "asks the network": lambda: socket.create_connection(("127.0.0.1", 9)),
    "a traceback": lambda: [][1],
    "ends with status 3": lambda: sys.exit(3),
    "takes more than 2 s": endless,
    "takes 1": lambda: b"x" * (120 << 20),
    "2 sentences of error": twice,
    "a line of 2000 signs": lambda: print("x" * 2000),
    "sends the terminal": lambda: print("\\x1b[2J"),
    "says what stands outside": lambda: print(link.read_text()),
    "writes what stands outside": lambda: (folder / "copy").write_text(link.read_text()),
    "leaves x.part.png": lambda: (folder / "x.part.png").write_text("x"),
    "leaves that among the temporary": lambda: (place.temporary / "that").write_text("x"),
}
seen = {}
for told, deed in deeds.items():
    commands.run = lambda argv, opened: 0 if deed() else 0
    seen[told] = run.tried(Case(told, ()), folder, place).faults
print(json.dumps(seen))
"""


def test_the_watch_sees_each_misdeed(tmp_path):
    done = python("-c", MISDEEDS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop("nothing") == [], "what a link in the folder leads to is the folder's"
    assert seen.pop("nothing by a table of disks") == [], "a library asks which disks there are"
    assert seen.pop("nothing by a template") == [], "the studio's own process renders it"
    assert len(seen) == 16
    for told, faults in seen.items():
        assert any(fault.startswith(told) for fault in faults), (told, faults)
