"""Trains a LoRA from settings: prepares the recipe, runs the loop, writes the result with its lineage.

The order of events stands here; what a picture or a text LoRA is stands in its recipe.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import device
from core.lineage import lineage, read_lineage, write_lineage
from core.lora import kinds, preflight
from core.lora.adapters.facts import as_values
from core.lora.adapters.versions import (
    kept_loras,
    move_kept,
    next_path,
    truly_named,
)
from core.lora.engine import fingerprint as engine_fingerprint
from core.lora.engine import loop, metrics
from core.lora.engine.checkpoints import Keeper
from core.lora.engine.recipe import Recipe
from core.lora.engine.step import peak_memory_bytes
from core.lora.estimate import timings
from core.lora.estimate.advice import advise
from core.lora.kinds.kind import Remember
from core.lora.prove import prove
from core.messages import Mistake, Sentence, as_plain
from core.progress import Progress
from core.project import alone, write_atomic
from core.settings.lora_jobs import proving
from core.settings.reading import dump
from core.settings.training import Training


def train(settings: Training) -> Iterator[Progress]:
    """Trains a LoRA; the `result` of the last reports is its file (pictures) or folder (texts).

    It stands before the last look, the last samples and the proof begin, and stopping those ends them alone.
    Beside it stands its lineage; `output_dir` gets settings.yaml, logs/, samples/, metrics.jsonl and, until
    the run is finished, checkpoint/. Raises Mistake for settings, data or a base that can't be trained on,
    and where another process trains in `output_dir`.
    """
    from accelerate import PartialState

    processes = PartialState(cpu=device.pick().type == "cpu")
    yield Progress("Preparing")
    said = preflight.lines(settings, processes.num_processes)
    yield from (Progress("Preparing", text=line) for line in said)
    taken = Mistake(
        "Another training is at work in {folder}; wait for it, or choose another output_dir.",
        folder=settings.output_dir,
    )
    first = processes.is_main_process
    with alone(settings.output_dir, taken) if first else contextlib.nullcontext():
        yield from _trained(settings, processes)


def _trained(settings: Training, processes: Any) -> Iterator[Progress]:
    """The training itself and what is done with its LoRA, in one of `processes`."""
    path, memory, remember, left = yield from _learnt(settings, processes)
    device.free()
    if processes.is_main_process:
        yield from _used(settings, path, remember, left)
    height = Sentence("{name}; memory at its height {memory} GB", name=path.name, memory=f"{memory:.1f}")
    yield Progress("Done", text=height, result=path)


def _learnt(
    settings: Training, processes: Any
) -> Generator[Progress, None, tuple[Path, float, Remember, float]]:
    """Trains and writes the LoRA: its path, the memory at its height in GB, what notes how long things took,
    and the seconds that are left for a proof.

    The model is let go with it.
    """
    started, seconds, kind = time.time(), dict[str, list[float]](), kinds.of(settings)
    recipe: Recipe = yield from timings.watched(kind.prepare(settings), seconds)
    fingerprint = engine_fingerprint.fingerprint(settings, recipe.data)
    steps = loop.count_steps(recipe, settings, processes.num_processes)
    an_epoch = loop.epoch_steps(recipe, settings, processes.num_processes)
    keeper = Keeper(settings.output_dir / "checkpoint", fingerprint)
    planned = _begun(settings, keeper) or next_path(settings, math.ceil(steps / an_epoch), kind.SUFFIX)
    if processes.is_main_process:
        write_atomic(settings.output_dir / "settings.yaml", dump(settings))
    if compiling := recipe.compile(steps):
        yield Progress("Preparing", text=compiling)
    result = _Result(recipe, settings, planned, an_epoch, keeper, started)
    kept, remember = kept_loras(settings, planned, steps), kind.remembering(settings, recipe)
    run = loop.run(recipe, settings, settings.output_dir, fingerprint, kept, result.write)
    try:
        left = yield from timings.watched(run, seconds)
    finally:
        recipe.uncompile()
        if result.written:
            remember(seconds | ({timings.PACE: [recipe.pace]} if recipe.pace else {}))
    processes.wait_for_everyone()
    return result.path, peak_memory_bytes(recipe.device) / device.GIB, remember, left


def _used(settings: Training, path: Path, remember: Remember, left: float) -> Iterator[Progress]:
    """What is done with the finished LoRA at `path`: a proof, what else is asked for, words on its use.

    left: seconds that the proof may take.
    """
    kind = kinds.of(settings)
    if settings.prove:
        began = time.monotonic()
        if (yield from _besides(prove(proving({"lora": path}), left), path)):
            remember({timings.PROVING: [time.monotonic() - began]})
    yield from _besides(kind.besides(settings, path), path)
    for line in kind.elsewhere(settings, path):
        yield Progress("Saving the LoRA", text=line, result=path)


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
        recipe: Recipe,
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
        return truly_named(self.planned, math.ceil(self.recipe.facts.run.steps / self.epoch_steps))

    def write(self, figures: Mapping[str, float], last: bool) -> Generator[Progress, None, Path]:
        """Writes LoRA and lineage, and lets the checkpoints go; `figures`: of its held-out samples.

        What is advised is told at the `last` time, with all figures at hand.
        """
        yield Progress("Saving the LoRA")
        recipe, settings, path, step = self.recipe, self.settings, self.path, self.recipe.facts.run.kept_step
        advice = _advice(recipe, settings)
        move_kept(settings, self.planned, path)
        self.keeper.begin(path.name)
        if step != self.written:
            recipe.export(path, step, self.started)
        made = lineage(
            base_model=settings.base_model,
            facts=as_values(recipe.facts),
            figures=dict(figures),
            advice=as_plain(advice),
            steps=recipe.facts.run.steps,
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


def _advice(recipe: Recipe, settings: Training) -> list[Sentence]:
    losses, held_out = metrics.curves(settings.output_dir)
    base, kind = recipe.figures.get("base_held_out_loss", 0.0), kinds.of(settings)
    advice = advise(settings, losses, held_out, base, kind.LOSS_TELLS)
    return [*advice, *kind.few(settings, recipe.facts.different)]


def _begun(settings: Training, keeper: Keeper) -> Path | None:
    """The LoRA that this run had begun to write when it was killed; None where there is no such."""
    path = (settings.lora_dir or settings.output_dir) / keeper.begun
    return path if keeper.begun and path.exists() and not read_lineage(path) else None


def versions() -> dict[str, str]:
    """Versions of the libraries that the result depends on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "diffusers", "transformers", "peft", "accelerate")}
