"""What an image LoRA's file says about itself: sd-scripts' `ss_*` fields and ModelSpec 1.0.1.

AUTOMATIC1111 shows trigger words from `ss_tag_frequency`; every value is a string. With `private_metadata`
the data set's and the base's names, captions and folder stay out.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any

from core.lora.adapters.facts import ImageFacts
from core.settings.training import ImageTraining


def describe(
    settings: ImageTraining, facts: ImageFacts, step: int, started: float | None = None
) -> dict[str, str]:
    """Metadata of a LoRA with the weights of `step`; `facts` are the recipe's.

    As in sd-scripts, `ss_steps` and `ss_epoch` tell of these weights, `ss_max_train_steps` and
    `ss_num_epochs` of the plan. `started`: when a finished training began, in seconds since 1970.
    """
    said = _training(settings, facts, step) | _model_spec(settings, facts)
    if started is not None:
        finished = max(started, time.time())
        said |= {"ss_training_started_at": f"{started:.3f}", "ss_training_finished_at": f"{finished:.3f}"}
    if not settings.private_metadata:
        said |= _data(settings, facts)
    return said


def _training(settings: ImageTraining, facts: ImageFacts, step: int) -> dict[str, str]:
    rate, *text_rates = facts.run.rates
    hashes = {"ss_sd_model_hash": facts.base_legacy_hash, "ss_new_sd_model_hash": facts.base_hash}
    values: dict[str, Any] = {
        "ss_v2": facts.base_names[0] == "sd_v2",
        "ss_base_model_version": facts.base_names[0],
        **_network(settings),
        "ss_output_name": settings.title,
        "ss_resolution": tuple(facts.square),
        "ss_enable_bucket": len(facts.sizes) > 1,
        "ss_bucket_info": json.dumps({"buckets": _buckets(facts)}),
        "ss_num_train_images": facts.samples,
        "ss_num_validation_images": facts.held_out,
        "ss_num_reg_images": facts.regularisation,
        "ss_num_epochs": _epochs(facts, facts.run.planned_steps),
        "ss_epoch": _epochs(facts, step),
        "ss_steps": step,
        "ss_max_train_steps": facts.run.planned_steps,
        "ss_learning_rate": rate,
        "ss_unet_lr": rate,
        "ss_text_encoder_lr": text_rates[0] if text_rates else None,
        "ss_optimizer": f"{facts.run.optimizer}(weight_decay={settings.weight_decay})",
        "ss_lr_scheduler": settings.lr_scheduler,
        "ss_lr_warmup_steps": settings.warmup_steps,
        "ss_batch_size_per_device": settings.batch_size,
        "ss_gradient_accumulation_steps": settings.gradient_accumulation,
        "ss_mixed_precision": {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}[facts.precision],
        "ss_seed": settings.seed,
        "ss_noise_offset": settings.noise_offset or None,
        "ss_min_snr_gamma": settings.min_snr_gamma or None,
        "ss_caption_dropout_rate": settings.caption_dropout,
        **(hashes if facts.base_hash else {}),
    }
    return {name: str(value) for name, value in values.items()}


def _epochs(facts: ImageFacts, steps: int) -> int:
    """Passes over the data, begun or done, that so many steps take."""
    return math.ceil(steps / facts.run.epoch_steps)


def _buckets(facts: ImageFacts) -> dict[str, dict[str, Any]]:
    """How many pictures an epoch has at each size, numbered as sd-scripts does."""
    return {
        str(number): {"resolution": [int(side) for side in size.split("x")], "count": count}
        for number, (size, count) in enumerate(zip(facts.sizes, facts.buckets, strict=True))
    }


def _network(settings: ImageTraining) -> dict[str, Any]:
    """sd-scripts' own network, or LyCORIS with its arguments, which are texts there."""
    lycoris = settings.network != "lora"
    arguments: dict[str, Any] = {"target_modules": list(settings.target_modules)}
    if settings.network == "dora":
        arguments |= {"algo": "lora", "dora_wd": "True", "wd_on_output": "True"}
    elif lycoris:
        arguments |= {
            "algo": settings.network,
            "conv_dim": str(settings.lora_rank),
            "conv_alpha": str(settings.alpha),
            "use_tucker": "True",
            "rank_dropout": str(settings.dropout),
        }
    if settings.network == "lokr":
        arguments |= {"factor": "-1", "rank_dropout_scale": "True"}
    return {
        "ss_network_module": "lycoris.kohya" if lycoris else "networks.lora",
        "ss_network_dim": settings.lora_rank,
        "ss_network_alpha": settings.alpha,
        "ss_network_args": json.dumps(arguments),
        "ss_network_dropout": settings.dropout if settings.network in ("lora", "dora") else None,
    }


def _data(settings: ImageTraining, facts: ImageFacts) -> dict[str, str]:
    folders = {
        name: {"n_repeats": times, "img_count": count} for name, (times, count) in facts.folders.items()
    }
    return {
        "ss_sd_model_name": settings.base_model.replace("\\", "/").rpartition("/")[2],
        "ss_tag_frequency": json.dumps({facts.folder: facts.tags}, ensure_ascii=False),
        "ss_dataset_dirs": json.dumps(folders, ensure_ascii=False),
    }


def _model_spec(settings: ImageTraining, facts: ImageFacts) -> dict[str, str]:
    values = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{facts.base_names[1]}/lora",
        "implementation": "https://github.com/Stability-AI/generative-models",
        "title": settings.title,
        "resolution": max(facts.sizes, key=lambda size: int(size.split("x")[0]) * int(size.split("x")[1])),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "prediction_type": "v" if facts.prediction_type == "v_prediction" else "epsilon",
    }
    if settings.trigger and not settings.private_metadata:
        values["trigger_phrase"] = settings.trigger
        values["usage_hint"] = f"Put {settings.trigger} first in the prompt."
    return {f"modelspec.{name}": value for name, value in values.items()}
