"""What the studio asks of a kind of LoRA, of pictures or of texts; each kind is a module with these names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from core.lora.engine.fingerprint import Data
from core.lora.engine.recipe import Recipe
from core.lora.estimate.needs import Needs
from core.lora.proof import image_report, text_report
from core.messages import Sentence
from core.progress import Progress
from core.settings.lora_jobs import Proving
from core.settings.training import TrainingT

RecipeT = TypeVar("RecipeT", bound=Recipe)
ProvingT = TypeVar("ProvingT", bound=Proving)
Remember: TypeAlias = Callable[[Mapping[str, list[float]]], None]  # seconds by what was done in them


class Kind(Protocol[TrainingT, RecipeT, ProvingT]):
    """A kind's module: its settings, its recipe, and what differs before, within and after a training.

    SUFFIX: of a finished LoRA, empty where that is a folder. LOSS_TELLS: whether the training loss shows that
    little was learnt; a picture's is too noisy for that.
    """

    TRAINING: type[TrainingT]
    PROVING: type[ProvingT]
    SUFFIX: str
    LOSS_TELLS: bool

    # Before a training.

    def data_of(self, settings: TrainingT) -> Data:
        """What the settings would learn from. Raises Mistake where there is nothing."""

    def needs(self, settings: TrainingT, processes: int = 1) -> Needs:
        """What a run of these settings takes. Raises Mistake where they can't be trained with."""

    def smaller(self, settings: TrainingT) -> Iterator[dict[str, object]]:
        """Changes that need less memory, those that cost least first; the effective batch stays."""

    def counted(self, count: int) -> Sentence:
        """So many samples, in words."""

    def few(self, settings: TrainingT, samples: int) -> Iterator[Sentence]:
        """What is told where there are so few samples that they are learnt by heart."""

    def noticed(self, settings: TrainingT, samples: int) -> Iterator[Sentence]:
        """What the pre-flight tells of the samples themselves."""

    def worth(self, settings: TrainingT) -> Iterator[Sentence]:
        """What a command tells besides the pre-flight."""

    # The training.

    def prepare(self, settings: TrainingT) -> Generator[Progress, None, RecipeT]:
        """Reads the data, loads the base and puts the LoRA on; the recipe. Raises Mistake."""

    def remembering(self, settings: TrainingT, recipe: RecipeT) -> Remember:
        """What notes how long the parts of this run took; it holds no model."""

    # A finished LoRA.

    def besides(self, settings: TrainingT, lora: Path) -> Iterator[Progress]:
        """What else the settings ask to be made of the finished LoRA. Raises Mistake where it can't be."""

    def elsewhere(self, settings: TrainingT, lora: Path) -> Iterator[Sentence]:
        """How other programs take the finished LoRA."""

    def prove(self, settings: ProvingT, seconds: float) -> Generator[Progress, None, Progress]:
        """Tries a LoRA beside its base within `seconds`; gives the last report, `result` the proof's page."""

    def proof_in(self, folder: Path) -> image_report.Proof | text_report.Proof | None:
        """The proof that was written to `folder`; None where there is none."""

    def weights(self, lora: Path) -> Path:
        """The file that holds a LoRA's numbers."""

    def check(self, lora: Path) -> None:
        """Reads a LoRA whole. Raises Mistake where it is damaged."""
