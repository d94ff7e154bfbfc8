"""What training a text LoRA will take, before anything is loaded: steps, time, memory and disk.

Works on the settings, the texts and the base's configuration. Steps are those that the loop will do; tokens
are guessed from the texts' bytes, memory and disk counted from the shapes; time is known from the second run.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.bases import language_model
from core.disk import nearest_folder
from core.lora.estimate import timings
from core.lora.estimate.needs import (
    FP16,
    FP32,
    LIBRARIES_BYTES,
    Needs,
    stamp,
    trained_bytes,
    written_bytes,
)
from core.lora.kernels import block_attention, linear_cross_entropy
from core.lora.text.recipe import plan_of
from core.lora.text.setup import JUDGED, four_bit_hindrance
from core.settings.training import TextTraining
from core.texts import samples as chat

if TYPE_CHECKING:
    import torch

BYTES_A_TOKEN, TOKENS_A_TURN = 3.5, 12  # of narration in English or Chinese; what a template puts around it
NF4 = 0.56  # bytes a number, its scales among them
LOGIT_BYTES = 16  # a word at a supervised place: half, fp32, its logarithm, its gradient
OWN_LOGITS = ("final_logit_softcapping", "logits_scaling", "logit_scale", "dim_model_base")  # see packing.Way


def needs(settings: TextTraining, processes: int = 1) -> Needs:
    """What a run of these settings takes. Raises Mistake where they can't be trained with."""
    where = device.pick()
    texts = _texts(settings.train_data_path, stamp(settings.train_data_path))
    training, held_out = chat.split(texts, settings.holdout, settings.seed)
    at_once = settings.batch_size * settings.gradient_accumulation * processes
    updates = math.ceil(len(training) / at_once)
    steps = settings.max_steps or settings.epochs * updates
    key = step_key(settings)
    taken = timings.known(key)
    learning = (taken or 0.0) * _mean_bytes(training) * at_once * steps
    own = len((held_out or training)[: settings.samples])
    plan = plan_of(settings, (len(settings.sample_topics) or own) if settings.samples else 0)
    base = language_model.read_config(settings.base_model)
    shape = _shape(base[0], settings) if base else None
    size = weights_bytes(base[0], base[1], settings, where) if base else 0
    merged = FP16 * base[1] if base and settings.export_merged else 0
    return Needs(
        samples=len(texts),
        held_out=len(held_out),
        seen=len(training),
        regular=0,
        updates=updates,
        steps=steps,
        seconds=timings.whole(key, settings, steps, learning, plan, 0, min(len(held_out), JUDGED))
        if taken
        else None,
        training=learning if taken else None,
        unproved=settings.prove and not timings.known(f"{key} | {timings.PROVING}"),
        memory=memory_bytes(settings, shape, size, training, where) if shape else None,
        memory_free=device.available_bytes(where),
        disk=round(written_bytes(settings, lora_numbers(settings, shape), bool(held_out), FP32)) + merged
        if shape
        else None,
        disk_free=shutil.disk_usage(nearest_folder(settings.output_dir)).free,
    )


def step_key(settings: TextTraining) -> str:
    """What decides how long a text of some length takes: machine, base, number format, layers."""
    four_bit = " 4bit" if settings.quantize == "4bit" else ""
    return timings.step_key(settings, "texts", settings.target_modules, four_bit)


def remember(settings: TextTraining, seconds: Mapping[str, list[float]]) -> None:
    """Notes how long a byte of text took in a finished run's steps, and what was done besides, by report."""
    texts = _texts(settings.train_data_path, stamp(settings.train_data_path))
    training, _ = chat.split(texts, settings.holdout, settings.seed)
    at_once = min(settings.batch_size * settings.gradient_accumulation, len(training))
    key = step_key(settings)
    timings.note(key, seconds.get(timings.STEPS, []), _mean_bytes(training) * at_once)
    timings.note_besides(key, seconds, 1 + settings.keep_loras)


def weights_bytes(
    config: Mapping[str, Any], numbers: int, settings: TextTraining, where: torch.device
) -> int:
    """The frozen base's memory; in 4 bits all but its embeddings are held so."""
    import torch

    number_format = device.dtype(settings.precision, where)
    each = FP32 if number_format == torch.float32 else FP16
    if settings.quantize == "none" or four_bit_hindrance(settings, where):
        return numbers * each
    tables = 1 if config.get("tie_word_embeddings") else 2
    plain = min(numbers, tables * config["vocab_size"] * config["hidden_size"])
    return round(plain * each + (numbers - plain) * NF4)


class _Shape:
    """A transformer's sizes: of the whole, and (fan in, fan out) of each layer that gets a LoRA."""

    def __init__(self, config: Mapping[str, Any], settings: TextTraining) -> None:
        self.hidden, self.layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        self.inner, self.words = int(config["intermediate_size"]), int(config["vocab_size"])
        self.whole_logits = any(config.get(name) for name in OWN_LOGITS)
        heads = int(config["num_attention_heads"])
        head = config.get("head_dim") or self.hidden // heads
        self.heads, keys = heads * head, config.get("num_key_value_heads", heads) * head
        self.looks = heads
        known = {
            "q_proj": (self.hidden, self.heads), "k_proj": (self.hidden, keys), "v_proj": (self.hidden, keys),
            "o_proj": (self.heads, self.hidden), "gate_proj": (self.hidden, self.inner),
            "up_proj": (self.hidden, self.inner), "down_proj": (self.inner, self.hidden),
        }  # fmt: skip
        self.targets = [known[name] for name in settings.target_modules]


def _shape(config: Mapping[str, Any], settings: TextTraining) -> _Shape | None:
    try:
        return _Shape(config, settings)
    except (
        KeyError,
        TypeError,
        ValueError,
        ZeroDivisionError,
    ):  # another architecture: its needs aren't known
        return None


def memory_bytes(
    settings: TextTraining,
    shape: _Shape,
    weights: int,
    training: Sequence[chat.TextSample],
    where: torch.device,
) -> int:
    """Memory at its height: the process's own, weights, LoRA, and a step."""
    trained = trained_bytes(settings, lora_numbers(settings, shape))
    step = _step_bytes(settings, shape, training, where)
    return round((LIBRARIES_BYTES if where.type == "cpu" else 0) + weights + trained + step)


def _step_bytes(
    settings: TextTraining, shape: _Shape, training: Sequence[chat.TextSample], where: torch.device
) -> float:
    """What the longest row keeps: a layer's norms, attention and gates, inputs of its LoRAs; its logits."""
    import torch

    half = device.dtype(settings.precision, where) != torch.float32
    sizes = sorted((_bytes(one.topic) + _bytes(one.reply) for one in training), reverse=True)
    lengths = [size / BYTES_A_TOKEN + TOKENS_A_TURN for size in sizes]
    row = min(settings.max_length, sum(lengths[: settings.batch_size * settings.gradient_accumulation]))
    room = (
        block_attention.room(math.ceil(min(lengths[0], settings.max_length)), 0)
        if where.type == "cpu"
        else None
    )
    block = 2 * shape.hidden * (2 if half else 1) + 4 * shape.heads + 3 * shape.inner
    block += sum(fan_in + settings.lora_rank for fan_in, _ in shape.targets)
    if room:  # a token's query, keys and values in its block, and what it looks at there
        block += 2 * shape.heads + shape.looks * room
    again = settings.gradient_checkpointing == "on"
    kept = shape.layers * shape.hidden + block if again else shape.layers * block
    each = FP16 if half else FP32
    logits, at_once = row * shape.words, linear_cross_entropy.AT_ONCE[linear_cross_entropy.kind_of(where)]
    held = logits * LOGIT_BYTES if shape.whole_logits else min(logits, at_once) * each
    return row * kept * each + held


def lora_numbers(settings: TextTraining, shape: _Shape) -> int:
    """Numbers of the LoRA: down and up."""
    return shape.layers * sum(settings.lora_rank * (fan_in + fan_out) for fan_in, fan_out in shape.targets)


def smaller(settings: TextTraining) -> Iterator[dict[str, object]]:
    """Ways to need less memory, those that cost least first."""
    changes: dict[str, object] = {}
    if settings.gradient_checkpointing != "on":
        changes = {"gradient_checkpointing": "on"}
        yield changes
    if settings.quantize == "none" and device.pick().type == "cuda":
        changes = changes | {"quantize": "4bit"}
        yield changes
    yield from (
        changes | {"max_length": settings.max_length // part}
        for part in (2, 4)
        if settings.max_length // part >= 32
    )


@lru_cache(maxsize=8)
def _texts(path: Path, stamp: tuple[object, ...]) -> tuple[chat.TextSample, ...]:
    """Reads the texts once for each state of the files, as a page asks at every change of a setting."""
    from core.texts.importing import read_texts

    return tuple(read_texts(path).samples)


def _bytes(text: str) -> int:
    return len(text.encode())


def _mean_bytes(training: Sequence[chat.TextSample]) -> float:
    return sum(_bytes(one.reply) for one in training) / len(training)
