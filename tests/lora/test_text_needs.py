"""A text LoRA's needs, told and true: steps exactly, disk within a tolerance, memory in its order of size."""

from __future__ import annotations

import pytest
import torch

from core import device
from core.lora import preflight
from core.lora.engine import loop
from core.lora.estimate import text as text_estimate
from core.lora.estimate import timings
from core.lora.text import recipe as text_recipe
from tests.running import last


@pytest.mark.parametrize(
    "changes",
    [{}, {"batch_size": 3, "epochs": 5}, {"gradient_accumulation": 2}, {"max_steps": 40}, {"holdout": 0.0}],
)
def test_steps_are_those_of_the_loop(changes, recipe_of, text_settings):
    chosen = text_settings(**changes)
    recipe = recipe_of(chosen)
    assert preflight.needs(chosen).steps == loop.count_steps(recipe, chosen)
    assert preflight.needs(chosen, 2).steps == loop.count_steps(recipe, chosen, 2)
    held = sum(p.numel() for p in text_recipe.lora_parameters(recipe.model).values())
    base = text_estimate.language_model.read_config(chosen.base_model)
    assert text_estimate.lora_numbers(chosen, text_estimate._shape(base[0], chosen)) == held


def test_time_is_known_from_the_second_run_on(text_settings):
    chosen = text_settings(epochs=4)
    said = [str(line) for line in preflight.lines(chosen)]
    assert said[0] == "10 texts (1 held out) × 4 passes, 4 at a time: 12 steps"
    assert said[1].startswith("time: unknown")
    last(chosen)
    first = preflight.needs(chosen).seconds
    figures = timings._all()
    key = text_estimate.step_key(chosen)
    pace, judging = (figures[f"{key} | {part}"] for part in (timings.PACE, "Judging"))
    writing = text_recipe.SAMPLE_TOKENS * pace
    besides, longer = (writing + looks * judging for looks in (6 + 1, 8 + 1))  # 12 and 24 steps; the base's
    assert first > besides > 0
    twice = preflight.needs(text_settings(epochs=8)).seconds - longer
    assert twice == pytest.approx(2 * (first - besides))
    assert preflight.needs(text_settings(target_modules="q_proj")).seconds is None


def test_four_bits_and_checkpointing_need_less(text_settings, tiny_llm, monkeypatch):
    config, numbers = text_estimate.language_model.read_config(str(tiny_llm))
    model, _ = text_estimate.language_model.load(str(tiny_llm))
    assert numbers == sum(p.numel() for p in model.parameters())
    chosen, cuda = text_settings(quantize="4bit"), torch.device("cuda")
    plain = text_estimate.weights_bytes(config, numbers, text_settings(), cuda)
    assert text_estimate.weights_bytes(config, numbers, chosen, torch.device("cpu")) == plain == 4 * numbers
    monkeypatch.setattr(device, "bitsandbytes", lambda place: True)
    assert text_estimate.weights_bytes(config, numbers, chosen, cuda) < 0.7 * plain
    again = text_settings(gradient_checkpointing="on")
    assert preflight.needs(again).memory < preflight.needs(text_settings()).memory


def test_what_would_fit_is_advised(text_settings, monkeypatch):
    chosen = text_settings()
    free = preflight.needs(text_settings(gradient_checkpointing="on")).memory
    monkeypatch.setattr(text_estimate.device, "available_bytes", lambda place: free)
    said = [str(line) for line in preflight.lines(chosen)]
    assert said[-1] == "It may not fit into memory: set gradient_checkpointing=on."


def test_a_merged_model_takes_its_disk(text_settings, tiny_llm):
    _, numbers = text_estimate.language_model.read_config(str(tiny_llm))
    more = preflight.needs(text_settings(export_merged=True)).disk - preflight.needs(text_settings()).disk
    assert more == 2 * numbers


def test_a_base_that_isnt_known_has_unknown_needs(text_settings):
    said = [str(line) for line in preflight.lines(text_settings(base_model="owner/name"))]
    assert "memory and disk: unknown until the base model is on this machine" in said
