"""Recipe for a text LoRA: how things are said.

Samples are topic and reply in the model's own chat template; the loss is on the reply alone. How samples
share a row stands in core.lora.text.packing, the finished folder in core.lora.adapters.peft_folder. Knows
nothing about the loop around it.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.lora.adapters import peft_folder
from core.lora.adapters.facts import TextFacts
from core.lora.engine import fingerprint
from core.lora.engine.recipe import Group, Sample, answering
from core.lora.engine.sample_plan import Plan
from core.lora.engine.seeds import order
from core.lora.text import packing
from core.lora.text.packing import Row
from core.lora.text.tokens import Tokens, prompt
from core.messages import Mistake
from core.progress import within
from core.settings.training import TextTraining
from core.texts.samples import evenly
from core.texts.sampling import Marks, Sampling, ends_of, written
from core.texts.template import answer, thinking_tokens

if TYPE_CHECKING:
    import torch

SAMPLE_TOKENS = 80
TEMPERATURE, TOP_P = 0.7, 0.9  # of the samples


@dataclass
class TextRecipe:
    """A language model with a LoRA on it, and the samples it learns from."""

    settings: TextTraining
    model: Any
    tokenizer: Any
    training: list[Tokens]
    held_out: list[Tokens]
    topics: tuple[str, ...]
    device: torch.device
    dtype: torch.dtype
    way: packing.Way
    facts: TextFacts
    data: fingerprint.Data
    figures: dict[str, float] = field(default_factory=dict)
    base_losses: dict[int, float] = field(default_factory=dict)  # by how many held-out samples
    pace: float | None = None

    def groups(self) -> list[Group]:
        """All LoRA matrices, one learning rate."""
        return [Group(self.settings.learning_rate, lora_parameters(self.model))]

    def epoch(self, number: int, per_step: int) -> list[list[Row]]:
        """Samples in a new order; each update takes `batch_size` × `per_step` of them, packed into rows."""
        at_once = self.settings.batch_size * per_step
        shuffled = order(len(self.training), self.settings.seed, number)
        chunks = [shuffled[at : at + at_once] for at in range(0, len(shuffled), at_once)]
        return [self._rows(self.training, chunk) for chunk in chunks]

    def _rows(self, tokens: list[Tokens], members: list[int]) -> list[Row]:
        if self.way.attention is None:
            return [Row((member,)) for member in members]
        lengths = [len(sample.ids) - self.way.shared for sample in tokens]
        return packing.pack(lengths, members, self.settings.max_length - self.way.shared)

    def _tensors(self, tokens: list[Tokens], row: Row) -> dict[str, Any]:
        return self.way.row([tokens[member] for member in row.members], self.dtype, self.device)

    def halves(self, batch: Row) -> list[Row]:
        """The row as two, for a device whose memory it is too much for."""
        middle = (len(batch.members) + 1) // 2
        return [Row(part) for part in (batch.members[:middle], batch.members[middle:]) if part]

    def checkpoint_gradients(self) -> None:
        """Saves memory: each layer's activations are computed again in the backward pass."""
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def compile(self, steps: int) -> None:
        """The language model is never compiled."""

    def uncompile(self) -> bool:
        """The language model is never compiled."""
        return False

    def weight(self, batch: Row) -> float:
        """A row counts in its update by its supervised tokens."""
        return sum(self.training[member].supervised for member in batch.members)

    def loss(self, batch: Row, epoch: int) -> torch.Tensor:
        """Mean cross-entropy of the replies."""
        return packing.row_loss(self.model, self._tensors(self.training, batch), self.way.head)

    def judged(self, count: int) -> int:
        """Held-out samples of a look at `count`, at first for the base as well."""
        return count if count in self.base_losses else 2 * count

    def validate(self, count: int) -> Generator[int, None, dict[str, float]]:
        """Mean loss and perplexity a token on `count` of the held-out samples, of LoRA and base."""
        import math

        if not count:
            return {}
        judged = evenly(self.held_out, count)
        if count not in self.base_losses:
            base = within(self.model.disable_adapter, self._mean_loss(judged))
            self.base_losses[count] = yield from base
        loss, base_loss = (yield from self._mean_loss(judged)), self.base_losses[count]
        self.figures = {
            "held_out_loss": loss,
            "base_held_out_loss": base_loss,
            "held_out_perplexity": math.exp(loss),
            "base_held_out_perplexity": math.exp(base_loss),
        }
        return self.figures

    def _mean_loss(self, judged: list[Tokens]) -> Generator[int, None, float]:
        total = 0.0
        for row in self._rows(judged, list(range(len(judged)))):
            with self._asked():
                loss = packing.row_loss(self.model, self._tensors(judged, row), self.way.head)
                total += loss.item() * sum(judged[member].supervised for member in row.members)
            yield len(row.members)
        return total / sum(tokens.supervised for tokens in judged)

    def _asked(self) -> AbstractContextManager[None]:
        return answering([self.model], self.device, self.dtype)

    @property
    def plan(self) -> Plan:
        """The samples that are asked for."""
        return plan_of(self.settings, len(self.topics))

    def steps(self, plan: Plan, showings: int) -> int:
        """Tokens, those of all samples at once."""
        return plan.steps(showings)

    def guess(self, update: float) -> float:
        """A token takes little beside an update."""
        return 0.0

    def samples(self, folder: Path, step: int, plan: Plan) -> Iterator[Sample | None]:
        """The LoRA's words on the sample topics, all written at once, at the run's seed."""
        topics = self.topics[: plan.count]
        asked = [prompt(self.tokenizer, topic, task=self.settings.task) for topic in topics]
        prompts = [self.tokenizer(one, add_special_tokens=False)["input_ids"] for one in asked]
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        draws = [np.random.default_rng((self.settings.seed, row)) for row in range(len(topics))]
        ends, never = ends_of(self.model, self.tokenizer), thinking_tokens(self.tokenizer)
        marks = Marks(self.tokenizer.pad_token_id, ends, never)
        how = Sampling(plan.length, TEMPERATURE, TOP_P)
        writing = written(self.model, prompts, draws, how, marks)
        rows = yield from within(self._asked, writing)
        for topic, ids in zip(topics, rows, strict=True):
            yield Sample(topic, text=answer(self.tokenizer, ids).strip())

    def export(self, path: Path, step: int, started: float) -> Path:
        """Writes the LoRA as a PEFT folder with the plain field set, re-reads it and compares its logits.

        Raises Mistake where they differ; the folder is gone then.
        """
        self.keep(path, step)
        self._check(path)
        return path

    def keep(self, path: Path, step: int) -> None:
        """Writes the LoRA as it stands, unchecked."""
        from peft import get_peft_model_state_dict

        tensors = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        peft_folder.write(path, tensors, peft_folder.config_of(self.settings), self.tokenizer.chat_template)

    def _check(self, path: Path) -> None:
        """The folder, loaded as a second adapter, must give the trained one's logits.

        One that doesn't is removed. Raises Mistake.
        """
        import torch

        row = self._tensors(self.training, Row((0,)))
        self.model.eval()
        with torch.inference_mode():
            trained = self.model(input_ids=row["ids"], use_cache=False).logits
            self.model.load_adapter(str(path), "reread")
            self.model.set_adapter("reread")
            reread = self.model(input_ids=row["ids"], use_cache=False).logits
        self.model.set_adapter("default")
        self.model.delete_adapter("reread")
        if not torch.equal(trained, reread):
            shutil.rmtree(path)
            raise Mistake(
                "The LoRA that was written to {path} is not the trained one, so it was removed; check the "
                "disk and train again, which goes on from the last step.",
                path=path,
            )


def plan_of(settings: TextTraining, count: int) -> Plan:
    """The samples that are asked for, of `count` topics."""
    return Plan(count, SAMPLE_TOKENS, together=True, early=settings.sample_steps > 0)


def lora_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """A model's trained parameters by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
