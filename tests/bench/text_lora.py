"""Supervised tokens a second of the text LoRA's loop, of a plain transformers Trainer, and of the bare floor.

    python -m tests.bench.text_lora [--rounds 40] [--base embedded] [--texts assets/sample/texts]
    python -m tests.bench.text_lora --shape 0.5b --batch 16 --length 2048      (a GPU; also --shape 7b)

The arms take turns, update by update over the same samples in the same order, because timings taken one
after another misled by up to ten times; each figure is the median of the rounds, the first left out. Each
arm is a process of its own, as it is for its users: in one process the memory that one gives back is what
another has to ask for anew, and more threads than cores sleep between operations. `Trainer` is what its
user gets without tuning: `Trainer.train()`, padded batches, logits of the whole vocabulary at every place,
fp32 weights, on a GPU with `bf16=True`. `floor` is forward and backward of our own rows with nothing around
it. Memory is an arm's own: its weights and the most that a step adds (GPU only). Both learners have then
seen the same tokens, so their held-out losses should be within 1 %.

`--shape` takes a Qwen2 of that size with random weights, made in memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from core import device
from core.bases import language_model
from core.lora.engine.seeds import order
from core.lora.engine.step import Stepper
from core.lora.kernels import block_attention, lora_linear, rms_norm
from core.lora.text import packing
from core.lora.text import recipe as text_recipe
from core.lora.text import setup as text_setup
from core.progress import outcome
from core.settings.training import TextTraining
from tests.running import finished

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
class Clock:
    """Times the updates of an arm, each after the other arms have had theirs, and tells them on."""

    turn: Connection
    recipe: text_recipe.TextRecipe
    rounds: list[list[int]]
    before: int = 0
    started: float = 0.0

    def begin(self) -> None:
        """Waits until it is this arm's turn; the clock starts."""
        self.turn.recv()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        self.started = time.perf_counter()

    def end(self, number: int) -> None:
        """The device is waited for and the clock stops: seconds, supervised tokens, bytes that were added."""
        added = 0
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            added = torch.cuda.max_memory_allocated() - self.before
        seconds = time.perf_counter() - self.started
        tokens = sum(self.recipe.training[member].supervised for member in self.rounds[number])
        self.turn.send((seconds, tokens, added))

    def run(self, step: Callable[[int], object]) -> None:
        """All updates of an arm that is a function of the round's number."""
        for number in range(len(self.rounds)):
            self.begin()
            step(number)
            self.end(number)


def prepared(settings: TextTraining) -> text_recipe.TextRecipe:
    """The recipe, its reports passed over."""
    return finished(text_setup.prepare(settings))[1]


def updates(recipe: text_recipe.TextRecipe, count: int) -> list[list[int]]:
    """The samples of each update: whole batches, epoch by epoch in the loop's own order."""
    made: list[list[int]] = []
    settings, epoch = recipe.settings, 0
    while len(made) < count:
        chosen, size = order(len(recipe.training), settings.seed, epoch), settings.batch_size
        made += [chosen[at : at + size] for at in range(0, len(chosen) - size + 1, size)]
        epoch += 1
    return made[:count]


def ours(clock: Clock) -> None:
    """The studio's loop."""
    recipe, rounds = clock.recipe, clock.rounds
    stepper = Stepper(recipe, recipe.settings, Accelerator())
    clock.run(lambda n: stepper.update(0, recipe._rows(recipe.training, rounds[n]), n, len(rounds)))


def floor(clock: Clock) -> None:
    """Forward and backward, the tensors made beforehand."""
    recipe = clock.recipe
    made = [[recipe._tensors(recipe.training, row) for row in recipe._rows(recipe.training, members)]
            for members in clock.rounds]  # fmt: skip
    parameters = list(text_recipe.lora_parameters(recipe.model).values())
    mixed = recipe.dtype != torch.float32

    def step(number: int) -> None:
        for p in parameters:
            p.grad = None
        for row in made[number]:
            with torch.autocast(recipe.device.type, recipe.dtype, enabled=mixed):
                loss = packing.row_loss(recipe.model, row, recipe.way.head)
            loss.backward()

    clock.run(step)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


def trainer(clock: Clock) -> None:
    """A transformers Trainer."""
    from torch.utils.data import SequentialSampler
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

    recipe, settings = clock.recipe, clock.recipe.settings
    if recipe.tokenizer.pad_token_id is None:
        recipe.tokenizer.pad_token = recipe.tokenizer.eos_token
    samples = [recipe.training[member] for members in clock.rounds for member in members]
    rows = [
        {"input_ids": one.ids, "labels": [-100] * one.start + one.ids[one.start :],
         "attention_mask": [1] * len(one.ids)} for one in samples
    ]  # fmt: skip

    class InTurn(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.end(state.global_step - 1)

    class InOrder(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(rows)

    cuda = recipe.device.type == "cuda"
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=settings.batch_size,
        max_steps=len(clock.rounds), learning_rate=settings.learning_rate, lr_scheduler_type="constant",
        bf16=cuda, use_cpu=not cuda, weight_decay=settings.weight_decay, logging_strategy="no",
        save_strategy="no", report_to="none", disable_tqdm=True, remove_unused_columns=False,
        seed=settings.seed,
    )  # fmt: skip
    collator = DataCollatorForSeq2Seq(recipe.tokenizer, padding=True, label_pad_token_id=-100)
    lora_linear.take_off(recipe.model)  # a Trainer's user has peft's layers, and transformers' own
    rms_norm.take_off(recipe.model)
    block_attention.take_off(recipe.model.get_base_model())
    InOrder(recipe.model, arguments, data_collator=collator, train_dataset=rows, callbacks=[InTurn()]).train()
    if recipe.way.attention and recipe.way.attention.blocks:  # judged as the others are
        block_attention.put_on(recipe.model.get_base_model())


ARMS = {"ours": ours, "Trainer": trainer, "floor": floor}


def work(name: str, settings: TextTraining, shape: str | None, rounds: int, turn: Connection) -> None:
    """An arm's process: makes ready, does its updates in turn, and tells its held-out losses and size."""
    if shape:
        use_shape(shape, settings.train_data_path)
    plain = settings.model_copy(update={"precision": "fp32"})
    recipe = prepared(plain if name == "Trainer" else settings)
    turn.send(None)
    ARMS[name](Clock(turn, recipe, updates(recipe, rounds)))
    size = sum(p.numel() * p.element_size() for p in recipe.model.parameters())
    turn.send((outcome(recipe.validate(len(recipe.held_out))) if name != "floor" else {}, size))


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

    language_model.load = load


@dataclass
class Arm:
    """An arm's process as the bench sees it."""

    turn: Connection
    process: SpawnProcess
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    added: int = 0

    def take(self, counted: bool) -> None:
        """Has it do its next update."""
        self.turn.send(None)
        seconds, tokens, added = self.turn.recv()
        if counted:
            self.seconds.append(seconds)
            self.rates.append(tokens / seconds)
            self.added = max(self.added, added)


def start(name: str, settings: TextTraining, shape: str | None, rounds: int) -> Arm:
    """An arm's process, ready for its first update."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=work, args=(name, settings, shape, rounds, there), daemon=True)
    process.start()
    there.close()
    here.recv()
    return Arm(here, process)


def table(arms: dict[str, Arm], ends: dict[str, tuple[dict[str, float], int]]) -> str:
    """The arms as markdown."""
    medians = {name: statistics.median(arm.rates) for name, arm in arms.items()}
    lines = [
        "| arm | supervised tokens/s | × Trainer | s/step | memory | held-out loss |",
        "|---|---|---|---|---|---|",
    ]
    for name, arm in arms.items():
        figures, size = ends[name]
        memory = f"{(arm.added + size) / 1e9:.1f} GB" if arm.added else "–"
        loss = f"{figures['held_out_loss']:.4f}" if figures else "–"
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
    settings = TextTraining(
        base_model=options.base, train_data_path=options.texts, output_dir=Path(tempfile.mkdtemp()),
        batch_size=options.batch, max_length=options.length, learning_rate=5e-4, lr_scheduler="constant",
    )  # fmt: skip
    arms = {name: start(name, settings, options.shape, options.rounds + 1) for name in ARMS}
    for number in range(options.rounds + 1):
        for arm in arms.values():
            arm.take(counted=number > 0)
    ends = {name: arm.turn.recv() for name, arm in arms.items()}
    for arm in arms.values():
        arm.process.join()
    mine, theirs = ends["ours"][0], ends["Trainer"][0]
    print(f"{device.describe()}; torch {torch.__version__}; {options.shape or options.base}")
    print(f"{options.rounds} rounds of {options.batch} samples")
    print(f"the base's held-out loss {mine['base_held_out_loss']:.4f}, in fp32 ", end="")
    print(f"{theirs['base_held_out_loss']:.4f}\n")
    print(table(arms, ends))
    off = 100 * (mine["held_out_loss"] / theirs["held_out_loss"] - 1)
    print(f"\nheld-out loss: {off:+.2f} % of the Trainer's")


if __name__ == "__main__":
    main()
