"""The window's jobs: which core generator does a tab's work, and how an ended one is continued.

The settings of each job stand beside its state as `<id>.yaml`, so that Continue runs exactly what was asked
for. Heavy modules are imported when a job starts, never with the window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jobs import Job, JobState, Mistake, Sentence
from core.project import write_atomic
from core.settings import (
    ComposeSettings,
    ImageTraining,
    LabelSettings,
    MergeSettings,
    ProofSettings,
    Proving,
    Settings,
    TextProofSettings,
    TextTraining,
    TopicsSettings,
    Training,
    dump,
    load,
)
from tabs.wiring import Studio


@dataclass(frozen=True)
class Kind:
    """A tab's job: its settings' class and the generator that does it."""

    settings: type[Settings]
    run: Callable[[Any], Job]


def _label(settings: LabelSettings) -> Job:
    from core.images.label import label

    return label(settings)


def _train(settings: ImageTraining | TextTraining) -> Job:
    from core.lora.train import train

    return train(settings)


def _prove(settings: Proving) -> Job:
    from core.lora.prove import prove

    return prove(settings)


def _merge(settings: MergeSettings) -> Job:
    from core.lora.merge import merge

    return merge(settings)


def _compose(settings: ComposeSettings) -> Job:
    from core.video.compose import compose

    return compose(settings)


def _topics(settings: TopicsSettings) -> Job:
    from core.texts.topics import write_topics

    return write_topics(settings)


KINDS = {
    "label": Kind(LabelSettings, _label),
    "image": Kind(ImageTraining, _train),
    "text": Kind(TextTraining, _train),
    "proof": Kind(ProofSettings, _prove),
    "text_proof": Kind(TextProofSettings, _prove),
    "merge": Kind(MergeSettings, _merge),
    "topics": Kind(TopicsSettings, _topics),
    "compose": Kind(ComposeSettings, _compose),
}


def submit(studio: Studio, kind: str, title: str, settings: Settings) -> str:
    """Queues the job and returns its id. Raises Mistake while one of this kind is at work."""
    newest = studio.runner.newest(kind)
    if newest is not None and newest.active:
        raise Mistake("{title} is still at work; wait for it or stop it first.", title=newest.title)
    job_id = studio.runner.submit(kind, title, lambda: KINDS[kind].run(settings))
    try:
        write_atomic(_settings_file(studio, job_id), dump(settings))
    except Mistake:
        studio.runner.stop(job_id)
        raise
    return job_id


def can_continue(studio: Studio, state: JobState | None) -> bool:
    """True for a job that ended early and whose settings are known."""
    if state is None or state.status not in ("stopped", "interrupted", "failed"):
        return False
    return _settings_file(studio, state.id).is_file()


def settings_of(studio: Studio, state: JobState) -> Any:
    """What a job was asked for."""
    return load(KINDS[state.kind].settings, _settings_file(studio, state.id))


def resume(studio: Studio, kind: str, how: str = "auto") -> str:
    """Submits the newest job of a kind again; training goes on from its last checkpoint, as `how` says.

    Returns the new job's id.
    """
    state = studio.runner.newest(kind)
    if state is None or not can_continue(studio, state):
        raise Mistake("There is nothing to continue here; press the main button instead.")
    settings = settings_of(studio, state)
    if isinstance(settings, Training):
        settings = settings.model_copy(update={"resume": how})
    return submit(studio, kind, state.title, settings)


def changed(studio: Studio, kind: str) -> Any:
    """The checkpoint that Continue would go on from, where what is learnt has changed; None elsewhere."""
    state = studio.runner.newest(kind)
    settings = settings_of(studio, state) if state and can_continue(studio, state) else None
    found = waiting(settings) if isinstance(settings, ImageTraining | TextTraining) else None
    return None if found is None or found.alike else found


def unfinished(studio: Studio, kind: str, project: str) -> Path | None:
    """The run folder of the newest training of a kind, where it ended early and belongs to the project."""
    state = studio.runner.newest(kind)
    if state is None or not can_continue(studio, state):
        return None
    settings = settings_of(studio, state)
    return settings.output_dir if settings.lora_dir == studio.open(project).loras() else None


def preflight(make: Callable[[], ImageTraining | TextTraining]) -> list[Sentence | Mistake]:
    """What a training of the settings that `make` gives will take; what is wrong with them, where it is."""
    from core.lora import preflight

    try:
        return list(preflight.lines(make()))
    except Mistake as mistake:
        return [mistake]


def film_time(make: Callable[[], ComposeSettings]) -> Sentence | Mistake:
    """How long a video of the settings that `make` gives takes; what is wrong with them, where it is."""
    from core.video import timing

    try:
        return timing.line(make())
    except Mistake as mistake:
        return mistake


def waiting(settings: ImageTraining | TextTraining) -> Any:
    """The checkpoint in the settings' run folder, compared with them; None where there is none."""
    from core.lora import changes

    return changes.waiting(settings)


def _settings_file(studio: Studio, job_id: str) -> Path:
    return studio.runner.folder / f"{job_id}.yaml"
