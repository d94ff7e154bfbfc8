"""The text recipe: what is supervised, packing that changes nothing, and a PEFT folder that loads."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest
import torch

from core import device
from core.bases import language_model
from core.lora.adapters import peft_folder
from core.lora.engine.step import Stepper
from core.lora.text import packing
from core.lora.text import recipe as text_recipe
from core.lora.text import setup as text_setup
from core.lora.text import tokens as text_tokens
from core.lora.train import train
from core.messages import Mistake
from core.settings.lora_jobs import MergeSettings
from core.texts import template
from core.texts.samples import TextSample, messages, task_of
from tests.running import last


@pytest.fixture
def recipe(recipe_of, text_settings):
    return recipe_of(text_settings())


def test_only_the_reply_and_its_end_are_supervised(recipe):
    sample = TextSample("a boat", "The boat waits.")
    tokens = text_tokens.tokenize(recipe.tokenizer, sample, 256)
    assert recipe.tokenizer.decode(tokens.ids[tokens.start :]) == "The boat waits.<|im_end|>"
    asked = recipe.tokenizer.decode(tokens.ids[: tokens.start])
    assert asked == text_tokens.prompt(recipe.tokenizer, "a boat")
    assert asked.endswith("<|im_start|>assistant\n")


def test_a_look_takes_some_of_the_held_out_texts(recipe_of, text_settings, monkeypatch):
    monkeypatch.setattr(text_setup, "JUDGED", 3)
    held = recipe_of(text_settings(holdout=0.5))
    assert (len(held.held_out), held.facts.held_out, len(held.training)) == (3, 5, 5)


def test_a_long_sample_is_cut(recipe):
    tokens = text_tokens.tokenize(recipe.tokenizer, TextSample("a boat", "The river wakes. " * 50), 100)
    assert len(tokens.ids) == 100


def test_rows_hold_every_sample_once_and_stay_within_their_length():
    lengths = [5, 9, 3, 7, 2, 4]
    rows = packing.pack(lengths, [3, 1, 0, 5, 2, 4], 10)
    assert sorted(m for row in rows for m in row.members) == list(range(6))
    assert all(sum(lengths[m] for m in row.members) <= 10 for row in rows)


def test_packed_logits_equal_those_of_each_sample_alone(recipe):
    recipe.model.eval()
    tokens = recipe.training[:4]
    row = packing.row_tensors(tokens, recipe.way.shared, torch.float32, "cpu")
    assert recipe.way.shared > 5
    held = sum(len(t.ids) for t in tokens) - 3 * recipe.way.shared
    assert 0 <= row["ids"].shape[1] - held < packing.TILE and row["ids"].shape[1] % packing.TILE == 0
    with torch.no_grad():
        packed = recipe.model(
            input_ids=row["ids"], attention_mask=row["mask"], position_ids=row["positions"],
            logits_to_keep=row["keep"], use_cache=False,
        ).logits[0]  # fmt: skip
        alone = [recipe.model(input_ids=torch.tensor([t.ids])).logits[0, t.start - 1 : -1] for t in tokens]
    torch.testing.assert_close(packed, torch.cat(alone), atol=2e-5, rtol=1e-4)


def test_packed_loss_is_the_mean_over_replies(recipe):
    recipe.model.eval()
    members = (0, 1, 2)
    with torch.no_grad():
        packed = recipe.loss(packing.Row(members), 0)
        alone = [recipe.loss(packing.Row((m,)), 0) * recipe.weight(packing.Row((m,))) for m in members]
    assert packed.item() == pytest.approx(
        sum(x.item() for x in alone) / recipe.weight(packing.Row(members)), rel=1e-5
    )


def test_loss_falls_gradients_flow_and_the_base_stays(recipe, text_settings):
    from accelerate import Accelerator

    before = {n: p.clone() for n, p in recipe.model.named_parameters() if not p.requires_grad}
    stepper = Stepper(recipe, text_settings(lr_scheduler="constant"), Accelerator())
    batch = recipe.epoch(0, 1)[0]
    losses = [stepper.update(0, batch, step, 100)[0].item() for step in range(30)]
    assert losses[-1] < losses[0] - 0.2
    stepper._gradients(0, batch, 1.0)
    assert all(p.grad.abs().sum() > 0 for p in stepper.parameters)
    assert all(torch.equal(p, before[n]) for n, p in recipe.model.named_parameters() if n in before)


def test_half_the_memory_gives_the_same_update(recipe_of, text_settings):
    from accelerate import Accelerator

    whole, parts = (recipe_of(text_settings()) for _ in range(2))
    first = Stepper(whole, whole.settings, Accelerator())
    second = Stepper(parts, parts.settings, Accelerator())
    second.halvings = 2
    for step, batch in enumerate(whole.epoch(0, 1)):
        assert first.update(0, batch, step, 9)[0].item() == pytest.approx(
            second.update(0, batch, step, 9)[0].item(), rel=1e-4
        )


def test_train_writes_a_peft_folder_that_loads(text_settings):
    from peft import PeftModel

    done = last(text_settings(lora_alpha=6))
    folder = done.result
    assert folder.name == "lora_v1_voice_r4_ep3"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["r"] == 4 and config["lora_alpha"] == 6 and config["modules_to_save"] is None
    assert (folder / "lineage.yaml").is_file()
    base, _ = language_model.load(text_settings().base_model)
    ids = torch.tensor([[1, 5, 9, 20]])
    with torch.no_grad():
        plain = base(ids).logits
        model = PeftModel.from_pretrained(base, str(folder))
        assert not torch.allclose(model(ids).logits, plain, atol=1e-3)
    assert set(dict(model.named_parameters())) > {
        "base_model.model.model.layers.1.mlp.down_proj.lora_A.default.weight"
    }


def test_a_lora_that_was_not_written_as_trained_is_removed_and_said(text_settings, monkeypatch):
    from safetensors.torch import load_file, save_file

    keep = text_recipe.TextRecipe.keep

    def spoiled(recipe, path, steps):
        keep(recipe, path, steps)
        tensors = load_file(path / peft_folder.WEIGHTS)
        save_file({name: 1.01 * tensor for name, tensor in tensors.items()}, path / peft_folder.WEIGHTS)

    chosen = text_settings(epochs=1, lora_dir=text_settings().output_dir / "loras", keep_loras=0)
    with monkeypatch.context() as patch:
        patch.setattr(text_recipe.TextRecipe, "keep", spoiled)
        with pytest.raises(Mistake, match="is not the trained one, so it was removed; check the disk"):
            last(chosen)
    assert not list(chosen.lora_dir.glob("*/adapter_config.json"))
    steps = list(train(chosen))
    assert any(step.text and "Continuing after step 3 of 3" in step.text for step in steps)
    assert steps[-1].result.name == "lora_v1_voice_r4_ep1"


def test_held_out_loss_of_base_and_lora_is_told(text_settings):
    steps = list(train(text_settings(epochs=8)))
    line = next(p.text for p in steps if p.text and "held out perplexity" in p.text)
    lora, base = (float(part.rsplit(" ", 1)[1]) for part in line.split(", ")[:2])
    assert lora < base


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_text_set_is_a_mistake(text_settings, tmp_path, content):
    path = tmp_path / "empty.jsonl"
    path.write_text(content)
    with pytest.raises(Mistake):
        last(text_settings(train_data_path=path))


def test_one_line_is_too_little(text_settings, tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text('{"instruction": "a boat", "output": "The boat waits."}\n')
    with pytest.raises(Mistake, match="only 1 usable text"):
        last(text_settings(train_data_path=path))


def test_an_unknown_layer_is_named(text_settings):
    with pytest.raises(Mistake, match=r"no layer to_q; .*q_proj"):
        last(text_settings(target_modules=("to_q",)))


def test_a_model_without_a_template_gets_a_plain_one(recipe):
    recipe.tokenizer.chat_template = None
    tokens = text_tokens.tokenize(recipe.tokenizer, TextSample("a boat", "It waits."), 256)
    assert recipe.tokenizer.decode(tokens.ids[tokens.start :]) == "It waits.<|im_end|>"


def test_a_template_without_a_system_role_keeps_its_words(recipe):
    recipe.tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
        "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<model>{% endif %}"
    )
    asked = text_tokens.prompt(recipe.tokenizer, "a boat")
    assert asked.startswith("<user>You write narration") and asked.endswith("a boat.<model>")


@pytest.mark.parametrize("changes", [{"lora_rank": 4}, {"lora_rank": 8, "lora_alpha": 3}])
def test_rslora_is_written_read_and_gone_on_from(recipe_of, text_settings, tmp_path, changes):
    """Strength alpha / √rank in the folder, in the Writer, and in what a plain LoRA starts from."""
    from core.texts.writer import Writer

    folder = last(text_settings(use_rslora=True, lora_alpha=6, epochs=2)).result
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["use_rslora"] is True and peft_folder.scale(config) == 3.0
    writer = Writer(text_settings().base_model, "fp32")
    ids = torch.tensor([[1, 5, 9, 20]])
    with writer.voice(folder), torch.no_grad():
        layers = [layer for layer in writer.model.modules() if hasattr(layer, "lora_A")]
        assert {layer.scaling["lora0"] for layer in layers} == {3}
        said = writer.model(ids).logits
    further = text_settings(continue_from=folder, output_dir=tmp_path / "next", **changes)
    recipe = recipe_of(further)
    recipe.model.eval()
    with torch.no_grad():
        torch.testing.assert_close(recipe.model(ids).logits, said, atol=1e-4, rtol=1e-3)
        with recipe.model.disable_adapter():
            assert not torch.allclose(recipe.model(ids).logits, said, atol=1e-2)


def test_a_dora_is_not_gone_on_from(recipe_of, text_settings):
    folder = last(text_settings(epochs=1)).result
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(Mistake, match="it is a DoRA"):
        recipe_of(text_settings(continue_from=folder))


@pytest.mark.parametrize(
    ("changes", "place", "installed", "said"),
    [
        ({}, "cpu", False, ""),
        ({"quantize": "4bit"}, "cpu", True, "needs an NVIDIA card"),
        ({"quantize": "4bit"}, "cuda", False, "the package bitsandbytes in working order"),
        ({"quantize": "4bit"}, "cuda", True, ""),
        ({"quantize": "4bit", "base_model": "small.gguf"}, "cuda", True, "GGUF"),
    ],
)
def test_what_hinders_four_bits(text_settings, monkeypatch, changes, place, installed, said):
    monkeypatch.setattr(device, "bitsandbytes", lambda place: installed and place.type == "cuda")
    hindrance = text_setup.four_bit_hindrance(text_settings(**changes), torch.device(place))
    assert said in hindrance and bool(said) == bool(hindrance)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the 4 bits may be had")
def test_four_bits_that_cant_be_had_are_told_and_done_without(text_settings):
    told = [step.text for step in train(text_settings(quantize="4bit", epochs=1)) if step.text]
    assert any("4-bit needs an NVIDIA card" in line for line in told)


def test_the_folder_says_how_other_programs_load_it(text_settings):
    folder = last(text_settings(lora_rank=12, epochs=1, name="水 voice")).result
    card = (folder / "README.md").read_text(encoding="utf-8")
    line = peft_folder.vllm_line(folder)
    words = shlex.split(line)
    assert line in card and peft_folder.peft_line(folder) in card
    assert words[:4] == ["vllm", "serve", text_settings().base_model, "--enable-lora"]
    assert words[words.index("--max-lora-rank") + 1] == "16"
    assert words[words.index("--lora-modules") + 1] == f"{folder.name}={folder}"
    assert (folder / "chat_template.jinja").read_text() != ""
    exec(peft_folder.peft_line(folder), given := {})
    assert given["model"].peft_config["default"].r == 12


def test_layers_may_stand_in_one_text(text_settings):
    assert text_settings(target_modules="q_proj, v_proj").target_modules == ("q_proj", "v_proj")


def test_another_kind_of_texts_is_learnt_and_noted_with_the_lora(recipe_of, text_settings):
    talk = recipe_of(text_settings(task="talk"))
    asked = talk.tokenizer.decode(talk.training[0].ids[: talk.training[0].start])
    assert "You answer a shop's customers." in asked and "Narrate" not in asked
    assert asked == text_tokens.prompt(
        talk.tokenizer, asked.split("user\n")[1].split("<|im_end|>")[0], task="talk"
    )
    continued = recipe_of(text_settings(task="continue"))
    tokens = continued.training[0]
    assert "Continue this text: A" in continued.tokenizer.decode(tokens.ids[: tokens.start])
    assert continued.tokenizer.decode(tokens.ids[tokens.start :]).startswith("It has all the time")
    assert task_of(last(text_settings(task="pitch", epochs=1)).result) == "pitch"


def test_a_lora_is_asked_in_the_template_that_it_learnt(
    recipe_of, text_settings, tiny_llm, tmp_path, monkeypatch
):
    from transformers import AutoTokenizer

    from core.lora.adapters.merge import merge
    from core.texts.sampling import Sampling
    from core.texts.writer import Writer

    bare = shutil.copytree(tiny_llm, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    folder = last(text_settings(base_model=str(bare), epochs=1)).result
    learnt = template.of_folder(folder)
    assert "message['role'] }}: {{ message" in learnt
    monkeypatch.setattr(
        template, "PLAIN_TEMPLATE", "now {% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    )
    writer, asked = Writer(str(bare), "fp32"), messages("tea")
    with writer.voice(folder):
        within = writer.tokenizer.decode(writer.prompt(asked))
        [row] = writer.sample([writer.prompt(asked)], 1, 0, Sampling(6, 0.0, 1.0))
        with writer.voice(None):
            assert writer.tokenizer.decode(writer.prompt(asked)).startswith("now [You write")
        assert writer.tokenizer.decode(writer.prompt(asked)) == within
    assert within.endswith("user: Narrate a short scene about tea.\nassistant: ")
    assert writer.tokenizer.decode(writer.prompt(asked)).startswith("now [You write")
    said = list(writer.stream(asked, folder, 0, limit=6, temperature=0.0))[-1]
    assert said == writer.tokenizer.decode(row, skip_special_tokens=True).rstrip("\ufffd")
    further = recipe_of(text_settings(base_model=str(bare), continue_from=folder))
    assert further.tokenizer.chat_template == learnt
    full = list(merge(MergeSettings(lora=folder)))[-1].result
    assert AutoTokenizer.from_pretrained(full).chat_template == learnt
