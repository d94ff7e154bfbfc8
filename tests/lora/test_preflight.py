"""Told and true agree: steps exactly, memory and disk within a tolerance, time once a run was measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
import torch
from PIL import Image

from core import device, families
from core.bases import picture_base
from core.families import unet as layers_of
from core.lora import preflight
from core.lora.adapters import attach
from core.lora.engine import loop, sample_plan
from core.lora.estimate import footprint, needs, timings
from core.lora.estimate import image as image_estimate
from core.lora.train import train
from core.progress import Progress
from core.project import ROOT
from core.settings.reading import dump
from core.settings.training import ImageTraining
from core.singlefile import CONFIGS
from tests.running import last

SD15 = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [32, 64, 128, 128], "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, "cross_attention_dim": 76,
    "attention_head_dim": 8,
}  # fmt: skip
SD21 = SD15 | {
    "use_linear_projection": True,
    "attention_head_dim": [4, 8, 16, 16],
    "cross_attention_dim": 102,
}
SDXL = json.loads((CONFIGS / "sdxl" / "unet" / "config.json").read_text()) | {
    "block_out_channels": [32, 64, 64],
    "attention_head_dim": [1, 2, 2],
    "transformer_layers_per_block": [1, 2, 3],
    "cross_attention_dim": 110,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
}
EMBEDDED = json.loads((ROOT / "assets" / "models" / "base" / "unet" / "config.json").read_text())


def others(folder, count: int):
    """A folder of pictures of two shapes, with captions."""
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (96, 96) if number % 2 else (96, 170), (0, number, 0)).save(folder / f"{number}.png")
    rows = "".join(f"{number}.png,a field\n" for number in range(count))
    (folder / "metadata.csv").write_text(f"file_name,text\n{rows}")
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 4, "epochs": 7},
        {"batch_size": 1, "gradient_accumulation": 4},
        {"gradient_accumulation": 2, "batch_size": 3, "holdout": 0.4},
        {"holdout": 0.2, "seed": 7, "batch_size": 3},
        {"max_steps": 5},
        {"max_steps": 500},
        {"resolution": 48, "batch_size": 5},
        {"batch_size": 4, "regular": 3},
    ],
)
def test_steps_are_those_of_the_loop(changes, recipe_of, image_settings, tmp_path):
    changes = dict(changes)
    if count := changes.pop("regular", 0):
        changes["reg_data_dir"] = others(tmp_path / "others", count)
    chosen = image_settings(**changes)
    assert preflight.needs(chosen).steps == loop.count_steps(recipe_of(chosen), chosen)
    for processes in (2, 3):
        expected = loop.count_steps(recipe_of(chosen), chosen, processes)
        assert preflight.needs(chosen, processes).steps == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "6 pictures × 3 passes, 2 at a time: 9 steps"),
        (
            {"gradient_accumulation": 2, "holdout": 0.34},
            "6 pictures (2 held out) × 3 passes, 2 × 2 at a time: 3 steps",
        ),
        (
            {"max_steps": 40},
            "6 pictures, 2 at a time: 40 steps, which are 13.3 passes",
        ),
    ],
)
def test_the_sum_names_all_that_is_in_it(changes, said, image_settings):
    assert str(next(preflight.lines(image_settings(**changes)))) == said


def test_the_sum_names_repeats_and_regularisation(image_settings, picture_folder, recipe_of, tmp_path):
    """sd-scripts' folders: each of six pictures thrice, and as many others."""
    shutil.copytree(picture_folder, tmp_path / "data" / "3_ink")
    chosen = image_settings(
        train_data_dir=tmp_path / "data", reg_data_dir=others(tmp_path / "others", 2), holdout=0.2
    )
    assert preflight.needs(chosen).steps == loop.count_steps(recipe_of(chosen), chosen) == 3 * 15
    assert str(next(preflight.lines(chosen))) == (
        "6 pictures (1 held out, 15 a pass with their repeats, as many regularisation pictures) "
        "× 3 passes, 2 at a time: 45 steps"
    )


def kept_bytes(unet, size: tuple[int, int], tokens: int, dtype: torch.dtype) -> int:
    """What autograd truly keeps of a forward pass for two samples, the weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in unet.parameters()}
    found: dict[int, torch.Tensor] = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            found.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    noisy = torch.randn(2, unet.config.in_channels, *size[::-1], dtype=dtype)
    text = torch.randn(2, tokens, unet.config.cross_attention_dim, dtype=dtype)
    told = {"text_embeds": torch.zeros(2, 16, dtype=dtype), "time_ids": torch.zeros(2, 6)}  # SDXL's
    half = dtype != torch.float32
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", dtype, enabled=half),
    ):
        unet(noisy, torch.tensor([500, 20]), text, added_cond_kwargs=told).sample.float().square().mean()
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


def bare(unet) -> Any:
    """A pipeline that holds a UNet alone."""
    kind = "StableDiffusionXLPipeline" if unet.config.addition_embed_type else "StableDiffusionPipeline"
    parts = {"unet": unet, "text_encoder": None, "text_encoder_2": None, "vae": torch.nn.Identity()}
    return type(kind, (), parts)()


@pytest.mark.parametrize("config", [EMBEDDED, SD15, SD21, SDXL], ids=["embedded", "sd15", "sd21", "sdxl"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"target_modules": ("all",), "lora_rank": 16},
        {"network": "dora"},
        {"target_modules": ("to_q", "to_v")},
    ],
    ids=["attention", "all", "dora", "q and v"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_what_a_step_keeps_and_a_lora_holds(config, changes, dtype):
    from diffusers import UNet2DConditionModel

    chosen, size, tokens = ImageTraining(**changes), (16, 24), 20
    unet = UNet2DConditionModel.from_config(config)
    pipeline = bare(unet)
    attach.add_loras(pipeline, chosen, dtype)
    unet.to(memory_format=torch.contiguous_format if dtype == torch.float32 else torch.channels_last)
    blocks = list(layers_of.blocks(config, size, tokens))
    targets = attach.meant(chosen.target_modules, families.of(pipeline).LAYERS)
    rank, network, half = chosen.lora_rank, chosen.network, dtype != torch.float32
    held = sum(p.numel() for p in unet.parameters() if p.requires_grad)
    assert footprint.lora_numbers(blocks, targets, rank, network) == held
    kept = footprint.kept(blocks, targets, rank, half, network=network)
    counted = (2 * kept.sample + kept.once) * dtype.itemsize
    assert counted == pytest.approx(kept_bytes(unet, size, tokens, dtype), rel=0.15)


@pytest.mark.parametrize("network", ["loha", "lokr"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_what_a_loha_and_a_lokr_keep_and_hold(network, dtype):
    changes = {"network": network, "target_modules": ("all",), "lora_rank": 4}
    test_what_a_step_keeps_and_a_lora_holds(SDXL, changes, dtype)


def test_checkpointing_keeps_less(image_settings):
    blocks = list(layers_of.blocks(EMBEDDED, (16, 24), 40))
    plain, less = (footprint.kept(blocks, ["to_q"], 8, True, checkpointing=on) for on in (False, True))
    assert less.sample < plain.sample / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"base_model": "embedded"},
        {
            "base_model": "embedded", "resolution": 256, "batch_size": 12,
            "train_data_dir": ROOT / "assets" / "sample" / "pictures",
        },
    ],
    ids=["embedded", "large"],
)  # fmt: skip
def test_memory_is_that_of_a_true_run(changes, image_settings, tmp_path):
    """A process of its own, whose highest resident memory the kernel tells."""
    chosen = image_settings(**{"max_steps": 2, "batch_size": 4} | changes)
    (tmp_path / "run.yaml").write_text(dump(chosen), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from core import device;"
        "from core.settings import reading, training as settings;"
        "from core.lora.train import train;"
        "s = settings.training(reading.read_yaml(Path(sys.argv[1]))); list(train(s));"
        "print(device.peak_memory_bytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run.yaml")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    true = int(done.stdout.split()[-1])
    print(f"told {preflight.needs(chosen).memory / 1e6:.0f} MB, measured {true / 1e6:.0f} MB")
    told = preflight.needs(chosen).memory
    assert 0.8 * told < true < 1.15 * told  # a crowded machine takes pages of libraries away


def test_disk_is_what_a_run_leaves_at_its_height(image_settings, own_cache):
    chosen = image_settings(lora_rank=64, target_modules=("all",), save_steps=2, epochs=3)
    most = 0
    for _ in train(chosen):
        files = [path for folder in (chosen.output_dir, own_cache) for path in folder.rglob("*.safetensors")]
        most = max(most, sum(path.stat().st_size for path in files))
    one = max(path.stat().st_size for path in [*chosen.output_dir.rglob("*.safetensors")])
    assert 0.7 * most < preflight.needs(chosen).disk < 1.6 * most + one


def test_time_is_unknown_until_a_run_and_then_of_its_order(image_settings, tmp_path):
    chosen = image_settings(epochs=4)
    assert preflight.needs(chosen).seconds is None
    assert "time: unknown until the first run with this base and size" in map(str, preflight.lines(chosen))
    last(chosen)
    known = preflight.needs(chosen)
    lines = [json.loads(line) for line in (chosen.output_dir / "metrics.jsonl").read_text().splitlines()]
    assert 0 < known.seconds < 3 * (lines[-1]["time"] - lines[0]["time"]) + 1
    figures = timings._all()
    key, each = next(item for item in figures.items() if item[0].count("|") == 3)
    encoding, pace = (figures[f"{key} | {part}"] for part in (timings.ENCODING, timings.PACE))
    drawing = pace * (picture_base.drawing(chosen.base_model).steps + sample_plan.DECODING)
    assert encoding > 0 and drawing > 0
    steps, besides = 24 * each * 6 / 3, 6 * encoding + 2 * drawing
    assert known.seconds == pytest.approx(steps / 2 + besides)
    assert preflight.needs(image_settings(epochs=8)).seconds == pytest.approx(steps + besides)
    more = image_settings(epochs=8, sample_steps=4, sample_prompts=("a", "b"))
    assert preflight.needs(more).seconds == pytest.approx(steps + 6 * encoding + 14 * drawing)
    proved = image_settings(epochs=4, prove=True)
    assert any(str(line).endswith("the proof comes on top") for line in preflight.lines(proved))
    image_estimate.remember(proved, [0], [(32, 32)] * 4 + [(32, 56)] * 2, {timings.PROVING: [30.0]})
    assert preflight.needs(proved).seconds == pytest.approx(known.seconds + 30)
    assert preflight.needs(image_settings(resolution=64)).seconds is None
    timings.file().write_text("{damaged")
    assert preflight.needs(chosen).seconds is None


def test_only_plain_steps_are_timed():
    reports = [
        Progress("Training", 1, 4, loss=0.1), Progress("Training", 2, 4, loss=0.1),
        Progress("Drawing samples", 0, 2), Progress("Drawing samples", 1, 2),
        Progress("Drawing samples", 1, 2, text="x"), Progress("Training", 3, 4, loss=0.1),
        Progress("Training", 4, 4, loss=0.1),
    ]  # fmt: skip
    seconds: dict[str, list[float]] = {}
    assert list(timings.watched((one for one in reports), seconds)) == reports
    assert {message: len(taken) for message, taken in seconds.items()} == {
        "Training": 2,
        "Drawing samples": 1,
    }


def test_closing_a_timed_job_closes_the_job():
    closed = []

    def job():
        try:
            yield Progress("Training", 1, 2)
        finally:
            closed.append(True)

    steps = timings.watched(job(), {})
    next(steps)
    steps.close()
    assert closed == [True]


def test_what_does_not_fit_is_said_with_the_setting_that_helps(image_settings, monkeypatch):
    chosen = image_settings(batch_size=4, base_model="embedded", resolution=512)
    needed = preflight.needs(chosen).memory
    smaller = chosen.model_copy(update={"batch_size": 2, "gradient_accumulation": 2})
    free = preflight.needs(smaller).memory
    assert free < needed
    monkeypatch.setattr(device, "available_bytes", lambda where: free)
    said = [str(line) for line in preflight.lines(chosen)]
    assert said[-1] == "It may not fit into memory: set batch_size=2, gradient_accumulation=2."
    assert not any("may not fit" in str(line) for line in preflight.lines(smaller))
    monkeypatch.setattr(device, "available_bytes", lambda where: 0)
    assert "choose a smaller base_model" in [str(line) for line in preflight.lines(chosen)][-1]


def test_a_hub_base_is_unknown_and_a_single_file_is_read_by_its_header(image_settings, tmp_path, sd15):
    from tests.original_layout import write

    hub = list(map(str, preflight.lines(image_settings(base_model="owner/name"))))
    assert "memory and disk: unknown until the base model is on this machine" in hub
    path = tmp_path / "sd15.safetensors"
    write(sd15, path)
    config = picture_base.read_config(str(path))
    assert config.numbers["unet"] == sum(p.numel() for p in sd15.unet.parameters())
    assert config.parts["unet"]["block_out_channels"] == list(sd15.unet.config.block_out_channels)
    assert preflight.needs(image_settings(base_model=str(path))).memory > needs.LIBRARIES_BYTES


def test_a_hub_base_is_known_once_it_was_fetched(image_settings, tiny_base, tmp_path, monkeypatch):
    from huggingface_hub import constants

    place = tmp_path / "hub" / "models--someone--tiny"
    shutil.copytree(tiny_base, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    chosen = image_settings(base_model="someone/tiny")
    assert preflight.needs(chosen).seconds is None
    assert preflight.needs(chosen).memory == preflight.needs(image_settings()).memory
    last(chosen)
    assert preflight.needs(chosen).seconds > 0 and preflight.needs(image_settings()).seconds is None
    (place / "snapshots" / ("0" * 40) / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert preflight.needs(chosen).memory is None


def test_a_stable_diffusion_xl_is_told_of_with_both_its_encoders(
    sdxl, sdxl_file, sdxl_folder, recipe_of, image_settings
):
    for base in (sdxl_file, sdxl_folder):
        told = picture_base.read_config(str(base))
        for name in ("unet", "text_encoder", "text_encoder_2"):
            true = sum(p.numel() for p in getattr(sdxl, name).parameters())
            assert told.numbers[name] == pytest.approx(true, rel=1e-3), name
        assert told.parts["text_encoder_2"]["num_hidden_layers"] == 3
    chosen = image_settings(
        base_model=str(sdxl_file), resolution=64, train_text_encoder=True, target_modules=("all",)
    )
    recipe = recipe_of(chosen)
    held = sum(p.numel() for group in recipe.groups() for p in group.parameters.values())
    assert image_estimate._lora_numbers(chosen, picture_base.read_config(str(sdxl_file))) == held
    found = preflight.needs(chosen)
    assert found.steps == loop.count_steps(recipe, chosen)
    assert found.memory > preflight.needs(chosen.model_copy(update={"train_text_encoder": False})).memory
    assert recipe.family.side_unit(families.configs(recipe.pipeline)) == 32


def test_the_command_says_it_and_loads_no_model(image_settings, tmp_path):
    chosen = image_settings()
    (tmp_path / "run.yaml").write_text(dump(chosen), encoding="utf-8")
    code = (
        "import sys; from core import commands;"
        "status = commands.run(['train', '--config', sys.argv[1], '--preflight'], lambda _: 0);"
        "print(status, sorted({'diffusers', 'peft', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run.yaml")], cwd=ROOT, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "6 pictures × 3 passes, 2 at a time: 9 steps", done.stderr
    assert [line.split(":")[0] for line in lines[1:4]] == ["time", "memory", "disk"]
    assert lines[-1] == "0 []" and not chosen.output_dir.exists()
