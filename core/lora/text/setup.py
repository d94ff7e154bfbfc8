"""Prepares the training of a text LoRA: from settings to the recipe, the model loaded."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.bases import language_model
from core.lora.adapters.facts import TextFacts
from core.lora.adapters.refit import put, refit
from core.lora.engine import fingerprint
from core.lora.kernels import lora_linear, rms_norm
from core.lora.text import dataset as text_dataset
from core.lora.text import packing
from core.lora.text.recipe import TextRecipe, lora_parameters
from core.lora.text.tokens import Tokens, tokenize
from core.messages import Mistake, Sentence
from core.progress import Progress, Steps
from core.settings.training import TextTraining
from core.texts import lorafolder
from core.texts import samples as chat
from core.texts.template import of_folder
from core.weights import GGUF

if TYPE_CHECKING:
    import torch

JUDGED = 40  # held-out texts that a look takes, at most, and a proof's perplexity


def prepare(settings: TextTraining) -> Generator[Progress, None, TextRecipe]:
    """Reads the texts, loads the model and puts the LoRA on it; returns the TextRecipe.

    Raises Mistake for a missing or empty text set and for target modules that the model lacks.
    """
    from core.texts.importing import read_texts

    found = read_texts(settings.train_data_path)
    yield from (Progress("Reading the texts", text=problem.sentence) for problem in found.problems)
    training, held_out = chat.split(
        chat.learnt(found.samples, settings.task), settings.holdout, settings.seed
    )
    yield Progress("Loading the language model")
    where = device.pick()
    number_format = device.dtype(settings.precision, where)
    model, tokenizer = yield from _loaded(settings, where, number_format)
    kept, judged = yield from _tokenized(settings, tokenizer, training, held_out)
    own = tuple(s.topic for s in (held_out or training)[: settings.samples])
    data = text_dataset.of_texts(found.samples)
    facts = TextFacts(
        samples=len(kept),
        held_out=len(judged),
        tokens=sum(len(t.ids) for t in kept),
        supervised_tokens=sum(t.supervised for t in kept),
        data=fingerprint.digest(data),
    )
    line = Sentence(
        "{samples} texts to learn from, {held_out} held out, {tokens} tokens of narration",
        samples=facts.samples,
        held_out=facts.held_out,
        tokens=facts.supervised_tokens,
    )
    yield Progress("Reading the texts", text=line)
    way = yield from _way(model, [*kept, *judged], number_format, where)
    recipe = TextRecipe(
        settings=settings,
        model=model,
        tokenizer=tokenizer,
        training=kept,
        held_out=chat.evenly(judged, JUDGED),
        topics=settings.sample_topics or own if settings.samples else (),
        device=where,
        dtype=number_format,
        way=way,
        facts=facts,
        data=data,
    )
    if settings.gradient_checkpointing == "on":
        recipe.checkpoint_gradients()
    return recipe


def _loaded(
    settings: TextTraining, where: torch.device, number_format: torch.dtype
) -> Generator[Progress, None, tuple[Any, Any]]:
    """The base with the LoRA on it, where it computes, and its tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model

    hindrance = four_bit_hindrance(settings, where)
    four_bit = settings.quantize == "4bit" and not hindrance
    if hindrance:
        yield Progress("Loading the language model", text=hindrance)
    model, tokenizer = language_model.load(settings.base_model, number_format, four_bit)
    if settings.continue_from:
        tokenizer.chat_template = of_folder(settings.continue_from) or tokenizer.chat_template
    torch.manual_seed(settings.seed)
    _check_targets(model, settings)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=list(settings.target_modules),
        use_rslora=settings.use_rslora,
    )
    model = get_peft_model(model, config)
    if settings.continue_from:
        _continue(model, settings, settings.continue_from)
    lora_linear.put_on(model)
    rms_norm.put_on(model)
    if not four_bit:  # bitsandbytes has put it where it computes
        model.to(where)
    return model, tokenizer


def _tokenized(
    settings: TextTraining,
    tokenizer: Any,
    training: Sequence[chat.TextSample],
    held_out: Sequence[chat.TextSample],
) -> Generator[Progress, None, tuple[list[Tokens], list[Tokens]]]:
    """The tokens of the training and of the held-out texts; those whose reply is cut off are left out."""
    limit, tokens = settings.max_length, list[Tokens]()
    reading = Steps("Tokenizing the texts", len(training) + len(held_out))
    for sample in (*training, *held_out):
        tokens.append(tokenize(tokenizer, sample, limit, settings.task))
        yield reading.report(1)
    kept = [one for one in tokens[: len(training)] if one.supervised > 0]
    if not kept:
        raise Mistake("No text fits into max_length ({length} tokens); raise it.", length=limit)
    cut = sum(len(one.ids) == limit for one in tokens)
    if cut:
        shorter = Sentence("{count} long texts are cut to {limit} tokens", count=cut, limit=limit)
        yield Progress("Reading the texts", text=shorter)
    return kept, [one for one in tokens[len(training) :] if one.supervised > 0]


def _way(
    model: Any, tokens: Sequence[Tokens], number_format: torch.dtype, where: torch.device
) -> Generator[Progress, None, packing.Way]:
    """How this model takes several texts a row, tried on it."""
    model.eval()
    with device.autocast(where, number_format):
        way = packing.way_of(model, tokens, number_format, where)
    if way.attention is None:
        alone = Sentence("This model takes one text a row: texts are not packed")
        yield Progress("Reading the texts", text=alone)
    model.train()
    return way


def four_bit_hindrance(settings: TextTraining, place: torch.device) -> str:
    """Why the base can't be held in 4 bits though that is asked for; empty where it can, or isn't asked."""
    if settings.quantize == "none":
        return ""
    if settings.base_model.endswith(GGUF):
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
    earlier, held, found = lorafolder.read_layers(folder), lora_parameters(model), 0
    for name in filter(lambda name: ".lora_A." in name, held):
        down, up = held[name], held[name.replace(".lora_A.", ".lora_B.")]
        old = earlier.get(name.removeprefix(lorafolder.PREFIX).partition(".lora_A.")[0])
        if old is None or old.down.shape[1:] != down.shape[1:] or len(old.up) != len(up):
            continue
        new = refit(old.down, old.up, old.scale, settings.lora_rank, settings.scale)
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
