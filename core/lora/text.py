"""Recipe for a text LoRA: how things are said.

Samples are topic and reply in the model's own chat template; the loss is on the reply alone. How samples
share a row stands in core.lora.packing, the finished folder in core.lora.peftfolder. Knows nothing about the
loop around it.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import basemodels, device
from core.jobs import Mistake, Progress, Sentence, Steps, within
from core.lora import changes, fused, norms, packing, peftfolder
from core.lora.earlier import put, refit
from core.lora.packing import Row, Tokens
from core.lora.recipe import Group, Sample, answering, order
from core.lora.sample_plan import Plan
from core.settings import TextTraining
from core.texts import lorafolder
from core.texts import samples as chat
from core.texts.template import answer, of_folder, render, thinking_tokens, turn_end
from core.texts.writer import ends_of, written

if TYPE_CHECKING:
    import torch

SAMPLE_TOKENS = 80
TEMPERATURE, TOP_P = 0.7, 0.9  # of the samples
JUDGED = 40  # held-out texts that a look takes, at most, and a proof's perplexity


def prompt(tokenizer: Any, topic: str, tone: str = "", task: str = chat.NARRATION) -> str:
    """The chat up to the model's turn, in the tokenizer's own template; what training and writing share.

    A template that knows no system role gets its words in the user's turn. A tokenizer without a template
    gets a plain one, which stays in `tokenizer.chat_template`.
    """
    return render(tokenizer, chat.messages(topic, tone, task), ask=True)


def tokenize(tokenizer: Any, sample: chat.TextSample, max_length: int, task: str = chat.NARRATION) -> Tokens:
    """A sample's tokens, cut to `max_length`; the prompt's are the very ones that writing starts from."""
    turns = chat.messages(sample.topic, task=task)
    reply = sample.reply.strip()
    asked = render(tokenizer, turns, ask=True)
    whole = render(tokenizer, [*turns, {"role": "assistant", "content": reply}], ask=False)
    rest = whole[len(asked) :] if whole.startswith(asked) else reply
    before = tokenizer(asked, add_special_tokens=False)["input_ids"]
    after = tokenizer(rest, add_special_tokens=False)["input_ids"]
    end = turn_end(tokenizer)
    after = after[: after.index(end)] if end in after else after
    return Tokens([*before, *after, end][:max_length], min(len(before), max_length))


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
    facts: dict[str, Any]
    data: changes.Data
    figures: dict[str, float] = field(default_factory=dict)
    base_loss: float | None = None
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
        """Computes each layer's activations twice."""
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def uncompile(self) -> bool:
        """The language model is never compiled."""
        return False

    def weight(self, batch: Row) -> float:
        """Supervised tokens."""
        return sum(self.training[member].supervised for member in batch.members)

    def loss(self, batch: Row, epoch: int) -> torch.Tensor:
        """Mean cross-entropy of the replies."""
        return packing.row_loss(self.model, self._tensors(self.training, batch), self.way.head)

    @property
    def judged(self) -> int:
        """Held-out samples of the next look, at first for the base as well."""
        return len(self.held_out) * (1 if self.base_loss is not None else 2)

    def validate(self) -> Generator[int, None, dict[str, float]]:
        """Mean loss and perplexity a token on the held-out samples, of LoRA and base."""
        import math

        if not self.held_out:
            return {}
        if self.base_loss is None:
            self.base_loss = yield from within(self.model.disable_adapter, self._held_out_loss())
        loss = yield from self._held_out_loss()
        self.figures = {
            "held_out_loss": loss,
            "base_held_out_loss": self.base_loss,
            "held_out_perplexity": math.exp(loss),
            "base_held_out_perplexity": math.exp(self.base_loss),
        }
        return self.figures

    def _held_out_loss(self) -> Generator[int, None, float]:
        total = 0.0
        for row in self._rows(self.held_out, list(range(len(self.held_out)))):
            with self._asked():
                loss = packing.row_loss(self.model, self._tensors(self.held_out, row), self.way.head)
                total += loss.item() * sum(self.held_out[member].supervised for member in row.members)
            yield len(row.members)
        return total / sum(tokens.supervised for tokens in self.held_out)

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
        pad = self.tokenizer.pad_token_id
        writing = written(self.model, prompts, draws, plan.length, TEMPERATURE, TOP_P, pad, ends, never)
        rows = yield from within(self._asked, writing)
        for topic, ids in zip(topics, rows, strict=True):
            yield Sample(topic, text=answer(self.tokenizer, ids).strip())

    def export(self, path: Path, step: int, started: float) -> Path:
        """Writes the LoRA as a PEFT folder with the plain field set, re-reads it and compares its logits."""
        self.keep(path, step)
        self._check(path)
        return path

    def keep(self, path: Path, step: int) -> None:
        """Writes the LoRA as it stands, unchecked."""
        from peft import get_peft_model_state_dict

        tensors = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        peftfolder.write(path, tensors, peftfolder.config_of(self.settings), self.tokenizer.chat_template)

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


def prepare(settings: TextTraining) -> Generator[Progress, None, TextRecipe]:
    """Reads the texts, loads the model and puts the LoRA on it; returns the TextRecipe.

    Raises Mistake for a missing or empty text set and for target modules that the model lacks.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    from core.texts.importing import read_texts

    found = read_texts(settings.train_data_path)
    yield from (Progress("Reading the texts", text=problem.sentence) for problem in found.problems)
    samples = chat.learnt(found.samples, settings.task)
    training, held_out = chat.split(samples, settings.holdout, settings.seed)
    yield Progress("Loading the language model")
    where = device.pick()
    number_format = device.dtype(settings.precision, where)
    hindrance = four_bit_hindrance(settings, where)
    four_bit = settings.quantize == "4bit" and not hindrance
    if hindrance:
        yield Progress("Loading the language model", text=hindrance)
    model, tokenizer = basemodels.load_text(settings.base_model, number_format, four_bit)
    if settings.continue_from:
        tokenizer.chat_template = of_folder(settings.continue_from) or tokenizer.chat_template
    torch.manual_seed(settings.seed)
    _check_targets(model, settings)
    model = get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.lora_rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=list(settings.target_modules),
            use_rslora=settings.use_rslora,
        ),
    )
    if settings.continue_from:
        _continue(model, settings, settings.continue_from)
    fused.put_on(model)
    norms.put_on(model)
    if not four_bit:  # bitsandbytes has put it where it computes
        model.to(where)
    limit = settings.max_length
    tokens: dict[int, Tokens] = {}
    reading = Steps("Tokenizing the texts", len(training) + len(held_out))
    for sample in (*training, *held_out):
        tokens[id(sample)] = tokenize(tokenizer, sample, limit, settings.task)
        yield reading.report(1)
    kept = [tokens[id(s)] for s in training if tokens[id(s)].supervised > 0]
    judged = [tokens[id(s)] for s in held_out if tokens[id(s)].supervised > 0]
    if not kept:
        raise Mistake("No text fits into max_length ({length} tokens); raise it.", length=limit)
    cut = sum(len(t.ids) == limit for t in tokens.values())
    if cut:
        shorter = Sentence("{count} long texts are cut to {limit} tokens", count=cut, limit=limit)
        yield Progress("Reading the texts", text=shorter)
    own = tuple(s.topic for s in (held_out or training)[: settings.samples])
    topics = settings.sample_topics or own if settings.samples else ()
    data = changes.of_texts(found.samples)
    facts = {
        "samples": len(kept),
        "held_out": len(judged),
        "tokens": sum(len(t.ids) for t in kept),
        "supervised_tokens": sum(t.supervised for t in kept),
        "data": changes.digest(data),
    }
    line = Sentence(
        "{samples} texts to learn from, {held_out} held out, {tokens} tokens of narration",
        samples=facts["samples"],
        held_out=facts["held_out"],
        tokens=facts["supervised_tokens"],
    )
    yield Progress("Reading the texts", text=line)
    model.eval()
    with device.autocast(where, number_format):
        way = packing.way_of(model, [*kept, *judged], number_format, where)
    if way.attention is None:
        alone = Sentence("This model takes one text a row: texts are not packed")
        yield Progress("Reading the texts", text=alone)
    model.train()
    recipe = TextRecipe(
        settings,
        model,
        tokenizer,
        kept,
        chat.evenly(judged, JUDGED),
        topics,
        where,
        number_format,
        way,
        facts,
        data,
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def four_bit_hindrance(settings: TextTraining, place: torch.device) -> str:
    """Why the base can't be held in 4 bits though that is asked for; empty where it can, or isn't asked."""
    if settings.quantize == "none":
        return ""
    if settings.base_model.endswith(basemodels.GGUF):
        return Sentence(
            "A GGUF file can't be held in 4 bits while it is trained; it is read as plain numbers instead"
        )
    if device.bitsandbytes(place):
        return ""
    return Sentence(
        "4-bit needs an NVIDIA card and the package bitsandbytes in working order; the base stays in its "
        "precision"
    )


def _continue(model: Any, settings: TextTraining, folder: Path) -> None:
    """Puts an earlier LoRA's numbers into the new one. Raises Mistake where none of its layers fits."""
    said = lorafolder.read_config(folder)
    if said.get("use_dora"):
        raise Mistake("{path} can't be gone on from: it is a DoRA, and the new LoRA is plain.", path=folder)
    tensors, found = lorafolder.read_weights(folder), 0
    held = lora_parameters(model)
    for name in filter(lambda name: ".lora_A." in name, held):
        names = (name, name.replace(".lora_A.", ".lora_B."))
        down, up = (held[one] for one in names)
        old, old_up = (tensors.get(one.replace(".default.", ".")) for one in names)
        if old is None or old_up is None or old.shape[1:] != down.shape[1:] or len(old_up) != len(up):
            continue
        new = refit(old, old_up, peftfolder.scale(said), settings.lora_rank, settings.scale)
        put(down, new[0])
        put(up, new[1])
        found += 1
    if not found:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=folder
        )


def _check_targets(model: Any, settings: TextTraining) -> None:
    """Each target must name a linear layer; peft passes silently over one that doesn't if another does."""
    import torch

    linear = {name.rpartition(".")[2] for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    for target in settings.target_modules:
        if target not in linear:
            raise Mistake(
                "The language model has no layer {target}; target_modules can be {known}.",
                target=target,
                known=", ".join(sorted(linear - {"lm_head"})),
            )
