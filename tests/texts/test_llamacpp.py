"""llama.cpp with a tiny random Llama: the same words as transformers, with and without a LoRA."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from core.messages import Mistake
from core.project import ROOT
from core.texts import llamacpp
from core.texts.engine import opened, structured
from core.texts.llamacpp import LlamaCpp, runs
from core.texts.samples import messages
from core.texts.writer import Writer
from tests import tiny

CHAT = messages("a boat on a river")
SCHEMA = {
    "type": "object",
    "properties": {
        "say": {"type": "string", "pattern": "^[A-Z][a-z ]{5,20}[.]$"},
        "zh": {"type": "string", "pattern": "^[一-鿿]{2,4}。$"},
        "seconds": {"type": "integer", "minimum": 2, "maximum": 12},
    },
    "required": ["say", "zh", "seconds"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def file(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gguf_file(tiny_llm, tmp_path_factory.mktemp("gguf") / "tiny 小.gguf")


@pytest.fixture(scope="module")
def lora(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with weights far from zero on all kinds of layers, and a strength that isn't 1."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    layers = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj"]
    how = LoraConfig(r=4, lora_alpha=6, target_modules=layers, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_llm), how)
    for name, weights in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weights, std=0.3)
    folder = tmp_path_factory.mktemp("loras") / "声音"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(file: Path) -> Iterator[LlamaCpp]:
    made = LlamaCpp(str(file), file)
    yield made
    made.close()


def greedy(model: LlamaCpp, chat: Any, count: int) -> str:
    with model._asked() as client:
        return client.said(chat, 0, count, 0.0, 1.0)


def likeliest(model: LlamaCpp, chat: Any) -> dict[int, float]:
    """Log-probability of the first token's likeliest ones."""
    asked = {"messages": chat, "max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 20}
    with model._asked() as client:
        said = client._client.post(f"{client.address}/chat/completions", json={**asked, **client.more}).json()
    (first,) = said["choices"][0]["logprobs"]["content"]
    return {one["id"]: one["logprob"] for one in first["top_logprobs"]}


def test_it_weighs_words_as_transformers_does_with_and_without_a_lora(
    model: LlamaCpp, tiny_llm: Path, lora: Path
) -> None:
    import torch

    writer, seen = Writer(str(tiny_llm), "fp32"), []
    for voice in (None, lora, None):
        with model.voice(voice), writer.voice(voice), torch.inference_mode():
            logits = writer.model(torch.tensor([writer.prompt(CHAT)])).logits[0, -1]
            expected = torch.log_softmax(logits, -1)
            found = likeliest(model, CHAT)
        assert len(found) == 20
        assert found == pytest.approx({token: float(expected[token]) for token in found}, abs=0.03)
        seen.append(found)
    assert seen[0] == pytest.approx(seen[2])
    assert max(abs(seen[1].get(token, -99) - worth) for token, worth in seen[0].items()) > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_is_of_the_schema(model: LlamaCpp, seed: int) -> None:
    jsonschema.validate(structured(model, CHAT, SCHEMA, seed, 1.5, 1.0), SCHEMA)


def test_the_same_seed_gives_the_same(model: LlamaCpp) -> None:
    once, again, other = (structured(model, CHAT, SCHEMA, seed, 1.5, 1.0) for seed in (1, 1, 2))
    assert once == again != other


def test_only_large_files_run_in_it(file: Path, tiny_llm: Path, lora: Path, monkeypatch: Any) -> None:
    assert not runs(file)
    assert isinstance(opened(str(file)), Writer)
    monkeypatch.setattr(llamacpp, "LARGE", 1)
    assert runs(file) and runs(file, [lora])
    assert not runs(tiny_llm)
    made = opened(str(file), loras=[lora])
    assert isinstance(made, LlamaCpp) and made.size > 10_000
    made.close()


def test_a_lora_of_a_kind_that_llamacpp_lacks_stays_in_transformers(
    file: Path, lora: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(llamacpp, "LARGE", 1)
    dora = shutil.copytree(lora, tmp_path / "dora")
    config = dora / "adapter_config.json"
    config.write_text(config.read_text().replace('"use_dora": false', '"use_dora": true'))
    assert not runs(file, [lora, dora])


def test_a_lora_of_another_model_is_told(model: LlamaCpp, lora: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(lora, tmp_path / "other")
    tensors = load_file(other / "adapter_model.safetensors")
    save_file({name: one.repeat(2, 2) for name, one in tensors.items()}, other / "adapter_model.safetensors")
    with pytest.raises(Mistake, match="doesn't fit the language model"), model.voice(other):
        raise AssertionError
    assert greedy(model, CHAT, 3)


def test_a_damaged_file_is_told_and_breaks_nothing(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-20_000])
    model = LlamaCpp("cut", cut)
    with pytest.raises(Mistake, match=r"llama\.cpp can't run the language model cut"):
        greedy(model, CHAT, 3)
    model.close()


def test_when_it_is_killed_amid_an_answer_it_is_told(file: Path) -> None:
    model = LlamaCpp("mine", file)
    answer = model.structuring(CHAT, SCHEMA, 0, 1.0, 1.0)
    next(answer)
    assert model._process
    model._process.kill()
    model._process.wait()
    with pytest.raises(Mistake, match="can't run the language model mine"):
        list(answer)
    model.close()


def test_no_other_program_is_answered(model: LlamaCpp) -> None:
    import httpx

    greedy(model, CHAT, 1)
    assert model._client
    asked = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    for headers in ({}, {"Authorization": "Bearer guessed"}):
        reply = httpx.post(
            f"{model._client.address}/chat/completions", json=asked, headers=headers, trust_env=False
        )
        assert reply.status_code == 401


def test_it_ends_when_the_studio_is_killed(file: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from core.texts.llamacpp import LlamaCpp\n"
        "m = LlamaCpp('m', Path(sys.argv[1])); m._start(); print(m._process.pid, flush=True); input()"
    )
    studio = subprocess.Popen(
        [sys.executable, "-c", program, str(file)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert studio.stdout
    child = psutil.Process(int(studio.stdout.readline()))
    studio.kill()
    studio.communicate()
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
