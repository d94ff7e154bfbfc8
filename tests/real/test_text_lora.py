"""A text LoRA on real models: it trains, goes on exactly, fits other programs, and changes what is said."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from core.bases import language_model
from core.lineage import read_lineage
from core.lora.adapters import peft_folder
from core.lora.adapters.merge import difference, merge
from core.lora.engine import budget
from core.lora.proof import page as proof_page
from core.lora.prove import prove
from core.lora.train import train
from core.project import ROOT
from core.settings.lora_jobs import MergeSettings, TextProofSettings
from core.settings.training import TextTraining
from core.texts.samples import messages
from core.texts.writer import Writer

TEXTS = ROOT / "assets" / "sample" / "texts"
STEPS = {"gemma": 30, "qwen": 30}
# vLLM's parse_fine_tuned_lora_name takes these apart: the prefix, the model's own path, which matrix.
VLLM_NAME = re.compile(
    r"base_model\.model\.model\.layers\.\d+\."
    r"(?:self_attn\.(?:q|k|v|o)_proj|mlp\.(?:gate|up|down)_proj)\.lora_[AB]\.weight"
)


def settings(base: Path, output: Path, steps: int) -> TextTraining:
    return TextTraining(
        base_model=str(base), train_data_path=TEXTS, output_dir=output, max_steps=steps, batch_size=2,
        max_length=192, lora_rank=8, learning_rate=5e-4, save_steps=0, keep_loras=0, samples=1,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """No figures of these tests stand beside a person's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=["gemma", "qwen"])
def made(own_cache, request, real_model, tmp_path_factory):
    """A training from beginning to end, and what it told and took."""
    base, folder = real_model(request.param), tmp_path_factory.mktemp("real")
    chosen = settings(base, folder / "whole", STEPS[request.param])
    reports, clock, asked = [], {}, time.monotonic()
    for progress in train(chosen):
        taken = time.monotonic() - asked
        clock[progress.message] = clock.get(progress.message, 0.0) + taken
        reports.append(progress)
        asked = time.monotonic()
    for progress in reports:
        if progress.text:
            print(f"{request.param}: {progress.text}")
    print(f"{request.param}: seconds by report { ({name: round(s, 1) for name, s in clock.items()}) }")
    return SimpleNamespace(
        name=request.param, base=base, chosen=chosen, reports=reports, clock=clock, lora=reports[-1].result
    )


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def answered(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(ids).logits.float()


def test_what_it_has_not_seen_becomes_likelier(made):
    figures = read_lineage(made.lora)["figures"]
    print(made.name, figures)
    assert figures["held_out_loss"] < figures["base_held_out_loss"] - 0.05


def test_looks_take_little_beside_the_updates(made):
    looks = sum(made.clock.get(name, 0.0) for name in ("Judging", "Writing samples"))
    share = looks / made.clock["Training"]
    print(f"{made.name}: looks {looks:.1f} s, updates {made.clock['Training']:.1f} s, {share:.0%}")
    # The least that is always done, a few texts at the first look and at the last, may take a little more.
    assert looks <= max(2 * budget.LEAST_SECONDS, 0.2 * made.clock["Training"])


def test_stopped_and_gone_on_with_it_is_the_same_lora(made, tmp_path):
    chosen = settings(made.base, tmp_path / "stopped", made.chosen.max_steps)
    running = train(chosen)
    next(p for p in running if p.message == "Training" and p.step == made.chosen.max_steps // 2 and p.loss)
    running.close()
    resumed = list(train(chosen))
    assert any(str(p.text or "").startswith("Continuing after step") for p in resumed)
    expected, found = adapter(made.lora), adapter(resumed[-1].result)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_its_names_are_vllms(made):
    names = adapter(made.lora).keys()
    assert names and all(map(VLLM_NAME.fullmatch, names))
    config = json.loads((made.lora / "adapter_config.json").read_text())
    assert config.get("modules_to_save") is None and config["bias"] == "none"
    assert not config.get("use_dora")
    assert peft_folder.vllm_line(made.lora).split()[:2] == ["vllm", "serve"]


def test_plain_peft_loads_it_and_merged_it_says_the_same(made, tmp_path):
    from peft import PeftModel

    full = list(merge(MergeSettings(lora=made.lora, output=tmp_path / "full")))[-1].result
    base, tokenizer = language_model.load(str(made.base), torch.float32)
    ids = torch.tensor([tokenizer("A boat waits by the old stone bridge.")["input_ids"]])
    plain = answered(base, ids)
    with_lora = answered(PeftModel.from_pretrained(base, str(made.lora)).eval(), ids)
    del base
    merged = answered(language_model.load(str(full), torch.float32)[0], ids)
    print(f"{made.name}: merged differs by {difference(with_lora, merged):.4f}, "
          f"the base by {difference(with_lora, plain):.4f}")  # fmt: skip
    assert difference(with_lora, merged) < 0.3 * difference(with_lora, plain)


def test_its_style_is_nearer_to_the_texts_than_the_bases(made):
    """The score of 0 (the base's own answers) to 1 (the creator's texts), as the proof has it."""
    page = last_of(prove(TextProofSettings(lora=made.lora, topics=6, replies=1)))
    found = json.loads((proof_page.folder_of(made.lora) / "proof.json").read_text())
    base, lora = found["figures"][0], found["figures"][-1]
    print(made.name, "style before and after:", base["style"], lora["style"],
          "perplexity:", base["perplexity"], lora["perplexity"])  # fmt: skip
    for topic, before, after in zip(found["topics"], base["replies"], lora["replies"], strict=True):
        print(f"{made.name}: {topic}\n  base: {before[0]}\n  LoRA: {after[0]}")
    assert page.is_file() and lora["perplexity"] < base["perplexity"]
    if base["style"] is not None and lora["style"] is not None:
        assert lora["style"] > base["style"]


def last_of(job):
    return list(job)[-1].result


def test_the_writer_speaks_with_it(made):
    writer = Writer(str(made.base), "auto")
    with writer.voice(made.lora):
        lines = writer.candidates_for([messages("a lamp in the rain")], 2, 1)
    print(made.name, lines)
    assert len(lines[0]) == 2 and any(line.strip() for line in lines[0])


def test_one_training_more_is_as_told(made, tmp_path):
    """The pre-flight knows the pace by now."""
    told = [str(p.text) for p in list(train(settings(made.base, tmp_path / "more", 2))) if p.text]
    assert any(line.startswith("time: about") and "of them training alone" in line for line in told)
