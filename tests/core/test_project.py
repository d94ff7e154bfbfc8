"""A project's folders, names and atomic writes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from core import lineage, project
from core.messages import Mistake
from core.project import Home, Project


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "图 片" / "a.csv"
    project.write_atomic(target, "old")
    with pytest.raises(RuntimeError), project.replacing(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["a.csv"]


def test_a_flushed_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut there is the old file or the new one: file, then name, then the folder's entry."""
    done: list[str] = []
    flush, rename, mine = os.fsync, os.replace, threading.get_ident()

    def note(what: str) -> None:
        if threading.get_ident() == mine:  # another test's runner may still write
            done.append(what)

    def fsync(handle: int) -> None:
        note("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    def replace(part: Path, path: Path) -> None:
        assert part.stat().st_size
        note("name")
        rename(part, path)

    monkeypatch.setattr(project.os, "fsync", fsync)
    monkeypatch.setattr(project.os, "replace", replace)
    with project.replacing(tmp_path / "a.safetensors", flush=True) as part:
        part.write_bytes(b"new")
    project.write_atomic(tmp_path / "a.json", "{}")
    assert done == ["file", "name", "folder"] * 2
    with project.replacing(tmp_path / "cache") as part:
        part.write_bytes(b"what can be made again waits for no disk")
    assert done[6:] == ["name"]


def test_threads_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    """The window saves captions from whichever thread an event gets."""
    target, both = tmp_path / "a.csv", threading.Barrier(2, timeout=60)

    def write(text: str) -> str:
        with project.replacing(target) as part:
            part.write_text(text)
            both.wait()  # both parts stand now
        return text

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, ("one", "two"))) == ["one", "two"]
    assert target.read_text() in ("one", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def dead() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    gone, elsewhere = dead(), tmp_path / "elsewhere"
    home = tmp_path / "home"
    for folder in (home / "projects" / "a", elsewhere):
        folder.mkdir(parents=True)
        (folder / f".video.{gone}-7.part.mp4").touch()
    left = home / "projects" / f".lora.v1.{gone}-140737.part"
    (left / "inside").mkdir(parents=True)
    (home / f".job.{os.getpid()}-1.part.json").touch()  # of an earlier process with the same number
    (home / "link").symlink_to(elsewhere)
    (home / f".linked.{gone}-1.part").symlink_to(elsewhere)
    mine = [
        home / name
        for name in (f".x.{os.getppid()}-1.part", f"x.{gone}-1.part", ".x.part", f".{gone}-1.part")
    ]
    for path in mine:
        path.touch()
    project.sweep(home, within=True)
    assert sorted(path for path in home.rglob("*") if path.is_file()) == sorted(mine)
    assert not left.exists() and len(list(elsewhere.iterdir())) == 1
    with Home(home).opened():
        assert (elsewhere / f".video.{gone}-7.part.mp4").exists()


def test_a_folder_is_swept_at_its_first_write_alone(tmp_path: Path) -> None:
    left = tmp_path / f".a.{dead()}-7.part.csv"
    left.touch()
    project.write_atomic(tmp_path / "b.csv", "x")
    assert not left.exists()
    left.touch()
    project.write_atomic(tmp_path / "b.csv", "x")
    assert left.exists(), "a listing of the folder for every file would be slow"


HOLDER = """
import sys
from pathlib import Path
from core.jobs import Mistake
from core.project import alone
with alone(Path(sys.argv[1]), Mistake("taken")):
    print("in", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen]:
    """A process that keeps others out of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout and process.stdout.readline() == "in\n"
    yield process
    process.kill()
    process.communicate()


def test_one_process_alone_is_in_a_folder_and_a_kill_frees_it(tmp_path: Path) -> None:
    folder, taken = tmp_path / "run", Mistake("taken")
    with holder(folder) as process:
        with pytest.raises(Mistake, match="taken"), project.alone(folder, taken):
            raise AssertionError
        process.kill()
        process.wait()
        assert (folder / ".lock").exists()
        with (
            project.alone(folder, taken),
            pytest.raises(Mistake, match="taken"),
            project.alone(folder, taken),
        ):
            raise AssertionError
    assert list(folder.iterdir()) == [], "nothing is left of it"
    with holder(folder) as process:
        process.communicate("")
    assert list(folder.iterdir()) == []


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), project.alone(tmp_path / "new", Mistake("taken")):
        raise RuntimeError
    (tmp_path / "old").mkdir()
    with project.alone(tmp_path / "old", Mistake("taken")):
        pass
    with project.alone(tmp_path / "used", Mistake("taken")):
        (tmp_path / "used" / "x").touch()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["old", "used"]


def test_a_disk_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(project, "_lock", unknown)
    with project.alone(tmp_path, Mistake("taken")), project.alone(tmp_path, Mistake("taken")):
        pass


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("a quiet morning!", "a-quiet-morning"),
        ("水墨 风", "水墨-风"),
        ("../../etc", "etc"),
        ("ink_v2", "ink_v2"),
    ],
)
def test_safe_names(typed: str, name: str) -> None:
    assert project.safe_name(typed) == name


def test_a_name_of_nothing_is_refused() -> None:
    with pytest.raises(Mistake, match="letters or digits"):
        project.safe_name("🙂 / ..")


def test_unused_counts_up(tmp_path: Path) -> None:
    assert project.unused(tmp_path / "v.mp4").name == "v.mp4"
    (tmp_path / "v.mp4").touch()
    (tmp_path / "v-2.mp4").touch()
    assert project.unused(tmp_path / "v.mp4").name == "v-3.mp4"


def test_the_library_lists_newest_first(tmp_path: Path) -> None:
    mine = Project(tmp_path / "p")
    for age, name in enumerate(("lora_v2_ink_r8_ep10", "lora_v1_ink_r8_ep10")):
        file = mine.loras() / f"{name}.safetensors"
        file.touch()
        os.utime(file, (1e9 - age, 1e9 - age))
        (mine.loras() / f"{name}_text").mkdir()
        (mine.loras() / f"{name}_text" / "adapter_config.json").touch()
    assert [path.stem for path in mine.image_loras()] == ["lora_v2_ink_r8_ep10", "lora_v1_ink_r8_ep10"]
    assert len(mine.text_loras()) == 2 and mine.videos() == []
    assert mine.new_run("ink").name == "ink" and mine.new_run("ink").name == "ink-2"


def test_the_sample_project_is_copied_once_and_edits_stay(tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    for kind, name in (("pictures", "a.jpg"), ("texts", "n.jsonl")):
        (sample / kind).mkdir(parents=True)
        (sample / kind / name).write_text("original")
    home = Home(tmp_path / "home")
    opened = home.sample_project(sample)
    (opened.images() / "a.jpg").write_text("edited")
    assert (home.sample_project(sample).images() / "a.jpg").read_text() == "edited"
    assert [p.name for p in home.projects()] == ["river-town"]


def test_lineage_is_plain_yaml(tmp_path: Path) -> None:
    artefact = tmp_path / "x.safetensors"
    artefact.touch()
    path = lineage.write_lineage(artefact, lineage.lineage(base=Path("b"), seeds=[1, 2]))
    values = yaml.safe_load(path.read_text())
    assert path.name == "x.yaml" and values["base"] == "b" and values["seeds"] == [1, 2] and values["made"]


def test_captions_are_written_as_the_imagefolder_layout(tmp_path: Path) -> None:
    path = project.write_captions(tmp_path / "metadata.csv", {"小 船.jpg": 'a "red" boat, river'})
    assert path.read_text(encoding="utf-8") == 'file_name,text\n小 船.jpg,"a ""red"" boat, river"\n'
