"""Each architecture: a packed row gives what each sample gives alone, and a LoRA goes from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.bases import language_model
from core.lora.adapters.merge import difference, merge
from core.lora.text import packing
from core.lora.text import tokens as text_tokens
from core.lora.train import train
from core.messages import Mistake
from core.settings.lora_jobs import MergeSettings
from core.settings.training import TextTraining
from core.texts.samples import TextSample, messages
from core.texts.sampling import Sampling
from core.texts.writer import Writer

SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "initializer_range": 0.2,
}  # fmt: skip
WINDOW = 24  # shorter than a sample, so that a mask without it would be wrong
MODELS: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {"tie_word_embeddings": True},
    "qwen2 sliding": {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2},
    "qwen3": {},
    "gemma": {"tie_word_embeddings": True},
    "gemma2": {"sliding_window": WINDOW, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0,
               "query_pre_attn_scalar": 8},
    "gemma3_text": {"sliding_window": WINDOW, "query_pre_attn_scalar": 8,
                    "layer_types": ["sliding_attention", "full_attention"] * 2},
    "mistral": {"sliding_window": WINDOW},
    "minicpm3": {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
                 "v_head_dim": 8, "num_key_value_heads": 4},
}  # fmt: skip
ALONE: dict[str, dict[str, Any]] = {
    "mamba": {"state_size": 4, "num_hidden_layers": 2},
    "bloom": {"n_layer": 2, "n_head": 4},
}
GEMMA_TEMPLATE = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages -%}
{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' + m['content'] | trim }}
{{- '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""
SAMPLES = [
    TextSample("a boat", "The boat waits. It has time."),
    TextSample(
        "an old bridge in the rain", "Nobody crosses. The bridge counts the drops, and the drops win."
    ),
    TextSample("tea", "Tea listens."),
]


def tiny(tokenizer: Any, name: str, shape: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    marks = {f"{mark}_token_id": getattr(tokenizer, f"{mark}_token_id") for mark in ("bos", "eos", "pad")}
    size = SMALL if name not in ALONE else {"hidden_size": 32}
    config = AutoConfig.for_model(name.split()[0], **{**size, **shape, **marks}, vocab_size=len(tokenizer))
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.fixture
def tokenizer(tiny_llm: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_llm)


@pytest.fixture
def gemma_tokenizer(tokenizer: Any) -> Any:
    tokenizer.add_special_tokens({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})
    tokenizer.chat_template = GEMMA_TEMPLATE
    return tokenizer


def gradients(loss: torch.Tensor, model: Any) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad]))


@pytest.mark.parametrize("name", MODELS)
def test_a_row_gives_the_logits_loss_and_gradients_of_each_sample_alone(name, tokenizer):
    model = tiny(tokenizer, name, MODELS[name])
    tokens = [text_tokens.tokenize(tokenizer, sample, 256) for sample in SAMPLES]
    shared, attention = packing.shared_prefix(tokens), packing.attention_of(model)
    assert shared > 5 and attention is not None
    assert (attention.window is None) == (name in ("llama", "qwen2", "qwen3", "gemma", "minicpm3"))
    if attention.window:
        assert max(len(one.ids) for one in tokens) > attention.window
    assert packing.packs(model.eval(), tokens, shared, torch.float32, "cpu")
    row = packing.row_tensors(tokens, shared, torch.float32, "cpu", attention)
    alone = [packing.row_logits(model, packing.alone_tensors(one, "cpu")) for one in tokens]
    packed = packing.row_logits(model, row)
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-3)

    labels = [torch.tensor([[-100] * one.start + one.ids[one.start :]]) for one in tokens]
    losses = [
        model(input_ids=torch.tensor([one.ids]), labels=mine).loss * one.supervised
        for one, mine in zip(tokens, labels, strict=True)
    ]
    plain = torch.stack(losses).sum() / sum(one.supervised for one in tokens)
    loss = packing.row_loss(model, row)
    torch.testing.assert_close(loss, plain, atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(gradients(loss, model), gradients(plain, model), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4 * float(theirs.abs().max() + 1e-3), rtol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_the_way_that_is_found_gives_the_loss_and_gradients_of_plain_rows(name, tokenizer):
    model = tiny(tokenizer, name, MODELS[name]).eval()
    model.get_output_embeddings().requires_grad_(False)
    tokens = 4 * [text_tokens.tokenize(tokenizer, sample, 256) for sample in SAMPLES]
    plain = packing.row_tensors(
        tokens, packing.shared_prefix(tokens), torch.float32, "cpu", packing.attention_of(model)
    )
    wanted = gradients(packing.row_loss(model, plain), model)
    way = packing.way_of(model, tokens, torch.float32, "cpu")
    row = way.row(tokens, torch.float32, "cpu")
    assert ("blocks" in row) == (name != "gemma2")  # whose attention has a cap of its own
    assert (way.head is not None) == (name not in ("gemma2", "minicpm3"))  # whose logits are capped, scaled
    loss = packing.row_loss(model, row, way.head)
    torch.testing.assert_close(loss, packing.row_loss(model, plain), atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(gradients(loss, model), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4 * float(theirs.abs().max() + 1e-3), rtol=1e-3)


@pytest.mark.parametrize("name", ["qwen2 sliding", "gemma2", "gemma3_text", "mistral"])
def test_without_its_window_a_row_would_be_wrong(name, tokenizer):
    model = tiny(tokenizer, name, MODELS[name]).eval()
    tokens = [text_tokens.tokenize(tokenizer, sample, 256) for sample in SAMPLES]
    row = packing.row_tensors(tokens, packing.shared_prefix(tokens), torch.float32, "cpu")
    alone = [packing.row_logits(model, packing.alone_tensors(one, "cpu")) for one in tokens]
    assert not torch.allclose(packing.row_logits(model, row), torch.cat(alone), atol=1e-2)


def greedy_is_plain(writer: Any, prompts: list[list[int]], slack: float) -> None:
    """Greedy rows of a left-padded batch with a cache are those of the plain model, token by token.

    slack: how far below the highest logit the token taken may stand, a share of their spread.
    """
    length = 12
    for start, row in zip(prompts, writer.sample(prompts, 1, 0, Sampling(length, 0.0, 1.0)), strict=True):
        with torch.inference_mode():
            logits = writer.model(torch.tensor([start + row]), use_cache=False).logits[0, len(start) - 1 :]
        logits = logits.float()
        off = logits.max(-1).values[: len(row)] - logits[range(len(row)), row]
        assert bool((off <= slack * logits.std()).all())
        assert len(row) == length or int(logits[-1].argmax()) in writer._ends()


@pytest.mark.parametrize(
    ("name", "precision"), [("qwen2 sliding", "fp32"), ("gemma2", "fp32"), ("gemma3_text", "bf16")]
)
def test_a_lora_is_trained_written_spoken_and_merged(name, precision, request, text_settings, tmp_path):
    tokenizer = request.getfixturevalue("gemma_tokenizer" if name.startswith("gemma") else "tokenizer")
    base = tmp_path / name
    tiny(tokenizer, name, MODELS[name]).save_pretrained(base)
    tokenizer.save_pretrained(base)
    chosen = text_settings(base_model=str(base), epochs=1, precision=precision, lr_scheduler="constant")
    from_end_to_end(chosen, 0.0 if precision == "fp32" else 0.1)


def from_end_to_end(settings: TextTraining, slack: float) -> None:
    """Trains, speaks greedily within the voice, and merges."""
    steps = list(train(settings))
    assert not any(step.text and "one text a row" in step.text for step in steps)
    folder = steps[-1].result
    writer = Writer(settings.base_model, settings.precision)
    prompts = [writer.prompt(messages(sample.topic)) for sample in SAMPLES]
    assert len({len(prompt) for prompt in prompts}) > 1 and min(map(len, prompts)) > WINDOW
    ids = torch.tensor([prompts[0]])
    with writer.voice(folder), torch.inference_mode():
        greedy_is_plain(writer, prompts, slack)
        spoken = writer.model(ids, use_cache=False).logits.float()
    with writer.voice(None), torch.inference_mode():
        plain = writer.model(ids, use_cache=False).logits.float()
    full = list(merge(MergeSettings(lora=folder)))[-1].result
    with torch.inference_mode():
        merged = language_model.load(str(full))[0](ids, use_cache=False).logits.float()
    assert difference(spoken, merged) < max(1e-4, slack) < difference(spoken, plain)


@pytest.mark.parametrize("name", ALONE)
def test_a_model_that_heeds_no_mask_takes_one_sample_a_row(
    name, tokenizer, recipe_of, text_settings, tmp_path
):
    model = tiny(tokenizer, name, ALONE[name])
    folder = tmp_path / name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    targets = ("x_proj",) if name == "mamba" else ("query_key_value",)
    recipe = recipe_of(text_settings(base_model=str(folder), target_modules=targets))
    assert recipe.way.attention is None and recipe.way.shared == 0
    assert all(len(row.members) == 1 for update in recipe.epoch(0, 1) for row in update)
    recipe.model.eval()
    one = recipe.training[0]
    labels = torch.tensor([[-100] * one.start + one.ids[one.start :]])
    plain = recipe.model(input_ids=torch.tensor([one.ids]), labels=labels, use_cache=False).loss
    torch.testing.assert_close(recipe.loss(packing.Row((0,)), 0), plain, atol=1e-5, rtol=1e-5)


def test_gemmas_template_has_no_system_role_and_its_own_end_of_turn(gemma_tokenizer):
    tokens = text_tokens.tokenize(gemma_tokenizer, SAMPLES[0], 256)
    asked = gemma_tokenizer.decode(tokens.ids[: tokens.start])
    assert asked.endswith("about a boat.<end_of_turn>\n<start_of_turn>model\n")
    assert "You write narration for short videos.\n\nNarrate" in asked
    said = gemma_tokenizer.decode(tokens.ids[tokens.start :])
    assert said == "The boat waits. It has time.<end_of_turn>"


def test_a_template_that_leaves_the_system_out_keeps_its_words(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    assert text_tokens.prompt(tokenizer, "tea").startswith("<user>You write narration")


def test_the_writer_stops_where_gemmas_turn_ends(gemma_tokenizer, tmp_path):
    from core.texts.writer import Writer

    tiny(gemma_tokenizer, "gemma", MODELS["gemma"]).save_pretrained(tmp_path)
    gemma_tokenizer.save_pretrained(tmp_path)
    writer = Writer(str(tmp_path), "fp32")
    assert gemma_tokenizer.convert_tokens_to_ids("<end_of_turn>") in writer._ends()


def write_gguf(model: Any, tokenizer: Any, path: Path) -> None:
    """A Llama as a GGUF file, its queries and keys in that format's order."""
    import json

    from gguf import GGUFWriter

    config, state = model.config, model.state_dict()
    out = GGUFWriter(path, "llama")
    out.add_block_count(config.num_hidden_layers)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.head_dim)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_vocab_size(config.vocab_size)
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_tokens)
    words = sorted(bpe["vocab"], key=bpe["vocab"].get)
    out.add_tokenizer_model("gpt2")
    out.add_token_list(words)
    out.add_token_types([3 if word in special else 1 for word in words])
    out.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    out.add_bos_token_id(tokenizer.bos_token_id)
    out.add_eos_token_id(tokenizer.eos_token_id)
    out.add_chat_template(tokenizer.chat_template)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "model.layers.": "blk.", "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
    }  # fmt: skip
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for key, tensor in state.items():
        if key == "lm_head.weight":
            continue
        for count in (count for part, count in heads.items() if part in key):
            tensor = tensor.view(count, 2, -1, tensor.shape[1]).swapaxes(1, 2).reshape(tensor.shape)
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        out.add_tensor(key, tensor.float().numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def test_a_gguf_file_is_read(tiny_llm, tmp_path):
    model, tokenizer = language_model.load(str(tiny_llm))
    file = tmp_path / "小 model.gguf"
    write_gguf(model, tokenizer, file)
    read, its = language_model.load(str(file))
    asked = text_tokens.prompt(tokenizer, "a boat")
    assert text_tokens.prompt(its, "a boat") == asked
    ids = its(asked, return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert ids.tolist() == [tokenizer(asked, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        torch.testing.assert_close(read(ids).logits, model(ids).logits, atol=1e-4, rtol=1e-3)
    with pytest.raises(Mistake, match="no base model"):
        language_model.find(str(file.with_name("other.gguf")))


def test_a_lora_is_trained_on_a_gguf_file(tiny_llm, text_settings, tmp_path):
    file = tmp_path / "小 model.gguf"
    write_gguf(*language_model.load(str(tiny_llm)), file)
    from_end_to_end(text_settings(base_model=str(file), epochs=1, lr_scheduler="constant"), 0.0)


def test_a_models_own_code_is_not_run(tiny_llm, tmp_path):
    import json
    import shutil

    folder = tmp_path / "MiniCPM"
    shutil.copytree(tiny_llm, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "minicpm", "auto_map": {"AutoModelForCausalLM": "modeling.Evil",
               "AutoConfig": "modeling.EvilConfig"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(Mistake, match="program code of its own"):
        language_model.load(str(folder))
