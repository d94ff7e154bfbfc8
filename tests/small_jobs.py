"""The studio's commands that write, each at its smallest, for tests of disks and kills.

Its fixtures `place` and `loras` are handed on by the conftests of tests/core and tests/faults.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import commands, terminal


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


def out() -> Path:
    """The folder that the commands write to."""
    Path("out").mkdir(exist_ok=True)
    return Path("out")


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
        ["prove", shutil.copy2(loras["image"], out() / "mine.safetensors"), "--base", base, "--seeds", 1,
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
