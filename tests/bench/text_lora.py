"""Supervised tokens a second of the text LoRA's loop, of a plain padded loop, and of the bare floor.

    python -m tests.bench.text_lora [--rounds 5] [--base embedded] [--texts assets/sample/texts]

The arms take turns in one process, because timings taken one after another misled by up to ten times; each
arm's figure is its best round. `plain` is what a transformers Trainer does by default: fp32 weights, padded
batches, logits of the whole vocabulary at every place. `floor` is forward and backward of our own row with
nothing around it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from core.lora import packing, text
from core.lora.recipe import order
from core.lora.stepper import Stepper
from core.settings import TextTraining


def prepared(settings: TextTraining) -> text.TextRecipe:
    """The recipe, its reports passed over."""
    steps = text.prepare(settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def ours(settings: TextTraining) -> tuple[Callable[[], None], list[torch.nn.Parameter]]:
    """One update of the studio's loop."""
    recipe = prepared(settings)
    stepper = Stepper(recipe, settings, Accelerator())
    rows = recipe.epoch(0, 1)[0]
    return lambda: stepper.update(0, rows, 0, 100) and None, stepper.parameters


def floor(settings: TextTraining) -> tuple[Callable[[], None], list[torch.nn.Parameter]]:
    """Forward and backward of the same row, tensors made beforehand."""
    recipe = prepared(settings)
    rows = [recipe._tensors(recipe.training, row) for row in recipe.epoch(0, 1)[0]]
    mixed = recipe.dtype != torch.float32

    def step() -> None:
        for row in rows:
            with torch.autocast(recipe.device.type, recipe.dtype, enabled=mixed):
                loss = packing.row_loss(recipe.model, row)
            loss.backward()

    return step, list(text.lora_parameters(recipe.model).values())


def plain(settings: TextTraining) -> tuple[Callable[[], None], list[torch.nn.Parameter]]:
    """The same samples as a Trainer takes them: padded, fp32, all logits, AdamW."""
    recipe = prepared(settings.model_copy(update={"precision": "fp32"}))
    members = order(len(recipe.training), settings.seed, 0)[: settings.batch_size]
    samples = [recipe.training[member] for member in members]
    longest = max(len(sample.ids) for sample in samples)
    ids = torch.zeros(len(samples), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    seen = torch.zeros_like(ids)
    for row, sample in enumerate(samples):
        length = len(sample.ids)
        ids[row, :length] = torch.tensor(sample.ids)
        labels[row, sample.start : length] = torch.tensor(sample.ids[sample.start :])
        seen[row, :length] = 1
    parameters = list(text.lora_parameters(recipe.model).values())
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    batch = {"input_ids": ids, "labels": labels, "attention_mask": seen}
    batch = {name: tensor.to(recipe.device) for name, tensor in batch.items()}

    def step() -> None:
        recipe.model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step, parameters


def seconds(step: Callable[[], None]) -> float:
    """Wall time of one step, the device waited for."""
    started = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--texts", type=Path, default=Path("assets/sample/texts"))
    options = parser.parse_args()
    settings = TextTraining(
        base_model=options.base,
        train_data_path=options.texts,
        output_dir=Path(tempfile.mkdtemp()),
        batch_size=8,
        max_length=1024,
    )
    arms: dict[str, Any] = {"ours": ours(settings), "plain": plain(settings), "floor": floor(settings)}
    best = dict.fromkeys(arms, float("inf"))
    for _ in range(options.rounds + 1):
        for name, (step, _parameters) in arms.items():
            best[name] = min(best[name], seconds(step))
    recipe = prepared(settings)
    tokens = sum(recipe.weight(row) for row in recipe.epoch(0, 1)[0])
    assert all(p.grad.abs().sum() > 0 for p in arms["floor"][1][1::2])
    assert all(p.abs().sum() > 0 for name in ("ours", "plain") for p in arms[name][1])  # half start at 0
    print(f"{'arm':<8}{'s/step':>8}{'tokens/s':>10}{'x plain':>9}")
    for name, taken in best.items():
        print(f"{name:<8}{taken:>8.2f}{tokens / taken:>10.1f}{best['plain'] / taken:>9.2f}")


if __name__ == "__main__":
    main()
