"""A disk that is full, closed or gone, in every command that writes: one sentence, and nothing half-written.

What is full is a real limit of the system on a file's size. It is raised, for a training until it gets
through, so that each of its files is once the one that has no room.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import commands, disk, project, terminal
from core.jobs import Mistake
from tests.limits import posix, room

pytestmark = posix
LIMITS = (16, 4_000, 60_000)  # bytes
TRAINING_LIMITS = [16 * 8**power for power in range(7)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures, texts and a home and cache of its own, in a folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        picture = Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8))
        picture.save(tmp_path / "pictures" / f"{number}.png")
    things = ("river", "heron", "kettle", "baker", "ferry", "bridge", "lantern", "swallow")
    (tmp_path / "past.txt").write_text(
        "\n\n".join(f"The {one} is up before anybody asks it." for one in things)
    )
    return tmp_path


def run(*arguments: object) -> int:
    return terminal.run(lambda: commands.run(list(map(str, arguments)), lambda _: 1))


def config(place: Path, **values: object) -> Path:
    path = place / f"{values['kind']}.yaml"
    path.write_text(json.dumps({key: str(value) for key, value in values.items()}))
    return path


def image_yaml(place: Path, base: Path) -> Path:
    captions = "".join(f"{number}.png,a boat {number}\n" for number in range(3))
    (place / "pictures" / "metadata.csv").write_text(f"file_name,text\n{captions}")
    return config(place, kind="image", base_model=base, train_data_dir="pictures", output_dir="out/image",
                  max_steps=3, save_steps=1, precision="fp32", seed=1)  # fmt: skip


def text_yaml(place: Path, base: Path) -> Path:
    return config(place, kind="text", base_model=base, train_data_path="past.txt", output_dir="out/text",
                  max_steps=3, save_steps=1, precision="fp32", sample_topics="a boat")  # fmt: skip


@pytest.fixture(scope="module")
def loras(tiny_base: Path, tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small LoRA of each kind."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        there = place.__wrapped__(tmp_path_factory.mktemp("loras"), patch)
        for kind, yaml in (("image", image_yaml(there, tiny_base)), ("text", text_yaml(there, tiny_llm))):
            assert run("train", "--config", yaml) == 0
            made[kind] = next((there / "out" / kind).glob("lora_v1_*[!l]")).resolve()
    return made


Command = Callable[[Path, Path, Path, dict[str, Path]], list[object]]
WRITING: dict[str, Command] = {
    "label": lambda place, base, llm, loras: ["label", "pictures", "--output", "out/metadata.csv"],
    "texts": lambda place, base, llm, loras: ["texts", "past.txt", "--output", "out/train.jsonl"],
    "topics": lambda place, base, llm, loras: (
        ["topics", "past.txt", "--base-model", llm, "--output", "out/train.jsonl"]
    ),
    "train image": lambda place, base, llm, loras: ["train", "--config", image_yaml(place, base)],
    "train text": lambda place, base, llm, loras: ["train", "--config", text_yaml(place, llm)],
    "export": lambda place, base, llm, loras: ["export", loras["image"], "--output", "out/x.safetensors"],
    "merge": lambda place, base, llm, loras: ["merge", loras["text"], "--output", "out/merged"],
    "prove": lambda place, base, llm, loras: (
        ["prove", shutil.copy2(loras["image"], "mine.safetensors"), "--base", base, "--seeds", 1,
         "--steps", 1, "--prompts", "a boat", "--weights", "1", "--pictures", "pictures"]
    ),
    "write": lambda place, base, llm, loras: (
        ["write", "--topic", "a river", "--scenes", 2, "--seconds", 4, "--text-base", llm, "--image-base",
         base, "--voice", "none", "--output", "out/board.yaml"]
    ),
    "compose": lambda place, base, llm, loras: (
        ["compose", "--topic", "a river", "--scenes", 2, "--seconds", 4, "--text-base", llm, "--image-base",
         base, "--voice", "none", "--width", 108, "--height", 192, "--fps", 5, "--output", "out/v.mp4"]
    ),
}  # fmt: skip


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
    from core import settings
    from core.lora.train import train

    chosen = settings.training(settings.read_settings(text_yaml(place, tiny_llm)) | {"max_steps": "400"})
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
