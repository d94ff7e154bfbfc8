"""A training of pictures that the system kills, again and again, ends at the numbers of an unbroken one."""

from __future__ import annotations

import json
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from core.lora.train import train
from core.settings.training import ImageTraining

CONTEXT = get_context("forkserver")  # imports what is heavy once; each training is a process of its own
CONTEXT.set_forkserver_preload(
    [
        "accelerate",
        "peft",
        "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
        "torch.utils.tensorboard",
        "transformers.models.clip.modeling_clip",
    ]
)
KILLS = (5, 12, 19)  # steps after which it is killed; each third one is saved, so most kills lose some


def trained(settings: ImageTraining) -> None:
    torch.set_num_threads(1)
    for _ in train(settings):
        pass


def start(settings: ImageTraining):
    process = CONTEXT.Process(target=trained, args=(settings,))
    process.start()
    return process


def curve(folder: Path) -> list[tuple[int, float, float]]:
    """Step, loss and rate of each whole line of the log."""
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}\n")]
    return [(line["step"], line["loss"], line["lr"]) for line in found if "lr" in line]


def numbers(folder: Path) -> bytes:
    """The finished file's bytes after its header, which holds the times of the run."""
    (path,) = folder.glob("lora_v1_*.safetensors")
    raw = path.read_bytes()
    return raw[8 + int.from_bytes(raw[:8], "little") :]


@pytest.mark.slow
def test_killed_in_mid_epoch_it_ends_at_the_same_file(image_settings, tmp_path):
    def settings(folder):
        return image_settings(
            output_dir=tmp_path / folder, name="x", save_steps=3, max_steps=26, epochs=2, dropout=0.2,
            ema=0.9, train_text_encoder=True, caption_dropout=0.3, noise_offset=0.05, keep_loras=0,
        )  # fmt: skip

    unbroken, folder = start(settings("unbroken")), tmp_path / "killed"
    for step in KILLS:
        process = start(settings("killed"))
        while len(curve(folder)) < step and process.is_alive():
            time.sleep(0.003)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert list((folder / "checkpoint").glob("step-*.json"))
    resumed = start(settings("killed"))
    for process in (resumed, unbroken):
        process.join(200)
        assert process.exitcode == 0
    assert numbers(folder) == numbers(tmp_path / "unbroken")
    assert curve(folder) == curve(tmp_path / "unbroken") and len(curve(folder)) == 26
