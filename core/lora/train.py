"""Trains a LoRA from settings: prepares the recipe, runs the loop, writes the result with its lineage.

The order of events stands here; what a picture or a text LoRA is stands in its recipe.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import device
from core.jobs import Mistake, Progress, Sentence, as_plain
from core.lora import changes, compiling, logs, loop, measured, peftfolder, preflight, text_needs
from core.lora.advisor import advise
from core.lora.checkpoints import Keeper
from core.lora.origin import kept_file
from core.lora.stepper import peak_memory_bytes
from core.project import lineage, safe_name, write_atomic, write_lineage
from core.settings import ImageTraining, MergeSettings, TextTraining, Training, dump, proving


def train(settings: Training) -> Iterator[Progress]:
    """Trains a LoRA; the last report's `result` is its file (pictures) or folder (texts).

    Beside it stands its lineage; `output_dir` gets settings.yaml, logs/, samples/, metrics.jsonl and, until
    the run is finished, checkpoint/. Raises Mistake for settings, data or a base that can't be trained on.
    """
    from accelerate import PartialState

    started, processes = time.time(), PartialState(cpu=device.pick().type == "cpu")
    yield Progress("Preparing")
    said = preflight.lines(settings, processes.num_processes)
    yield from (Progress("Preparing", text=line) for line in said)
    if isinstance(settings, ImageTraining):
        from core.lora import preparing

        recipe: Any = yield from preparing.prepare(settings)
    else:
        from core.lora import text

        assert isinstance(settings, TextTraining)
        recipe = yield from text.prepare(settings)
    path, fingerprint = next_path(settings), changes.fingerprint(settings, recipe.data)
    steps = loop.count_steps(recipe, settings, processes.num_processes)
    if processes.is_main_process:
        write_atomic(settings.output_dir / "settings.yaml", dump(settings))
    if isinstance(settings, ImageTraining) and compiling.repays(settings.compile, recipe.device, steps):
        why = recipe.compile()
        told = loop.uncompiled(why) if why else Sentence("The first steps take longer: blocks are compiled")
        yield Progress("Preparing", text=told)
    kept, taken = kept_loras(settings, path, steps), list[float]()
    try:
        yield from measured.timed(loop.run(recipe, settings, settings.output_dir, fingerprint, kept), taken)
    finally:
        recipe.uncompile()
    yield Progress("Saving the LoRA")
    if processes.is_main_process:
        advice = _advice(recipe, settings)
        yield from (Progress("Saving the LoRA", text=line) for line in advice)
        _finish(recipe, settings, path, steps, started, advice)
        if isinstance(settings, ImageTraining):
            preflight.remember(settings, recipe.numbers, [p.size for p in recipe.pictures], taken)
        if isinstance(settings, TextTraining):
            text_needs.remember(settings, taken)
        Keeper(settings.output_dir / "checkpoint", fingerprint).clear()
    processes.wait_for_everyone()
    memory = peak_memory_bytes(recipe.device) / device.GIB
    del recipe
    device.free()
    if settings.prove and processes.is_main_process:
        from core.lora.prove import prove

        yield from _besides(prove(proving({"lora": path})))
    if isinstance(settings, TextTraining) and processes.is_main_process:
        if settings.export_merged:
            from core.lora.merge import merge

            yield from _besides(merge(MergeSettings(lora=path)))
        lines = (peftfolder.vllm_line(path), peftfolder.peft_line(path))
        others = (Sentence("For other programs: {line}", line=line) for line in lines)
        yield from (Progress("Saving the LoRA", text=line) for line in others)
    height = Sentence("{name}; memory at its height {memory} GB", name=path.name, memory=f"{memory:.1f}")
    yield Progress("Done", text=height, result=path)


def _besides(job: Iterator[Progress]) -> Iterator[Progress]:
    """A job on the finished LoRA; where it can't be done, the LoRA is finished none the less."""
    try:
        for progress in job:
            yield replace(progress, result=None)
    except Mistake as mistake:
        yield Progress("Saving the LoRA", text=mistake.sentence)


def _finish(
    recipe: Any, settings: Training, path: Path, steps: int, started: float, advice: list[Sentence]
) -> None:
    """Writes the LoRA and, beside it, what made it."""
    recipe.export(path, steps, started)
    made = lineage(
        base_model=settings.base_model,
        facts=recipe.facts,
        figures=recipe.figures,
        advice=as_plain(advice),
        steps=steps,
        settings=settings.model_dump(mode="json"),
        versions=versions(),
    )
    write_lineage(path, made)


def _advice(recipe: Any, settings: Training) -> list[Sentence]:
    losses, held_out = logs.curves(settings.output_dir)
    base = recipe.figures.get("base_held_out_loss", 0.0)
    # Pictures may repeat: only different ones count.
    samples = recipe.facts.get("pictures", recipe.facts["samples"])
    return advise(settings, samples, losses, held_out, base)


def next_path(settings: Training) -> Path:
    """`lora_v{n}_{name}_r{rank}_ep{epochs}` with the first n above those there: nothing is overwritten."""
    folder, name = settings.lora_dir or settings.output_dir, safe_name(settings.title)
    taken = re.compile(rf"lora_v(\d+)_{re.escape(name)}_r\d+_ep\d+(\.safetensors|\.yaml)?")
    found = [taken.fullmatch(path.name) for path in folder.glob("lora_v*")] if folder.is_dir() else []
    number = max((int(match[1]) for match in found if match), default=0) + 1
    suffix = ".safetensors" if isinstance(settings, ImageTraining) else ""
    return folder / f"lora_v{number}_{name}_r{settings.lora_rank}_ep{settings.epochs}{suffix}"


def kept_loras(settings: Training, path: Path, steps: int) -> dict[int, Path]:
    """LoRAs to be kept along the way of `steps`, evenly spread, by step."""
    parts = settings.keep_loras + 1
    at = {steps * part // parts for part in range(1, parts)} - {0, steps}
    return {step: kept_file(settings, path, step) for step in at}


def versions() -> dict[str, str]:
    """Versions of the libraries that the result depends on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "diffusers", "transformers", "peft", "accelerate")}
