"""A disk that is full, closed or gone, in every command that writes: one sentence, and nothing half-written.

What is full is a real limit of the system on a file's size. It is raised, for a training until it gets
through, so that each of its files is once the one that has no room.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import disk, kept, project, terminal
from core.messages import Mistake
from core.project import Home
from tests.limits import posix, room
from tests.small_jobs import WRITING, run, text_yaml

pytestmark = posix
LIMITS = (16, 4_000, 60_000)  # bytes
TRAINING_LIMITS = [16 * 8**power for power in range(7)]


@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk_is_one_sentence_in_every_command(
    name: str,
    place: Path,
    tiny_base: Path,
    tiny_llm: Path,
    loras: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from core.texts import topics

    monkeypatch.setattr(topics, "DRAWN", 1)
    monkeypatch.setattr(topics, "TOKENS_A_WORD", 1)
    monkeypatch.setattr(kept, "folder", lambda: place / "kept")
    terminal.quiet_threads()
    arguments = WRITING[name](place, tiny_base, tiny_llm, loras)
    refused = 0
    training = name.startswith("train")
    for limit in TRAINING_LIMITS if training else LIMITS:
        with room(limit):
            status = run(*arguments)
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err and "Errno" not in shown.err, shown.err
        assert not [path for path in place.rglob("*.part*") if path.is_file()], limit
        if status == 0:
            break
        refused += 1
        said = [line for line in shown.err.splitlines() if line.startswith("studio:")]
        assert status == 2 and len(said) == 1, shown.err
        assert said[0].startswith(f"studio: There is no room left on the disk of {place}"), said
    assert refused and (status == 0 or not training)


def test_what_was_made_before_is_kept(
    place: Path, tiny_llm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A training whose disk fills goes on from its last checkpoint once there is room."""
    yaml = text_yaml(place, tiny_llm)
    assert run("train", "--config", yaml, "max_steps=2", "keep_loras=0") == 0
    finished = next((place / "out" / "text").glob("lora_v1_*"))
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    with room(60_000):
        assert run("train", "--config", yaml, "max_steps=4") == 2
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder in which nobody, not even the administrator, can make anything."""
    if os.geteuid() == 0 and sys.platform == "linux":
        return Path("/sys/kernel")
    (tmp_path / "closed").mkdir(mode=0o500)
    return tmp_path / "closed"


@pytest.mark.parametrize("name", ["texts", "train text", "export", "merge", "write", "compose"])
def test_a_closed_folder_is_one_sentence(
    name: str,
    place: Path,
    closed: Path,
    tiny_base: Path,
    tiny_llm: Path,
    loras: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = WRITING[name](place, tiny_base, tiny_llm, loras)
    if name == "train text":
        arguments.append(f"output_dir={closed}/out")
    else:
        arguments[-1] = closed / Path(str(arguments[-1])).name
    assert run(*arguments) == 2
    shown = capsys.readouterr().err
    assert (
        f"studio: {closed} can't be written to; choose another folder" in shown and "Traceback" not in shown
    )


def test_a_home_that_is_closed_is_one_sentence(closed: Path) -> None:
    with pytest.raises(Mistake, match="can't be written to; choose another"), Home(closed / "home").opened():
        pass


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("past.txt/train.jsonl", "past.txt can't be written where a file or folder stands in its way"),
        ("pictures", "is there already; choose another name"),
        (f"{'long' * 70}.jsonl", "is too long for the disk"),
    ],
)
def test_what_stands_in_the_way_is_named(
    place: Path, output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("texts", "past.txt", "--output", output) == 2
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1
    assert (place / "pictures").is_dir() and (place / "past.txt").is_file()


def test_a_folder_that_goes_away_while_it_is_trained_in(
    place: Path, tiny_llm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The logs are told of as gone; the checkpoint is still saved, in the folder made anew."""
    from core.lora.train import train
    from core.settings import reading, training

    chosen = training.training(reading.read_settings(text_yaml(place, tiny_llm)) | {"max_steps": "400"})
    terminal.quiet_threads()
    with pytest.raises(Mistake, match=r"out/text.* is no longer there; put it back"):
        for report in train(chosen):
            if report.step == 5 and report.loss is not None:
                shutil.rmtree(place / "out" / "text")
                (place / "out" / "text").write_text("in its place")
                (place / "out" / "text").unlink()
    assert "Traceback" not in capsys.readouterr().err
    assert list((place / "out" / "text" / "checkpoint").glob("step-*.safetensors"))


def silent(path: Path) -> None:
    """Pillow keeps the system's reason to itself."""
    Image.effect_noise((400, 400), 90).save(path)


def in_rust(path: Path) -> None:
    """safetensors tells it in words."""
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(9000)}, path)


def in_numpy(path: Path) -> None:
    with path.open("wb") as file:
        np.zeros(9000).tofile(file)


def in_a_folder(path: Path) -> None:
    path.mkdir()
    (path / "one").write_bytes(bytes(100))
    (path / "two").write_bytes(bytes(9000))


@pytest.mark.parametrize("write", [silent, in_rust, in_numpy, in_a_folder])
def test_each_library_tells_it_in_its_own_way(tmp_path: Path, write: Callable[[Path], None]) -> None:
    target = tmp_path / "some 图.png"
    with pytest.raises(Mistake) as caught, room(4000), project.replacing(target) as part:
        write(part)
    assert caught.value.values == {"folder": tmp_path} and "no room" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_disks_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), project.replacing(tmp_path / "a") as part:
        part.write_text("x")
        raise ValueError("mine")
    with pytest.raises(FileNotFoundError), project.replacing(tmp_path / "a"):
        pass  # a bug of ours: nothing was written
    assert disk.mistake(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) is None
    assert disk.mistake(Mistake("No space left on device")) is None
    assert disk.mistake(OSError("no such thing")) is None


def test_a_file_that_cant_be_read_is_not_said_to_be_written(tmp_path: Path) -> None:
    source = tmp_path / "there" / "source.txt"
    source.parent.mkdir()
    with pytest.raises(Mistake, match=r"source\.txt is no longer there"), project.replacing(tmp_path / "a"):
        shutil.copyfile(source.parent / "source.txt", tmp_path / "a")


def test_an_error_without_a_file_names_the_fullest_place(place: Path) -> None:
    told = disk.mistake(OSError(errno.ENOSPC, "No space left on device"))
    assert told and Path(str(told.values["folder"])).is_dir()
