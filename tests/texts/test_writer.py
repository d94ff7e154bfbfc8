from pathlib import Path

import pytest

from core.messages import Mistake
from core.texts.samples import messages
from core.texts.sampling import Sampling
from core.texts.writer import Writer, whole_sentences

RIVER, BRIDGE = messages("a boat on a river"), messages("an old bridge in the rain")


@pytest.fixture(scope="module")
def writer(tiny_llm: Path) -> Writer:
    return Writer(str(tiny_llm), "fp32")


@pytest.fixture(scope="module")
def loras(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two LoRAs with weights far from zero, so that each changes what is said."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(tiny_llm, dtype=torch.float32),
            LoraConfig(
                r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
            ),
        )
        for name, weights in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weights, std=0.5)
        folders.append(tmp_path_factory.mktemp("loras") / f"声音 {seed}")
        model.save_pretrained(folders[-1])
    return folders


def test_same_seed_writes_the_same_whatever_the_global_state(writer: Writer) -> None:
    import torch

    torch.manual_seed(1)
    once = writer.sample([writer.prompt(RIVER), writer.prompt(BRIDGE)], 3, 5, Sampling(12, 1.0, 0.95))
    torch.manual_seed(2)
    again = writer.sample([writer.prompt(RIVER), writer.prompt(BRIDGE)], 3, 5, Sampling(12, 1.0, 0.95))
    other = writer.sample([writer.prompt(RIVER), writer.prompt(BRIDGE)], 3, 6, Sampling(12, 1.0, 0.95))
    assert once == again
    assert once != other
    assert len({tuple(row) for row in once}) > 1


def test_cached_batch_equals_one_by_one_without_a_cache(writer: Writer) -> None:
    """Greedy rows of a padded, shrinking batch are those of the plain model, token by token."""
    import torch

    prompts = [writer.prompt(RIVER), writer.prompt(messages("tea"))]
    rows = writer.sample(prompts, 2, 0, Sampling(10, 0.0, 1.0))
    for start, row in zip((prompts[0], prompts[0], prompts[1], prompts[1]), rows, strict=True):
        ids, said = list(start), []
        for _ in range(10):
            with torch.inference_mode():
                token = int(writer.model(torch.tensor([ids])).logits[0, -1].argmax())
            if token == writer.tokenizer.eos_token_id:
                break
            said.append(token)
            ids.append(token)
        assert row == said


def test_prompt_is_the_very_one_of_training(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.lora.text import tokens

    assert writer.tokenizer.decode(writer.prompt(RIVER)) == tokens.prompt(
        writer.tokenizer, "a boat on a river"
    )
    monkeypatch.setattr(writer.tokenizer, "chat_template", None)
    plain = writer.tokenizer.decode(writer.prompt(RIVER))
    assert plain == tokens.prompt(writer.tokenizer, "a boat on a river")
    assert plain.endswith("Narrate a short scene about a boat on a river.\nassistant: ")
    no_system = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
    )
    monkeypatch.setattr(writer.tokenizer, "chat_template", no_system + "[{{ m['content'] }}]{% endfor %}")
    merged = writer.tokenizer.decode(writer.prompt(RIVER))
    assert merged == tokens.prompt(writer.tokenizer, "a boat on a river")
    assert merged.startswith("[You write narration")


def test_an_end_token_ends_its_row_only(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    free = writer.sample([writer.prompt(RIVER)], 4, 3, Sampling(12, 1.0, 1.0))
    end, ends = free[0][3], writer._ends()
    monkeypatch.setattr(writer, "_ends", lambda: {end, *ends})
    cut = writer.sample([writer.prompt(RIVER)], 4, 3, Sampling(12, 1.0, 1.0))
    for row, whole in zip(cut, free, strict=True):
        assert row == (whole[: whole.index(end)] if end in whole else whole)
    assert len(cut[0]) <= 3


def test_log_probs_are_the_plain_models(writer: Writer) -> None:
    import torch

    reply = "The river wakes."
    ids, tail = writer.prompt(RIVER), writer.tokenizer.encode(reply, add_special_tokens=False)
    with torch.inference_mode():
        logs = writer.model(torch.tensor([ids + tail])).logits[0].log_softmax(-1)
    wanted = [float(logs[len(ids) - 1 + at, token]) for at, token in enumerate(tail)]
    got = writer.log_probs(RIVER, [reply, "", "A boat waits under the old bridge."])
    assert got[0] == pytest.approx(sum(wanted) / len(wanted), abs=1e-4)
    assert got[1] == float("-inf")
    assert writer.log_probs(RIVER, [""]) == [float("-inf")]
    ends = writer.endings("The river wakes before", [" the town.", " the"])
    assert ends[0] < ends[1] < 0
    many = [" the town.", " a boat", " the"] * 50
    assert writer.endings("The river wakes before", many)[-3:] == pytest.approx(
        writer.endings("The river wakes before", many[:3]), abs=1e-4
    )


def test_loras_are_switched_on_demand(writer: Writer, loras: list[Path]) -> None:
    texts = ["The river wakes before the town."]
    with writer.voice(None):
        base = writer.log_probs(RIVER, texts)
    with writer.voice(loras[0]):
        first = writer.log_probs(RIVER, texts)
    with writer.voice(loras[1]):
        second = writer.log_probs(RIVER, texts)
    with writer.voice(loras[0]):
        assert writer.log_probs(RIVER, texts) == pytest.approx(first)
    with writer.voice(None):
        assert writer.log_probs(RIVER, texts) == pytest.approx(base)
    assert len({round(values[0], 4) for values in (base, first, second)}) == 3


def test_streams_in_turn_are_what_each_voice_says_alone(writer: Writer, loras: list[Path]) -> None:
    def alone(lora: Path | None) -> list[str]:
        return list(writer.stream(RIVER, lora, 3, limit=12))

    voices = (None, loras[0], loras[1])
    streams = [writer.stream(RIVER, lora, 3, limit=12) for lora in voices]
    together = list(zip(*streams, strict=False))
    for lora, said in zip(voices, zip(*together, strict=True), strict=True):
        assert list(said) == alone(lora)[: len(together)]
    assert len({said[-1] for said in zip(*together, strict=True)}) == 3


def test_a_stream_is_the_greedy_answer_and_ends_where_it_ends(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer.voice(None):
        [row] = writer.sample([writer.prompt(RIVER)], 1, 0, Sampling(10, 0.0, 1.0))
    grown = list(writer.stream(RIVER, None, 0, limit=10, temperature=0.0))
    assert grown[-1] == writer.tokenizer.decode(row, skip_special_tokens=True).rstrip("\ufffd")
    end, ends = row[4], writer._ends()
    monkeypatch.setattr(writer, "_ends", lambda: {end, *ends})
    assert len(list(writer.stream(RIVER, None, 0, limit=10, temperature=0.0))) == row.index(end)


def test_folder_that_is_no_lora_is_a_mistake(writer: Writer, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"adapter_config\.json"), writer.voice(tmp_path):
        pass


def test_lora_of_another_model_is_a_mistake(tiny_llm: Path, loras: list[Path], tmp_path: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    other = tmp_path / "other llm"
    config = LlamaConfig.from_pretrained(tiny_llm, hidden_size=16, intermediate_size=32, head_dim=4)
    LlamaForCausalLM(config).save_pretrained(other)
    AutoTokenizer.from_pretrained(tiny_llm).save_pretrained(other)
    with pytest.raises(Mistake, match="doesn't fit"), Writer(str(other), "fp32").voice(loras[0]):
        pass


def test_candidates_are_whole_sentences(writer: Writer) -> None:
    found = writer.candidates_for([RIVER, BRIDGE], 4, 1, max_words=8)
    assert [len(texts) for texts in found] == [4, 4]
    assert writer.candidates(RIVER, 4, 1, max_words=8) == found[0]
    for text in (text for texts in found for text in texts):
        assert text == "" or text.rstrip("\"')")[-1] in ".!?…"


def test_whole_sentences_cut_at_the_word_limit() -> None:
    text = "The boat leaves early.\nNobody  waves at it. It does not mind that at all. And then"
    assert whole_sentences(text, 9) == "The boat leaves early. Nobody waves at it."
    assert whole_sentences(text, 2) == "The boat leaves early."
    assert whole_sentences("no end in sight", 9) == ""
    assert (
        whole_sentences("The boat leaves “early”. Nobody’s up.", 9)
        == 'The boat leaves "early". Nobody\'s up.'
    )


def test_whole_chinese_sentences_end_at_their_own_marks() -> None:
    text = "清晨，小镇醒来。“这么早？”老人问！水还在流……没有人答"
    assert whole_sentences(f" {text}\n", 40) == "清晨，小镇醒来。“这么早？”老人问！"
    assert whole_sentences(text, 5) == "清晨，小镇醒来。", "a character counts 0.6 words"


def test_room_for_an_answer_is_measured_in_the_language_of_the_request(writer: Writer) -> None:
    chinese = [{"role": "user", "content": "河边的小船，早晨"}]
    assert writer.tokens_for(10, [chinese]) > 1.5 * writer.tokens_for(10, [RIVER]) > 30
