"""Trains a LoRA from settings: prepares the recipe, runs the loop, writes the result with its lineage.

The order of events stands here; what a picture or a text LoRA is stands in its recipe.
"""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core import device
from core.jobs import Mistake, Progress, Sentence, as_plain
from core.lora import changes, compiling, logs, loop, measured, peftfolder, preflight, text_needs
from core.lora.advisor import advise
from core.lora.checkpoints import Keeper
from core.lora.origin import kept_file, kept_folder
from core.lora.stepper import peak_memory_bytes
from core.project import lineage, safe_name, write_atomic, write_lineage
from core.settings import ImageTraining, MergeSettings, TextTraining, Training, dump, proving


def train(settings: Training) -> Iterator[Progress]:
    """Trains a LoRA; the `result` of the last reports is its file (pictures) or folder (texts).

    It stands before the last look, the last samples and the proof begin, and stopping those ends them alone.
    Beside it stands its lineage; `output_dir` gets settings.yaml, logs/, samples/, metrics.jsonl and, until
    the run is finished, checkpoint/. Raises Mistake for settings, data or a base that can't be trained on.
    """
    from accelerate import PartialState

    started, processes = time.time(), PartialState(cpu=device.pick().type == "cpu")
    seconds: dict[str, list[float]] = {}
    yield Progress("Preparing")
    said = preflight.lines(settings, processes.num_processes)
    yield from (Progress("Preparing", text=line) for line in said)
    if isinstance(settings, ImageTraining):
        from core.lora import preparing

        recipe: Any = yield from measured.watched(preparing.prepare(settings), seconds)
    else:
        from core.lora import text

        assert isinstance(settings, TextTraining)
        recipe = yield from text.prepare(settings)
    fingerprint = changes.fingerprint(settings, recipe.data)
    steps = loop.count_steps(recipe, settings, processes.num_processes)
    an_epoch = loop.epoch_steps(recipe, settings, processes.num_processes)
    planned = next_path(settings, math.ceil(steps / an_epoch))
    if processes.is_main_process:
        write_atomic(settings.output_dir / "settings.yaml", dump(settings))
    if isinstance(settings, ImageTraining) and compiling.repays(settings.compile, recipe.device, steps):
        why = recipe.compile()
        told = loop.uncompiled(why) if why else Sentence("The first steps take longer: blocks are compiled")
        yield Progress("Preparing", text=told)
    keeper = Keeper(settings.output_dir / "checkpoint", fingerprint)
    result = _Result(recipe, settings, planned, an_epoch, keeper, started)
    kept, remember = kept_loras(settings, planned, steps), _remembering(recipe, settings)
    run = loop.run(recipe, settings, settings.output_dir, fingerprint, kept, result.write)
    try:
        yield from measured.watched(run, seconds)
    finally:
        recipe.uncompile()
        if result.written:
            remember(seconds | ({measured.PACE: [recipe.pace]} if recipe.pace else {}))
    processes.wait_for_everyone()
    path, memory = result.path, peak_memory_bytes(recipe.device) / device.GIB
    del recipe, result, run
    device.free()
    if settings.prove and processes.is_main_process:
        from core.lora.prove import prove

        began = time.monotonic()
        if (yield from _besides(prove(proving({"lora": path})), path)):
            remember({measured.PROVING: [time.monotonic() - began]})
    if isinstance(settings, TextTraining) and processes.is_main_process:
        if settings.export_merged:
            from core.lora.merge import merge

            yield from _besides(merge(MergeSettings(lora=path)), path)
        lines = (peftfolder.vllm_line(path), peftfolder.peft_line(path))
        for line in lines:
            told = Sentence("For other programs: {line}", line=line)
            yield Progress("Saving the LoRA", text=told, result=path)
    if isinstance(settings, ImageTraining) and settings.network == "dora":
        lengths = Sentence(  # their formulas stand in tests/lora/test_dora.py
            "Programs read a DoRA's lengths differently: this studio draws it exactly, diffusers after "
            "{command}; ComfyUI since May 2025 nearly; AUTOMATIC1111 and older ComfyUI wrongly: for those "
            "train network lora.",
            command=f"studio.py export {path.name}",
        )
        yield Progress("Saving the LoRA", text=lengths, result=path)
    height = Sentence("{name}; memory at its height {memory} GB", name=path.name, memory=f"{memory:.1f}")
    yield Progress("Done", text=height, result=path)


def _besides(job: Iterator[Progress], path: Path) -> Generator[Progress, None, bool]:
    """A job on the LoRA at `path`; whether it could be done: the LoRA is finished none the less."""
    try:
        for progress in job:
            yield replace(progress, result=path)
    except Mistake as mistake:
        yield Progress("Saving the LoRA", text=mistake.sentence, result=path)
        return False
    return True


class _Result:
    """The finished LoRA at its place: written once its weights are chosen, and again where others are."""

    def __init__(
        self,
        recipe: Any,
        settings: Training,
        planned: Path,
        epoch_steps: int,
        keeper: Keeper,
        started: float,
    ) -> None:
        self.recipe, self.settings, self.planned = recipe, settings, planned
        self.epoch_steps, self.keeper, self.started = epoch_steps, keeper, started
        self.written: int | None = None  # the step whose weights stand there

    @property
    def path(self) -> Path:
        """Its place, named by the passes that were begun."""
        return _truly_named(self.planned, math.ceil(self.recipe.facts["steps"] / self.epoch_steps))

    def write(self, figures: Mapping[str, float], last: bool) -> Generator[Progress, None, Path]:
        """Writes LoRA and lineage, and lets the checkpoints go; `figures`: of its held-out samples.

        What is advised is told at the `last` time, with all figures at hand.
        """
        yield Progress("Saving the LoRA")
        recipe, settings, path, step = self.recipe, self.settings, self.path, self.recipe.facts["kept_step"]
        advice = _advice(recipe, settings)
        _move_kept(settings, self.planned, path)
        if step != self.written:
            recipe.export(path, step, self.started)
        made = lineage(
            base_model=settings.base_model,
            facts=recipe.facts,
            figures=dict(figures),
            advice=as_plain(advice),
            steps=recipe.facts["steps"],
            settings=settings.model_dump(mode="json"),
            versions=versions(),
        )
        write_lineage(path, made)
        self.keeper.clear()
        self.written = step
        yield Progress("Saving the LoRA", result=path)
        if last:
            yield from (Progress("Saving the LoRA", text=line, result=path) for line in advice)
        return path


def _remembering(recipe: Any, settings: Training) -> Callable[[Mapping[str, list[float]]], None]:
    """What notes how long the parts of this run took; it holds no model."""
    if isinstance(settings, ImageTraining):
        sizes = [picture.size for picture in recipe.pictures]
        return partial(preflight.remember, settings, recipe.numbers, sizes)
    assert isinstance(settings, TextTraining)
    return partial(text_needs.remember, settings)


def _advice(recipe: Any, settings: Training) -> list[Sentence]:
    losses, held_out = logs.curves(settings.output_dir)
    base = recipe.figures.get("base_held_out_loss", 0.0)
    # Pictures may repeat: only different ones count.
    samples = recipe.facts.get("pictures", recipe.facts["samples"])
    return advise(settings, samples, losses, held_out, base)


def next_path(settings: Training, epochs: int) -> Path:
    """`lora_v{n}_{name}_r{rank}_ep{epochs}` with the first n above those there: nothing is overwritten."""
    folder, name = settings.lora_dir or settings.output_dir, safe_name(settings.title)
    taken = re.compile(rf"lora_v(\d+)_{re.escape(name)}_r\d+_ep\d+(\.safetensors|\.yaml)?")
    found = [taken.fullmatch(path.name) for path in folder.glob("lora_v*")] if folder.is_dir() else []
    number = max((int(match[1]) for match in found if match), default=0) + 1
    suffix = ".safetensors" if isinstance(settings, ImageTraining) else ""
    return folder / f"lora_v{number}_{name}_r{settings.lora_rank}_ep{epochs}{suffix}"


def _truly_named(planned: Path, epochs: int) -> Path:
    """The planned path with the passes that were begun: an early stop makes them fewer."""
    return planned.with_name(f"{planned.name.rpartition('_ep')[0]}_ep{epochs}{planned.suffix}")


def _move_kept(settings: Training, planned: Path, path: Path) -> None:
    """The LoRAs kept along the way stand under the finished one's name."""
    there, wanted = kept_folder(settings, planned), kept_folder(settings, path)
    if there != wanted and there.is_dir():
        shutil.rmtree(wanted, ignore_errors=True)  # of a LoRA of that name that is no more
        there.rename(wanted)


def kept_loras(settings: Training, path: Path, steps: int) -> dict[int, Path]:
    """LoRAs to be kept along the way of `steps`, evenly spread, by step."""
    parts = settings.keep_loras + 1
    at = {steps * part // parts for part in range(1, parts)} - {0, steps}
    return {step: kept_file(settings, path, step) for step in at}


def versions() -> dict[str, str]:
    """Versions of the libraries that the result depends on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "diffusers", "transformers", "peft", "accelerate")}
