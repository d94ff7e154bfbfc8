"""Recipe for a text LoRA: how things are said.

Samples are topic and reply in the model's own chat template; the loss is on the reply alone. Several samples
share a row with no attention between them; the tokens that all prompts begin with stand in a row once, and
`lm_head` runs on supervised positions only. Both are exact: the logits are those of each sample alone. Knows
nothing about the loop around it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import basemodels, device
from core.jobs import Mistake, Progress
from core.lora import changes
from core.lora.earlier import put, refit
from core.lora.recipe import Group, Sample, order
from core.project import write_atomic
from core.settings import TextTraining
from core.texts import samples as chat
from core.texts.template import render

if TYPE_CHECKING:
    import torch

SAMPLE_TOPICS = 2
SAMPLE_TOKENS = 80


@dataclass(frozen=True)
class Tokens:
    """A sample's token ids; those from `start` on are the reply, the end token among it."""

    ids: list[int]
    start: int

    @property
    def supervised(self) -> int:
        """Tokens the loss is taken on."""
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Row:
    """Samples that share a row, by number."""

    members: tuple[int, ...]


def prompt(tokenizer: Any, topic: str, tone: str = "") -> str:
    """The chat up to the model's turn, in the tokenizer's own template; what training and writing share.

    A template that knows no system role gets its words in the user's turn. A tokenizer without a template
    gets a plain one, which stays in `tokenizer.chat_template`.
    """
    return render(tokenizer, chat.messages(topic, tone), ask=True)


def tokenize(tokenizer: Any, sample: chat.TextSample, max_length: int) -> Tokens:
    """A sample's tokens, cut to `max_length`; the prompt's are the very ones that writing starts from."""
    turns = chat.messages(sample.topic)
    reply = sample.reply.strip()
    asked = render(tokenizer, turns, ask=True)
    whole = render(tokenizer, [*turns, {"role": "assistant", "content": reply}], ask=False)
    rest = whole[len(asked) :] if whole.startswith(asked) else reply
    before = tokenizer(asked, add_special_tokens=False)["input_ids"]
    after = tokenizer(rest, add_special_tokens=False)["input_ids"]
    end = tokenizer.eos_token_id
    after = after[: after.index(end)] if end in after else after
    return Tokens([*before, *after, end][:max_length], min(len(before), max_length))


def pack(lengths: list[int], members: list[int], room_a_row: int) -> list[Row]:
    """Puts `members` (numbers into `lengths`) into rows of at most `room_a_row` tokens, first fit."""
    rows: list[list[int]] = []
    room: list[int] = []
    for member in members:
        length = lengths[member]
        at = next((i for i, free in enumerate(room) if free >= length), None)
        if at is None:
            rows.append([])
            room.append(room_a_row)
            at = len(rows) - 1
        rows[at].append(member)
        room[at] -= length
    return [Row(tuple(row)) for row in rows]


def shared_prefix(tokens: list[Tokens]) -> int:
    """Tokens that all prompts begin with: a row holds them once (a third of a short sample's tokens).

    The last token of each prompt stays out of it, because the reply's first word is read off there.
    """
    first, most = tokens[0].ids, min(sample.start for sample in tokens) - 1
    for sample in tokens[1:]:
        most = next((at for at in range(most) if sample.ids[at] != first[at]), most)
    return max(most, 0)


def row_tensors(
    tokens: list[Tokens], shared: int, dtype: torch.dtype, where: torch.device | str
) -> dict[str, torch.Tensor]:
    """A row of samples that all begin with the same `shared` tokens, which stand in it once.

    ids [1, L]; positions [1, L], counted on from the shared ones in each sample; mask [1, 1, L, L], 0 where a
    token may look (at the shared tokens and what precedes it in its own sample), else the lowest number of
    `dtype`; keep [S], the places whose next token is supervised; targets [S].
    """
    import torch

    ids = list(tokens[0].ids[:shared])
    positions = list(range(shared))
    segments = [-1] * shared
    keep: list[int] = []
    targets: list[int] = []
    for number, sample in enumerate(tokens):
        offset = len(ids) - shared
        keep += range(offset + sample.start - 1, offset + len(sample.ids) - 1)
        targets += sample.ids[sample.start :]
        positions += range(shared, len(sample.ids))
        segments += [number] * (len(sample.ids) - shared)
        ids += sample.ids[shared:]
    held = {"ids": [ids], "positions": [positions], "keep": keep, "targets": targets}
    row = {name: torch.tensor(values).to(where, non_blocking=True) for name, values in held.items()}
    segment = torch.tensor(segments).to(where, non_blocking=True)
    mine = segment[:, None] == segment[None, :]
    visible = (mine | (segment == -1)[None, :]).tril()
    hidden = torch.zeros(visible.shape, dtype=dtype, device=where)
    row["mask"] = hidden.masked_fill_(~visible, torch.finfo(dtype).min)[None, None]
    return row


def row_loss(model: Any, row: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy over the row's supervised tokens, in fp32."""
    import torch

    logits = model(
        input_ids=row["ids"],
        attention_mask=row["mask"],
        position_ids=row["positions"],
        logits_to_keep=row["keep"],
        use_cache=False,
    ).logits
    return torch.nn.functional.cross_entropy(logits[0].float(), row["targets"])


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
    shared: int
    facts: dict[str, Any]
    data: changes.Data
    figures: dict[str, float] = field(default_factory=dict)
    base_loss: float | None = None

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
        lengths = [len(sample.ids) - self.shared for sample in tokens]
        return pack(lengths, members, self.settings.max_length - self.shared)

    def _tensors(self, tokens: list[Tokens], row: Row) -> dict[str, torch.Tensor]:
        return row_tensors([tokens[member] for member in row.members], self.shared, self.dtype, self.device)

    def halves(self, batch: Row) -> list[Row]:
        """The row as two, for a device whose memory it is too much for."""
        middle = (len(batch.members) + 1) // 2
        return [Row(part) for part in (batch.members[:middle], batch.members[middle:]) if part]

    def checkpoint_gradients(self) -> None:
        """Computes each layer's activations twice."""
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def weight(self, batch: Row) -> float:
        """Supervised tokens."""
        return sum(self.training[member].supervised for member in batch.members)

    def loss(self, batch: Row, epoch: int) -> torch.Tensor:
        """Mean cross-entropy of the replies."""
        return row_loss(self.model, self._tensors(self.training, batch))

    def validate(self) -> dict[str, float]:
        """Mean loss and perplexity a token on the held-out samples, of LoRA and base."""
        import math

        if not self.held_out:
            return {}
        if self.base_loss is None:
            with self.model.disable_adapter():
                self.base_loss = self._held_out_loss()
        loss = self._held_out_loss()
        self.figures = {
            "held_out_loss": loss,
            "base_held_out_loss": self.base_loss,
            "held_out_perplexity": math.exp(loss),
            "base_held_out_perplexity": math.exp(self.base_loss),
        }
        return self.figures

    def _held_out_loss(self) -> float:
        import torch

        total = 0.0
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            for row in self._rows(self.held_out, list(range(len(self.held_out)))):
                loss = row_loss(self.model, self._tensors(self.held_out, row))
                total += loss.item() * sum(self.held_out[member].supervised for member in row.members)
        self.model.train()
        return total / sum(tokens.supervised for tokens in self.held_out)

    @property
    def _mixed(self) -> bool:
        import torch

        return self.dtype != torch.float32

    def samples(self, folder: Path, step: int) -> Iterator[Sample]:
        """The LoRA's words on the sample topics, all written at once, at the run's seed."""
        import torch

        if not self.topics:
            return
        prompts = [prompt(self.tokenizer, topic) for topic in self.topics]
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        asked = self.tokenizer(prompts, add_special_tokens=False, padding=True, return_tensors="pt").to(
            self.device
        )
        torch.manual_seed(self.settings.seed)
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self._mixed):
            written = self.model.generate(
                **asked, max_new_tokens=SAMPLE_TOKENS, do_sample=True, temperature=0.7, top_p=0.9,
                pad_token_id=self.tokenizer.pad_token_id,
            )  # fmt: skip
        self.model.train()
        for topic, ids in zip(self.topics, written[:, asked["input_ids"].shape[1] :], strict=True):
            yield Sample(topic, text=self.tokenizer.decode(ids, skip_special_tokens=True).strip())

    def export(self, path: Path, steps: int, started: float) -> Path:
        """Writes the LoRA as a PEFT folder with the plain field set, re-reads it and compares its logits."""
        self.keep(path, steps)
        self._check(path)
        return path

    def keep(self, path: Path, steps: int) -> None:
        """Writes the LoRA as it stands, unchecked."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        tensors = {
            name: tensor.detach().float().cpu().contiguous()
            for name, tensor in get_peft_model_state_dict(self.model).items()
        }
        path.mkdir(parents=True, exist_ok=True)  # one kept before a kill is written again
        write_atomic(path / "adapter_model.safetensors", save(tensors, metadata={"format": "pt"}))
        write_atomic(path / "adapter_config.json", json.dumps(self._config(), indent=2) + "\n")
        write_atomic(path / "chat_template.jinja", self.tokenizer.chat_template)

    def _config(self) -> dict[str, Any]:
        """The fields of adapter_config.json that every reader knows; older ones refuse newer fields."""
        alpha = self.settings.alpha
        return {
            "auto_mapping": None,
            "base_model_name_or_path": self.facts["base_model_name"],
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "layers_pattern": None,
            "layers_to_transform": None,
            "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
            "lora_dropout": self.settings.dropout,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": self.settings.lora_rank,
            "revision": None,
            "target_modules": sorted(self.settings.target_modules),
            "task_type": "CAUSAL_LM",
        }

    def _check(self, path: Path) -> None:
        """The folder, loaded as a second adapter, must give the trained one's logits. Raises RuntimeError."""
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
            raise RuntimeError(f"{path} does not give the trained LoRA's logits")


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
    yield from (Progress("Reading the texts", text=str(problem)) for problem in found.problems)
    training, held_out = chat.split(found.samples, settings.holdout, settings.seed)
    yield Progress("Loading the language model")
    where = device.pick()
    number_format = device.dtype(settings.precision, where)
    model, tokenizer = basemodels.load_text(settings.base_model, dtype=number_format)
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
        ),
    )
    if settings.continue_from:
        _continue(model, settings, settings.continue_from)
    model.to(where).train()
    # Rows carry their own mask, which knows no sliding window: samples stay within it.
    limit = min(settings.max_length, getattr(model.config, "sliding_window", None) or settings.max_length)
    tokens = {id(s): tokenize(tokenizer, s, limit) for s in (*training, *held_out)}
    kept = [tokens[id(s)] for s in training if tokens[id(s)].supervised > 0]
    judged = [tokens[id(s)] for s in held_out if tokens[id(s)].supervised > 0]
    if not kept:
        raise Mistake("No text fits into max_length ({length} tokens); raise it.", length=limit)
    cut = sum(len(t.ids) == limit for t in tokens.values())
    if cut:
        yield Progress("Reading the texts", text=f"{cut} long texts are cut to {limit} tokens")
    topics = settings.sample_topics or tuple(s.topic for s in (held_out or training)[:SAMPLE_TOPICS])
    data = changes.of_texts(found.samples)
    facts = {
        "samples": len(kept),
        "held_out": len(judged),
        "tokens": sum(len(t.ids) for t in kept),
        "supervised_tokens": sum(t.supervised for t in kept),
        "data": changes.digest(data),
        "base_model_name": _base_name(settings.base_model),
    }
    line = "{samples} texts to learn from, {held_out} held out, {supervised_tokens} tokens of narration"
    yield Progress("Reading the texts", text=line.format(**facts))
    shared = shared_prefix([*kept, *judged])
    recipe = TextRecipe(
        settings, model, tokenizer, kept, judged, topics, where, number_format, shared, facts, data
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def _continue(model: Any, settings: TextTraining, folder: Path) -> None:
    """Puts an earlier LoRA's numbers into the new one. Raises Mistake where none of its layers fits."""
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise Mistake("{path} is not a text LoRA (it has no adapter_model.safetensors).", path=folder)
    tensors = load_file(file)
    said = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scale, found = settings.alpha / settings.lora_rank, 0
    held = lora_parameters(model)
    for name, down in held.items():
        old = tensors.get(name.replace(".default.", "."))
        if ".lora_A." not in name or old is None or old.shape[1:] != down.shape[1:]:
            continue
        old_up = tensors[name.replace(".default.", ".").replace(".lora_A.", ".lora_B.")]
        new = refit(old, old_up, said["lora_alpha"] / said["r"], settings.lora_rank, scale)
        put(down, new[0])
        put(held[name.replace(".lora_A.", ".lora_B.")], new[1])
        found += 1
    if not found:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=folder
        )


def _base_name(name: str) -> str:
    """The base's name as other programs know it."""
    return "HuggingFaceTB/SmolLM2-135M-Instruct" if name == basemodels.EMBEDDED else name


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
