"""A full model of base and LoRA: its logits are those of both together, and nothing half-written stays."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest
import torch

from core.bases import language_model
from core.lora.adapters.merge import difference, merge
from core.lora.train import train
from core.messages import Mistake
from core.settings.lora_jobs import MergeSettings
from tests.running import last

IDS = torch.tensor([[1, 5, 9, 20, 31, 7]])


@pytest.fixture(scope="module")
def lora(tiny_llm, text_file, tmp_path_factory):
    from core.settings.training import TextTraining

    output = tmp_path_factory.mktemp("声") / "v"
    chosen = {"epochs": 2, "lora_rank": 4, "precision": "fp32", "learning_rate": 1e-2, "use_rslora": True}
    return last(
        TextTraining(base_model=str(tiny_llm), train_data_path=text_file, output_dir=output, **chosen)
    ).result


def logits(model):
    with torch.inference_mode():
        return model(IDS).logits.float()


def test_the_full_model_loads_by_itself_and_says_the_same(lora, tiny_llm):
    from peft import PeftModel
    from transformers import AutoTokenizer

    steps = list(merge(MergeSettings(lora=lora)))
    folder = steps[-1].result
    assert folder == lora.with_name(f"{lora.name}_merged") and "a full model of" in steps[-1].text
    base, _ = language_model.load(str(tiny_llm))
    full, _ = language_model.load(str(folder))
    plain = logits(base)
    both = logits(PeftModel.from_pretrained(base, str(lora)).eval())
    assert difference(both, logits(full)) < 1e-5 < difference(both, plain)
    assert AutoTokenizer.from_pretrained(folder).chat_template
    assert (folder / "lineage.yaml").is_file()
    assert not list(folder.parent.glob(".*.part"))
    assert list(merge(MergeSettings(lora=lora)))[-1].result.name.endswith("_merged-2")


def test_training_exports_it_when_asked_and_ends_with_the_lora(text_settings):
    steps = list(train(text_settings(epochs=1, export_merged=True)))
    folder = steps[-1].result
    assert (folder / "adapter_config.json").is_file()
    assert (folder.with_name(f"{folder.name}_merged") / "model.safetensors").is_file()
    told = [step.text for step in steps if step.text]
    assert any(line.startswith("For other programs: vllm serve") for line in told)


def test_too_little_disk_is_told_before_anything_is_written(lora, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(Mistake, match="make room"):
        list(merge(MergeSettings(lora=lora, output=tmp_path / "full")))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_lora_of_this_base_is_a_mistake(lora, tiny_llm, tmp_path):
    with pytest.raises(Mistake, match=r"adapter_config\.json"):
        list(merge(MergeSettings(lora=tmp_path)))
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(tiny_llm, hidden_size=16, intermediate_size=32, head_dim=4)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_llm).save_pretrained(tmp_path)
    with pytest.raises(Mistake, match="doesn't fit"):
        list(merge(MergeSettings(lora=lora, base=str(tmp_path))))
