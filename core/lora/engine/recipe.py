"""What the training loop asks of a recipe, which knows the model and its data."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core import device
from core.lora.adapters.facts import Facts
from core.lora.engine.fingerprint import Data
from core.lora.engine.sample_plan import Plan
from core.messages import Sentence
from core.settings.training import Training

if TYPE_CHECKING:
    import torch

LOOKS = 10  # at the held-out samples in a run, where the settings name no steps


def looks_every(settings: Training, steps: int) -> int:
    """Steps between looks at the held-out samples in a run of `steps`."""
    return settings.validate_steps or settings.sample_steps or math.ceil(steps / LOOKS)


@contextlib.contextmanager
def answering(models: Iterable[Any], where: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Within it the models answer in `dtype` and do not learn: nothing is dropped."""
    import torch

    mixed = device.autocast(where, dtype)
    models = list(models)
    for model in models:
        model.eval()
    try:
        with torch.inference_mode(), mixed:
            yield
    finally:
        for model in models:
            model.train()


@dataclass(frozen=True)
class Group:
    """Trained parameters by name, with the learning rate at its height."""

    rate: float
    parameters: dict[str, torch.nn.Parameter]


@dataclass(frozen=True)
class Sample:
    """What the LoRA makes at some step: a picture's file or a text, and what was asked for."""

    asked: str
    picture: Path | None = None
    text: str | None = None


class Recipe(Protocol):
    """What the loop needs to know about a model and its data."""

    device: torch.device
    dtype: torch.dtype
    data: Data  # what is learnt from, for the fingerprint
    figures: dict[str, float]  # the newest of `validate`
    pace: float | None  # seconds of a sample's step at the base's own size, once the loop has timed one

    @property
    def held_out(self) -> Sequence[Any]:
        """Samples to judge by."""

    @property
    def facts(self) -> Facts:
        """What the LoRA's file and lineage tell; the loop notes `run`."""

    def groups(self) -> list[Group]:
        """The trained parameters (fp32, on `device`); the same order at each call."""

    def epoch(self, number: int, per_step: int) -> list[list[Any]]:
        """One pass over the data: a list of updates, each a list of batches; every pass has as many updates.

        `per_step` batches of the settings' size make an update; seed and `number` alone decide the order.
        """

    def halves(self, batch: Any) -> list[Any]:
        """The batch as two smaller ones with the same samples; one that can't be halved comes back alone."""

    def checkpoint_gradients(self) -> None:
        """From now on activations are computed twice, which takes less memory and changes no gradient."""

    def compile(self, steps: int) -> Sentence | None:
        """Has the model compiled at its first use, where that repays in so many steps; what to tell of it."""

    def uncompile(self) -> bool:
        """From now on the model runs as it is written; False where it does already."""

    def weight(self, batch: Any) -> float:
        """How much a batch counts in its update: samples or supervised tokens."""

    def loss(self, batch: Any, epoch: int) -> torch.Tensor:
        """The batch's mean loss, a scalar; gradients flow to the parameters of `groups()`."""

    def judged(self, count: int) -> int:
        """Held-out samples that a look at `count` judges; those of the base, at the first one, as well."""

    def validate(self, count: int) -> Generator[int, None, dict[str, float]]:
        """Figures on `count` of the held-out samples by name, such as `held_out_loss`; empty without any.

        Those are evenly spread, and the same at each call. Tells again and again how many more were judged.
        """

    def keep(self, path: Path, step: int) -> None:
        """Writes the LoRA as it stands after `step` to `path`."""

    def export(self, path: Path, step: int, started: float) -> Path:
        """Writes the finished LoRA with the weights of `step`, reads it again and checks it; `path`.

        started: when the training began, in seconds since 1970. Raises Mistake or RuntimeError where what was
        written is not what was trained.
        """

    @property
    def plan(self) -> Plan:
        """The samples that are asked for."""

    def steps(self, plan: Plan, showings: int) -> int:
        """Steps that the samples of a plan take at so many times to come."""

    def guess(self, update: float) -> float:
        """Seconds that a sample's step may take where an update takes `update`; 0: it is timed anyway."""

    def samples(self, folder: Path, step: int, plan: Plan) -> Iterator[Sample | None]:
        """Draws or writes the samples of this step, at the same seed each time; pictures go into `folder`.

        Gives None after each of their steps.
        """
