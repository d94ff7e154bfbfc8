"""Supervised tokens a second of the text LoRA's loop, of a plain transformers Trainer, and of the bare floor.

    python -m tests.bench.text_lora [--rounds 40] [--base embedded] [--texts assets/sample/texts]
    python -m tests.bench.text_lora --shape 0.5b --batch 16 --length 2048      (a GPU; also --shape 7b)

The arms take turns in one process, batch by batch over the same samples in the same order, because timings
taken one after another misled by up to ten times; each figure is the median of the rounds, the first left
out. `Trainer` is what its user gets without tuning: `Trainer.train()`, padded batches, logits of the whole
vocabulary at every place, fp32 weights, on a GPU with `bf16=True`. `floor` is forward and backward of our own
rows with nothing around it. Memory is an arm's own: its weights and the most that a step adds (GPU only).
Both learners have then seen the same tokens, so their held-out losses should be within 1 %.

`--shape` takes a Qwen2 of that size with random weights, made in memory.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from core import basemodels, device
from core.lora import packing, text
from core.lora.recipe import order
from core.lora.stepper import Stepper
from core.settings import TextTraining

SHAPES = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 1000},
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
             "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
             "tie_word_embeddings": True},
    "7b": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
           "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
}  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass
class Arm:
    """One way to train: `step(round)` does an update on that round's samples."""

    step: Callable[[int], None]
    recipe: text.TextRecipe
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    added: int = 0
    before: int = 0
    started: float = 0.0

    def take(self, number: int, tokens: float) -> None:
        """Does round `number`, which has so many supervised tokens."""
        self.begin()
        self.step(number)
        self.end(number, tokens)

    def begin(self) -> None:
        """The clock starts."""
        self.before = _allocated(reset=True)
        self.started = time.perf_counter()

    def end(self, number: int, tokens: float) -> None:
        """The device is waited for and the clock stops; the first round isn't counted."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number:
            self.seconds.append(time.perf_counter() - self.started)
            self.rates.append(tokens / self.seconds[-1])
            self.added = max(self.added, _allocated(peak=True) - self.before)

    def memory(self) -> int:
        """Bytes of its weights and of what a step adds."""
        return self.added + sum(p.numel() * p.element_size() for p in self.recipe.model.parameters())


def _allocated(peak: bool = False, reset: bool = False) -> int:
    if not torch.cuda.is_available():
        return 0
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()


def prepared(settings: TextTraining) -> text.TextRecipe:
    """The recipe, its reports passed over."""
    steps = text.prepare(settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def ours(settings: TextTraining, rounds: list[list[int]]) -> Arm:
    """The studio's loop."""
    recipe = prepared(settings)
    stepper = Stepper(recipe, settings, Accelerator())

    def step(number: int) -> None:
        stepper.update(0, recipe._rows(recipe.training, rounds[number]), number, len(rounds))

    return Arm(step, recipe)


def floor(settings: TextTraining, rounds: list[list[int]], recipe: text.TextRecipe) -> Arm:
    """Forward and backward on the model of `recipe`, its tensors made beforehand."""
    made = [[recipe._tensors(recipe.training, row) for row in recipe._rows(recipe.training, members)]
            for members in rounds]  # fmt: skip
    parameters = list(text.lora_parameters(recipe.model).values())
    mixed = recipe.dtype != torch.float32

    def step(number: int) -> None:
        for row in made[number]:
            with torch.autocast(recipe.device.type, recipe.dtype, enabled=mixed):
                loss = packing.row_loss(recipe.model, row, recipe.way.head)
            loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)
        for p in parameters:
            p.grad = torch.zeros_like(p)

    return Arm(step, recipe)


def trainer(
    settings: TextTraining, rounds: list[list[int]]
) -> tuple[Arm, Callable[[Callable[[int], None]], None]]:
    """A transformers Trainer, and what runs it: before each of its steps that calls `others(round)`.

    All arms compute on one thread. With a second one that computes, each has OpenMP workers of its own, more
    in all than there are cores, which then sleep between operations: every arm takes 1.4 times as long.
    """
    from torch.utils.data import SequentialSampler
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

    recipe = prepared(settings.model_copy(update={"precision": "fp32"}))
    if recipe.tokenizer.pad_token_id is None:
        recipe.tokenizer.pad_token = recipe.tokenizer.eos_token
    samples = [recipe.training[member] for members in rounds for member in members]
    rows = [
        {"input_ids": one.ids, "labels": [-100] * one.start + one.ids[one.start :],
         "attention_mask": [1] * len(one.ids)} for one in samples
    ]  # fmt: skip
    arm = Arm(lambda number: None, recipe)

    class InTurn(TrainerCallback):
        def __init__(self, others: Callable[[int], None]) -> None:
            self.others = others

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.others(state.global_step)
            arm.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            arm.end(state.global_step - 1, supervised(recipe, rounds[state.global_step - 1]))

    class InOrder(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(train_dataset or self.train_dataset)

    cuda = recipe.device.type == "cuda"
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=settings.batch_size, max_steps=len(rounds),
        learning_rate=settings.learning_rate, lr_scheduler_type="constant", bf16=cuda, use_cpu=not cuda,
        weight_decay=settings.weight_decay, logging_strategy="no", save_strategy="no", report_to="none",
        disable_tqdm=True, remove_unused_columns=False, seed=settings.seed,
    )  # fmt: skip
    collator = DataCollatorForSeq2Seq(recipe.tokenizer, padding=True, label_pad_token_id=-100)

    def run(others: Callable[[int], None]) -> None:
        InOrder(recipe.model, arguments, data_collator=collator, train_dataset=rows,
                callbacks=[InTurn(others)]).train()  # fmt: skip

    return arm, run


def supervised(recipe: text.TextRecipe, members: list[int]) -> int:
    """Tokens of these samples that the loss is taken on."""
    return sum(recipe.training[member].supervised for member in members)


def use_shape(name: str, texts: Path) -> None:
    """Lets `embedded` stand for a Qwen2 of that shape with random weights, the same at each load."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = min(8000, SHAPES[name]["vocab_size"])
    learner = trainers.BpeTrainer(vocab_size=size, special_tokens=marks, initial_alphabet=alphabet)
    core.train([str(file) for file in sorted(texts.rglob("*")) if file.is_file()], learner)

    def load(_: str, dtype: torch.dtype, four_bit: bool = False) -> tuple[Any, Any]:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
        )
        tokenizer.chat_template = TEMPLATE
        torch.manual_seed(0)
        config = AutoConfig.for_model("qwen2", **SHAPES[name], eos_token_id=2, pad_token_id=0)
        with torch.device(device.pick()):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        return model.to(dtype).eval(), tokenizer

    basemodels.load_text = load


def table(arms: dict[str, Arm], losses: dict[str, float]) -> str:
    """The arms as markdown."""
    medians = {name: statistics.median(arm.rates) for name, arm in arms.items()}
    lines = [
        "| arm | supervised tokens/s | × Trainer | s/step | memory | held-out loss |",
        "|---|---|---|---|---|---|",
    ]
    for name, arm in arms.items():
        memory = f"{arm.memory() / 1e9:.1f} GB" if arm.added else "–"
        loss = f"{losses[name]:.4f}" if name in losses else "–"
        lines.append(
            f"| {name} | {medians[name]:.1f} | {medians[name] / medians['Trainer']:.2f} | "
            f"{statistics.median(arm.seconds):.2f} | {memory} | {loss} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40, help="updates that are timed, after a first one")
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--shape", choices=SHAPES, help="random weights of this size instead of a base")
    parser.add_argument("--texts", type=Path, default=Path("assets/sample/texts"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=1024, help="most tokens in one of our rows")
    options = parser.parse_args()
    if options.shape:
        use_shape(options.shape, options.texts)
    settings = TextTraining(
        base_model=options.base, train_data_path=options.texts, output_dir=Path(tempfile.mkdtemp()),
        batch_size=options.batch, max_length=options.length, learning_rate=5e-4, lr_scheduler="constant",
    )  # fmt: skip
    members: list[list[int]] = []
    made = ours(settings, members)
    count, whole = (
        len(made.recipe.training),
        range(0, len(made.recipe.training) - options.batch + 1, options.batch),
    )
    epochs = 0
    while len(members) <= options.rounds:
        chosen = order(count, settings.seed, epochs)
        members += [chosen[at : at + options.batch] for at in whole]
        epochs += 1
    del members[options.rounds + 1 :]
    mine = {"ours": made, "floor": floor(settings, members, made.recipe)}
    plain, run = trainer(settings, members)

    def others(number: int) -> None:
        for arm in mine.values():
            arm.take(number, supervised(made.recipe, members[number]))

    run(others)
    arms = {"ours": made, "Trainer": plain, "floor": mine["floor"]}
    losses = {name: arms[name].recipe.validate()["held_out_loss"] for name in ("ours", "Trainer")}
    base, plainly = (arms[name].recipe.figures["base_held_out_loss"] for name in ("ours", "Trainer"))
    size = sum(p.numel() for p in made.recipe.model.parameters())
    print(
        f"{device.describe()}; torch {torch.__version__}; {options.shape or options.base}, {size / 1e6:.0f} M"
    )
    print(f"{options.rounds} rounds of {options.batch} samples")
    print(f"the base's held-out loss {base:.4f}, the Trainer's {plainly:.4f}\n")
    print(table(arms, losses))
    print(f"\nheld-out loss: {100 * (losses['ours'] / losses['Trainer'] - 1):+.2f} % of the Trainer's")


if __name__ == "__main__":
    main()
