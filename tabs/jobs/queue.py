"""The window's jobs: which core generator does a tab's work, and how an ended one is continued.

The settings of each job stand beside its state as `<id>.yaml`, so that Continue runs exactly what was asked
for. Heavy modules are imported when a job starts, never with the window.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jobs import new_id
from core.jobstate import JobState
from core.messages import Mistake, Sentence, attempt
from core.progress import Job
from core.project import write_atomic
from core.settings.base import Settings
from core.settings.data import LabelSettings, TopicsSettings
from core.settings.getting import GetSettings
from core.settings.lora_jobs import MergeSettings, ProofSettings, Proving, TextProofSettings
from core.settings.post import PostSettings
from core.settings.reading import dump, load
from core.settings.training import ImageTraining, TextTraining, Training
from core.settings.video import ComposeSettings, DraftSettings, SceneSettings
from tabs.shell.wiring import Studio


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
    from core.lora.adapters.merge import merge

    return merge(settings)


def _compose(settings: ComposeSettings) -> Job:
    from core.video.compose import compose

    return compose(settings)


def _draft(settings: DraftSettings) -> Job:
    from core.video.script.write import draft

    return draft(settings)


def _scene(settings: SceneSettings) -> Job:
    from core.video.scene import work

    return work(settings)


def _post(settings: PostSettings) -> Job:
    from core.video.posting import post

    return post(settings)


def _topics(settings: TopicsSettings) -> Job:
    from core.texts.topics import write_topics

    return write_topics(settings)


def _get(settings: GetSettings) -> Job:
    from core.bases.fetching import get

    return get(settings)


KINDS = {
    "label": Kind(LabelSettings, _label),
    "image": Kind(ImageTraining, _train),
    "text": Kind(TextTraining, _train),
    "proof": Kind(ProofSettings, _prove),
    "text_proof": Kind(TextProofSettings, _prove),
    "merge": Kind(MergeSettings, _merge),
    "topics": Kind(TopicsSettings, _topics),
    "compose": Kind(ComposeSettings, _compose),
    "script": Kind(DraftSettings, _draft),
    "scene": Kind(SceneSettings, _scene),
    "post": Kind(PostSettings, _post),
    "get": Kind(GetSettings, _get),
}


def check_idle(studio: Studio, kind: str) -> None:
    """Raises Mistake while a job of this kind is at work."""
    newest = studio.runner.newest(kind)
    if newest is not None and newest.active:
        raise Mistake("{title} is still at work; wait for it or stop it first.", title=newest.title)


def submit(studio: Studio, kind: str, title: str, settings: Settings) -> str:
    """Queues the job and returns its id. Raises Mistake while one of this kind is at work."""
    check_idle(studio, kind)
    job_id = new_id()
    write_atomic(_settings_file(studio, job_id), dump(settings))
    return studio.runner.submit(kind, title, lambda: KINDS[kind].run(settings), job_id)


def can_continue(studio: Studio, state: JobState | None) -> bool:
    """True for a job that ended early and whose settings are known."""
    if state is None or state.status not in ("stopped", "interrupted", "failed"):
        return False
    return _settings_file(studio, state.id).is_file()


def settings_of(studio: Studio, state: JobState) -> Any:
    """The settings that a job was started with."""
    return load(KINDS[state.kind].settings, _settings_file(studio, state.id))


def resume(studio: Studio, kind: str, how: str = "auto") -> str:
    """Submits the newest job of a kind again; training goes on from its last checkpoint, as `how` says.

    Returns the new job's id. Raises Mistake where nothing can go on.
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
    found = waiting(settings) if isinstance(settings, Training) else None
    return None if found is None or found.alike else found


def unfinished(studio: Studio, kind: str, project: str) -> Path | None:
    """The run folder of the newest training of a kind, where it ended early and belongs to the project.

    None, too, where its settings can't be read, as a newer studio's: Continue tells it, a new one may begin.
    """
    state = studio.runner.newest(kind)
    if state is None or not can_continue(studio, state):
        return None
    settings = attempt(lambda: settings_of(studio, state))
    if isinstance(settings, Mistake):
        return None
    return settings.output_dir if settings.lora_dir == studio.open(project).loras() else None


def preflight(make: Callable[[], ImageTraining | TextTraining]) -> list[Sentence | Mistake]:
    """What a training of the settings that `make` gives will take; what is wrong with them, where it is."""
    from core.lora import preflight

    lines = attempt(lambda: list(preflight.lines(make())))
    return [lines] if isinstance(lines, Mistake) else [*lines]


def film_time(make: Callable[[Path], ComposeSettings]) -> Sentence | Mistake:
    """How long a video of the settings that `make` gives takes; what is wrong with them, where it is.

    `make` is given a folder for what a person pasted, which goes again.
    """
    from core.video import compose, timing

    def told() -> Sentence:
        board, asked = compose.begun(make(Path(folder)))
        return timing.line(asked, written=board is not None)

    with tempfile.TemporaryDirectory() as folder:
        return attempt(told)


def waiting(settings: Training) -> Any:
    """The checkpoint in the settings' run folder, compared with them; None where there is none."""
    from core.lora import resume as lora_resume

    return lora_resume.waiting(settings)


def _settings_file(studio: Studio, job_id: str) -> Path:
    return studio.runner.folder / f"{job_id}.yaml"
