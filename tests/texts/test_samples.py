"""Samples to disk and back, the shared prompt, the split and topics from text."""

import json
from typing import get_args

import pytest

from core.lineage import write_lineage
from core.messages import Mistake
from core.settings.training import TextTraining
from core.texts.samples import (
    TASKS,
    TextSample,
    learnt,
    messages,
    read_samples,
    split,
    task_of,
    topic_of,
    write_samples,
)

MANY = [TextSample(f"topic {n}", f"reply number {n}, all its own") for n in range(20)]


def test_prompt_is_short_and_carries_topic_and_tone():
    plain = messages("a quiet morning. ")
    assert [turn["role"] for turn in plain] == ["system", "user"]
    assert plain[1]["content"] == "Narrate a short scene about a quiet morning."
    assert "Tone" not in plain[0]["content"]
    assert messages("x", "calm, like a poem.")[0]["content"].endswith(" Tone: calm, like a poem.")
    assert sum(len(turn["content"].split()) for turn in messages("rain")) < 16


def test_jsonl_there_and_back(tmp_path):
    path = tmp_path / "图 🦊" / "train.jsonl"
    samples = [TextSample("鱼", "一条鱼\n在河里"), TextSample("rain", 'It "rains".')]
    write_samples(path, samples)
    assert [(one.topic, one.reply) for one in read_samples(path)] == [
        (one.topic, one.reply) for one in samples
    ]
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert first == {
        "messages": [{"role": "user", "content": "鱼"}, {"role": "assistant", "content": "一条鱼\n在河里"}]
    }


@pytest.mark.parametrize("line", ["not json", "[]", '{"messages": 3}', '{"messages": [{"role": "user"}]}'])
def test_bad_line_is_named(tmp_path, line):
    path = write_samples(tmp_path / "train.jsonl", MANY[:2])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(Mistake, match=r"Line 3 of .*train\.jsonl is not a sample"):
        read_samples(path)


def test_split_is_seeded_and_loses_nothing():
    train, held = split(MANY, 0.1, seed=42)
    assert len(held) == 2 and len(train) == 18
    assert sorted(train + held, key=MANY.index) == MANY
    assert split(MANY, 0.1, seed=42) == (train, held)
    assert any(split(MANY, 0.1, seed=seed)[1] != held for seed in range(5))
    assert split(MANY, 0.0, seed=1) == (tuple(MANY), ())
    assert [len(part) for part in split(MANY[:2], 0.1, seed=1)] == [1, 1]
    assert [len(part) for part in split(MANY[:1], 0.5, seed=1)] == [1, 0]


def test_topics():
    text = "The river is slow today. A heron waits by the river, and the boats wait with the heron."
    assert topic_of(text, 3) == "river heron boats"
    assert topic_of("清晨的河边小镇，薄雾还没散。") == "清晨的河边小镇"
    assert topic_of("It is what it is.") == "It is what it"


def test_narration_is_asked_in_the_words_it_was_always_asked_in():
    """LoRAs that people have trained depend on every byte of it."""
    assert messages(" rain. ") == messages("rain", task="narration") == [
        {"role": "system", "content": "You write narration for short videos."},
        {"role": "user", "content": "Narrate a short scene about rain."},
    ]  # fmt: skip


def test_each_kind_of_texts_can_be_chosen():
    assert get_args(TextTraining.model_fields["task"].annotation) == tuple(TASKS)


def test_each_kind_of_texts_is_asked_in_its_own_words():
    asked = {task: messages("Is it open on Sundays?", task=task)[1]["content"] for task in TASKS}
    assert asked["pitch"] == "Pitch this product: Is it open on Sundays."
    assert asked["talk"] == "Is it open on Sundays?"
    assert asked["continue"] == "Continue this text: Is it open on Sundays?"
    assert len({messages("x", task=task)[0]["content"] for task in TASKS}) == len(TASKS)


def test_to_continue_a_beginning_asks_for_the_rest():
    texts = ["It rains. Nobody minds. Not here.", "One long line of words", "小船在等，它不急。"]
    made = learnt([TextSample("x", text) for text in texts], "continue")
    assert [(one.topic, one.reply) for one in made] == [
        ("It rains.", "Nobody minds. Not here."),
        ("One long", "line of words"),
        ("小船在等，", "它不急。"),
    ]
    assert learnt(MANY, "talk") == tuple(MANY)


def test_a_lora_is_asked_for_what_it_was_trained_for(tmp_path):
    assert task_of(None) == task_of(tmp_path) == "narration"
    write_lineage(tmp_path, {"settings": {"task": "talk"}})
    assert task_of(tmp_path) == "talk"
    write_lineage(tmp_path, {"settings": {"task": "unknown"}})
    assert task_of(tmp_path) == "narration"
