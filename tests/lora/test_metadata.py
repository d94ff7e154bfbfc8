"""What a LoRA's file says about itself: every field of sd-scripts and of ModelSpec, and that it is true."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.lineage import read_lineage
from core.lora.adapters import image_file, metadata
from core.lora.adapters.facts import ImageFacts, RunFacts
from core.messages import Mistake
from core.settings.training import ImageTraining
from tests.running import last

FACTS = ImageFacts(**{
    "pictures": 30, "held_out": 3, "regularisation": 4, "samples": 54, "sizes": ["448x576", "512x512"],
    "square": (512, 512), "buckets": [14, 48], "folders": {"2_ink": [2, 30]}, "precision": "bf16",
    "folder": "ink set", "base_hash": "ab" * 32, "base_legacy_hash": "01234567",
    "base_names": ("sd_v1", "stable-diffusion-v1"), "prediction_type": "epsilon", "tags": {"inkwash": 30},
    "data": "", "run": RunFacts("prodigyopt.prodigy.Prodigy", [1.0, 1.0], planned_steps=70, epoch_steps=14),
})  # fmt: skip
GOLDEN = {
    "ss_v2": "False", "ss_base_model_version": "sd_v1", "ss_network_module": "networks.lora",
    "ss_network_dim": "8", "ss_network_alpha": "4.0", "ss_network_dropout": "0.1",
    "ss_network_args": '{"target_modules": ["to_q", "to_v"]}', "ss_output_name": "ink style",
    "ss_resolution": "(512, 512)", "ss_enable_bucket": "True",
    "ss_bucket_info": '{"buckets": {"0": {"resolution": [448, 576], "count": 14}, '
                      '"1": {"resolution": [512, 512], "count": 48}}}',
    "ss_num_train_images": "54", "ss_num_validation_images": "3", "ss_num_reg_images": "4",
    "ss_num_epochs": "5", "ss_epoch": "3", "ss_steps": "40", "ss_max_train_steps": "70",
    "ss_learning_rate": "1.0", "ss_unet_lr": "1.0", "ss_text_encoder_lr": "1.0",
    "ss_optimizer": "prodigyopt.prodigy.Prodigy(weight_decay=0.01)", "ss_lr_scheduler": "cosine",
    "ss_lr_warmup_steps": "0", "ss_batch_size_per_device": "4", "ss_gradient_accumulation_steps": "1",
    "ss_mixed_precision": "bf16", "ss_seed": "42", "ss_noise_offset": "0.05", "ss_min_snr_gamma": "5.0",
    "ss_caption_dropout_rate": "0.05", "ss_sd_model_hash": "01234567", "ss_new_sd_model_hash": "ab" * 32,
    "ss_sd_model_name": "v1-5.safetensors", "ss_tag_frequency": '{"ink set": {"inkwash": 30}}',
    "ss_dataset_dirs": '{"2_ink": {"n_repeats": 2, "img_count": 30}}', "modelspec.sai_model_spec": "1.0.1",
    "modelspec.architecture": "stable-diffusion-v1/lora", "modelspec.title": "ink style",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "modelspec.resolution": "512x512", "modelspec.prediction_type": "epsilon",
    "modelspec.trigger_phrase": "inkwash", "modelspec.usage_hint": "Put inkwash first in the prompt.",
}  # fmt: skip


def chosen(**changes):
    return ImageTraining(
        base_model="models/v1-5.safetensors", output_dir=Path("out/ink style"), trigger="inkwash", epochs=9,
        lora_alpha=4, dropout=0.1, target_modules=("to_q", "to_v"), noise_offset=0.05, optimizer="prodigy",
        train_text_encoder=True, max_steps=70, **changes,
    )  # fmt: skip


def test_every_field_as_sd_scripts_and_modelspec_have_it():
    said = metadata.describe(chosen(), FACTS, 40)
    assert said.pop("modelspec.date").startswith("20") and said == GOLDEN
    plain = metadata.describe(chosen(), replace(FACTS, base_hash="", base_legacy_hash=""), 40)
    assert not any("sd_model_hash" in name for name in plain)


@pytest.mark.parametrize(("network", "algo"), [("dora", "lora"), ("loha", "loha"), ("lokr", "lokr")])
def test_a_network_that_sd_scripts_lacks_is_told_as_lycoris(network, algo):
    said = metadata.describe(chosen(network=network), FACTS, 40)
    arguments = json.loads(said["ss_network_args"])
    assert said["ss_network_module"] == "lycoris.kohya" and arguments["algo"] == algo
    assert arguments.get("dora_wd") == ("True" if network == "dora" else None)


def test_the_legacy_hash_is_of_the_second_mebibyte():
    file = bytes(range(256)) * 5000
    assert (
        image_file.legacy_hash(io.BytesIO(file))
        == hashlib.sha256(file[2**20 : 2**20 + 2**16]).hexdigest()[:8]
    )


def test_a_run_that_was_cut_short_says_so(image_settings):
    done = last(image_settings(max_steps=4, optimizer="adafactor", holdout=0.34, epochs=5)).result
    with safe_open(done, "pt") as file:
        said = file.metadata()
    made = read_lineage(done)
    assert (said["ss_max_train_steps"], said["ss_num_epochs"]) == ("4", "2")
    assert said["ss_steps"] == str(made["facts"]["kept_step"]) and made["steps"] == 4
    assert said["ss_optimizer"] == "torch.optim.Adafactor(weight_decay=0.01)"
    assert (said["ss_num_train_images"], said["ss_num_validation_images"]) == ("4", "2")
    assert json.loads(said["ss_dataset_dirs"]) == {"水墨 set": {"n_repeats": 1, "img_count": 6}}


def test_a_trigger_is_read_without_the_layers(tmp_path: Path) -> None:
    save_file(
        {"layer": torch.tensor([float("nan")])},
        tmp_path / "a.safetensors",
        {"modelspec.trigger_phrase": "ink"},
    )
    assert image_file.trigger(tmp_path / "a.safetensors") == "ink"
    with pytest.raises(Mistake):
        image_file.read(tmp_path / "a.safetensors")
