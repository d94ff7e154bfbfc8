"""Reasoning that stands in data and in what models write: nobody says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.messages import Mistake
from core.texts.importing import read_file, read_files
from core.texts.reasoning import MARKS, closed, spoken
from core.texts.samples import messages
from core.texts.sampling import Sampling
from core.texts.template import answer, render
from core.texts.writer import Writer

CAME = "It came, and it stayed."
THOUGHT = "The user wants a line about rain.\n\nShort, I think."


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_reasoning_of_every_kind_goes(opening, closing):
    assert spoken(f"{opening}\n{THOUGHT}\n{closing}\n\n{CAME}") == CAME
    assert spoken(f"{opening}{THOUGHT}") == ""  # cut before it was closed
    assert spoken(f"{THOUGHT}{closing}{CAME}") == CAME  # the template wrote the opening mark


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"<THINK>{THOUGHT}</Think>{CAME}", CAME),
        (f"<thinking>a<reflection>b</reflection>c</thinking><output>{CAME}</output>", CAME),
        (f"<think></think>\n<answer>{CAME}</answer>", CAME),
        (f"<|begin_of_thought|>x<|end_of_thought|><|begin_of_solution|>{CAME}<|end_of_solution|>", CAME),
        (
            "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>"
            f"{CAME}<|return|>",
            CAME,
        ),
        (f"{CAME} <think>once more</think> {CAME}", f"{CAME}  {CAME}"),
    ],
)
def test_what_is_said_around_it_stays(text, said):
    assert spoken(text) == said


@pytest.mark.parametrize(
    "text", [CAME, "I think <b>so</b>, [think] he said.", "A thought: <3 </b>", "", "<answer>yes</answer>"]
)
def test_a_text_without_marks_is_the_very_same(text):
    assert spoken(text) == text


def test_long_texts_take_no_time():
    assert spoken("a </thin " * 200_000) == "a </thin " * 200_000
    assert spoken("<think>x</think>" * 50_000) == ""


TALK = [
    {"role": "user", "content": "rain"},
    {"role": "assistant", "content": f"<think>{THOUGHT}</think>{CAME}"},
]
PARTS = [
    {"type": "thinking", "thinking": THOUGHT},
    {"type": "reasoning", "text": THOUGHT},
    {"type": "text", "text": CAME},
]


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "rain", "output": f"<think>{THOUGHT}</think>\n\n{CAME}"},
        {"instruction": "rain", "output": f"{THOUGHT}</think>{CAME}"},
        {"instruction": "rain", "output": CAME, "reasoning_content": THOUGHT},
        {"question": "rain", "Complex_CoT": THOUGHT, "response": CAME},
        {"messages": TALK},
        {"messages": [TALK[0], {"role": "assistant", "content": CAME, "reasoning_content": THOUGHT}]},
        {"messages": [TALK[0], {"role": "assistant", "content": PARTS}]},
        {
            "messages": [
                TALK[0],
                {"role": "reasoning", "content": THOUGHT},
                {"role": "assistant", "content": CAME},
            ]
        },
        {
            "conversations": [
                {"from": "human", "value": "rain"},
                {"from": "gpt", "value": f"◁think▷x◁/think▷{CAME}"},
            ]
        },
        {"prompt": "rain", "chosen": f"<reasoning>{THOUGHT}</reasoning>{CAME}", "rejected": "no"},
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "train.jsonl"])
def test_a_record_is_what_was_said_and_the_rest_is_told(tmp_path, record, name):
    path = tmp_path / name
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [(one.topic, one.reply) for one in read_file(path)] == [("rain", CAME)]
    told = tuple(map(str, read_files([path]).problems))
    assert told == (f"A model's reasoning in {name} that is not learnt, as nobody says it: 1.",)


def test_an_earlier_answer_in_a_topic_is_without_it_too(tmp_path):
    path = tmp_path / "a.jsonl"
    again = [{"role": "user", "content": "fog"}, {"role": "assistant", "content": "It went away."}]
    history = {
        "instruction": "fog",
        "output": "It went away.",
        "history": [["rain", f"<think>{THOUGHT}</think>{CAME}"]],
    }
    path.write_text("\n".join(json.dumps(one) for one in ({"messages": [*TALK, *again]}, history)))
    assert [one.topic for one in read_file(path)] == ["rain", f"rain — {CAME} — fog", f"rain — {CAME} — fog"]


def test_answers_that_were_cut_within_their_reasoning(tmp_path):
    path = tmp_path / "a.jsonl"
    cut = {"instruction": "rain", "output": f"<think>{THOUGHT}"}
    path.write_text("\n".join(map(json.dumps, (cut, cut, {"instruction": "fog", "output": CAME}))))
    assert [one.reply for one in read_file(path)] == [CAME]
    assert tuple(map(str, read_files([path]).problems)) == (
        "Left out of a.jsonl, as without a text or an answer: 2.",
        "A model's reasoning in a.jsonl that is not learnt, as nobody says it: 2.",
    )
    path.write_text(json.dumps(cut))
    with pytest.raises(Mistake, match=r"a\.jsonl holds a model's reasoning and no answers; add what it said"):
        read_file(path)


def test_tables_and_plain_texts(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text(
        f'topic,reply,思考\nrain,"<think>\n{THOUGHT}\n</think>\n{CAME}",\nfog,It went away.,hm\n'
    )
    assert [one.reply for one in read_file(table)] == [CAME, "It went away."]
    assert [str(one) for one in read_files([table]).problems] == [
        "A model's reasoning in a.csv that is not learnt, as nobody says it: 2."
    ]
    for name in ("a.txt", "a.md"):
        path = tmp_path / name
        path.write_text(f"It went away.\n\n<think>\n{THOUGHT}\n</think>\n\n{CAME}\n")
        assert [one.reply for one in read_file(path)] == ["It went away.", CAME]
        assert [str(one) for one in read_files([path]).problems] == [
            f"A model's reasoning in {name} that is not learnt, as nobody says it: 1."
        ]


@pytest.fixture(scope="module")
def writer(tiny_llm: Path) -> Writer:
    return Writer(str(tiny_llm), "fp32")


TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: <think>\n{% endif %}"
)


def test_a_template_that_has_the_model_reason_is_taken_to_its_answer(writer, monkeypatch):
    from core.lora.text import tokens as text_tokens
    from core.texts.samples import TextSample

    monkeypatch.setattr(writer.tokenizer, "chat_template", TEMPLATE)
    asked = render(writer.tokenizer, messages("rain"), ask=True)
    assert asked.endswith("assistant: <think>\n\n</think>\n\n")
    tokens = text_tokens.tokenize(writer.tokenizer, TextSample("rain", CAME), 200)
    assert tokens.ids[: tokens.start] == writer.prompt(messages("rain"))
    assert writer.tokenizer.decode(tokens.ids[tokens.start : -1]) == CAME
    assert closed("assistant: ") == "assistant: " and closed("<|start|>assistant").endswith(
        "final<|message|>"
    )


def test_an_answer_is_what_a_model_says(writer):
    def said(text: str) -> str:
        return answer(writer.tokenizer, writer.tokenizer.encode(text, add_special_tokens=False))

    assert said(f"<think>\n{THOUGHT}\n</think>\n\n{CAME}") == CAME
    assert said(f"{THOUGHT}</think>\n{CAME}<|im_end|>") == CAME
    assert said(f"<think>{THOUGHT}") == ""
    assert said(f"{CAME}<|im_end|>") == CAME


def test_a_base_that_reasons_writes_no_reasoning(writer, tmp_path, monkeypatch):
    """One whose likeliest first word opens reasoning; it says its next best instead."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(writer.base)
    tokenizer.add_tokens(["<think>", "</think>"])
    model = AutoModelForCausalLM.from_pretrained(writer.base, dtype=torch.float32)
    model.resize_token_embeddings(len(tokenizer))
    think = tokenizer.convert_tokens_to_ids("<think>")
    with torch.no_grad():
        hidden = model.model(torch.tensor([writer.prompt(messages("rain"))])).last_hidden_state[0, -1]
        model.get_output_embeddings().weight[think] = 100 * hidden / hidden.norm()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reasons = Writer(str(tmp_path), "fp32")
    ids = reasons.prompt(messages("rain"))
    with torch.inference_mode():
        assert int(reasons.model(torch.tensor([ids])).logits[0, -1].argmax()) == think
    [row] = reasons.sample([ids], 1, 0, Sampling(6, 0.0, 1.0))
    assert row and think not in row
    assert "think" not in list(reasons.stream(messages("rain"), None, 0, limit=6, temperature=0.0))[-1]
