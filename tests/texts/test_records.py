"""Records of tables and JSON as people and programs write them: which fields count, and what is told."""

from __future__ import annotations

import json

import pytest

from core.messages import Mistake
from core.settings.data import TextCleaning
from core.texts.importing import read_file, read_files
from core.texts.speech import spoken_seconds

CAME, WENT = "It came, and it stayed.", "It went away at noon."
QUOTED = f'"{CAME}"'
LONG = " ".join(f"The river has story number {n} to tell today." for n in range(40))


def written(tmp_path, values, name="a.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), encoding="utf-8")
    return path


def pairs(path, **choices):
    return [(sample.topic, sample.reply) for sample in read_file(path, TextCleaning(**choices))]


def told(path):
    return tuple(map(str, read_files([path], strict=True).problems))


@pytest.mark.parametrize(
    ("record", "topic"),
    [
        ({"product": "cup", "points": "slow, warm", "pitch": CAME}, "cup: slow, warm"),
        ({"product": "cup", "Selling Points": ["slow", "warm", 3], "pitch": CAME}, "cup: slow, warm, 3"),
        ({"商品": "杯子", "卖点": ["手工", "不着急"], "口播": CAME}, "杯子: 手工, 不着急"),
        ({"instruction": "Narrate", "input": "rain", "output": CAME}, "Narrate: rain"),
        ({"input": "rain", "output": CAME}, "rain"),
        ({"instruction": "Rain", "input": "", "output": CAME}, "Rain"),
        ({"选题": "雨", "脚本": ["It came,", "and it stayed."]}, "雨"),
        ({"prompt": "rain", "chosen": CAME, "rejected": WENT}, "rain"),
        ({"prompt": "rain", "chosen": [{"role": "assistant", "content": CAME}]}, "rain"),
        (
            {"conversations": [{"from": "human", "value": "rain"}], "chosen": {"from": "gpt", "value": CAME}},
            "rain",
        ),
    ],
)
def test_what_a_json_record_says(tmp_path, record, topic):
    assert pairs(written(tmp_path, [record])) == [(topic, CAME)]


@pytest.mark.parametrize(
    ("header", "row", "topic"),
    [
        ("instruction,input,output", "Narrate,rain,{}", "Narrate: rain"),
        ("主题,内容", "雨,{}", "雨"),
        ("选题,口播", "雨,{}", "雨"),
        ("标题,台词", "雨,{}", "雨"),
        ("顾客,回复", "雨,{}", "雨"),
        ("旁白,话题", "{},雨", "雨"),
        ("商品,卖点,脚本", "杯子,手工,{}", "杯子: 手工"),
        ("Product, Selling points,id,Voiceover", "cup,slow,7,{}", "cup: slow"),
    ],
)
def test_what_a_table_says(tmp_path, header, row, topic):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{row.format(QUOTED)}\n", encoding="utf-8")
    assert pairs(path) == [(topic, CAME)]


def test_records_without_an_answer_are_counted(tmp_path):
    talk = {"messages": [{"role": "user", "content": "rain"}]}
    values = [talk, {"instruction": "fog", "output": CAME}, {"a": 1}, 3, {"prompt": "x", "rejected": "y"}]
    path = written(tmp_path, values)
    assert pairs(path) == [("fog", CAME)]
    assert told(path) == ("Left out of a.jsonl, as without a text or an answer: 4.",)
    table = tmp_path / "a.csv"
    table.write_text(f'topic,reply\nrain,"{CAME}"\nfog,\n,\nmist\n')
    assert pairs(table) == [("rain", CAME)]
    assert told(table) == ("Left out of a.csv, as without a text or an answer: 2.",)
    with pytest.raises(Mistake, match=r"Record 1 of .*none\.jsonl is no sample"):
        read_file(written(tmp_path, [talk, talk], "none.jsonl"))


TALK = [("user", "Do you have cups?"), ("assistant", "Red ones and blue ones."), ("user", "And in green?"),
        ("user", "Or yellow?"), ("assistant", "Not before the spring."), ("assistant", "Come again then!"),
        ("user", "I will."), ("assistant", "The kettle will be on.")]  # fmt: skip


def talk(**more):
    return {"messages": [{"role": role, "content": said} for role, said in TALK], **more}


def test_a_talk_keeps_what_was_said_before_its_questions(tmp_path):
    path = written(tmp_path, [talk()])
    first = ("Do you have cups?", "Red ones and blue ones.")
    second = ("And in green? Or yellow?", "Not before the spring. Come again then!")
    assert pairs(path, earlier_turns=0) == [first, second, ("I will.", "The kettle will be on.")]
    assert pairs(path) == [
        first,
        (" — ".join([*first, second[0]]), second[1]),
        (" — ".join([*second, "I will."]), "The kettle will be on."),
    ]
    assert pairs(path, earlier_turns=2)[2][0] == " — ".join([*first, *second, "I will."])
    assert told(path) == (
        "Answers of a.jsonl that stand without all of the talk before them: 1; earlier_turns says how much "
        "of it is kept.",
    )


def test_earlier_turns_are_shortened(tmp_path):
    record = {"instruction": "And then?", "output": CAME, "history": [[LONG, "清晨的河水" * 60]]}
    topic = pairs(written(tmp_path, [record]))[0][0]
    before, answer, asked = topic.split(" — ")
    assert asked == "And then?" and LONG.startswith(before.rstrip("…")) and before.endswith("number 2 to…")
    assert answer == ("清晨的河水" * 60)[:120] + "…"


def test_system_prompts_are_told(tmp_path):
    records = [talk(system="Be kind."), {"instruction": "rain", "output": WENT, "system": ""}]
    turns = [("system", "Be brief."), ("human", "fog"), ("gpt", CAME)]
    records.append({"conversations": [{"from": role, "value": said} for role, said in turns]})
    said = "System prompts of a.jsonl that are not learnt, as the studio asks in words of its own: "
    assert told(written(tmp_path, records))[0] == f"{said}2."
    assert told(written(tmp_path, records, "train.jsonl"))[0] == f"{said.replace('a.', 'train.')}2."


@pytest.mark.parametrize(
    ("record", "split"),
    [
        ({"text": LONG}, True),
        ({"title": "rain", "script": LONG}, True),
        ({"主题": "雨", "文案": LONG}, True),
        ({"question": "What of rain?", "answer": LONG}, False),
        ({"product": "cup", "points": "slow", "pitch": LONG}, False),
        ({"instruction": "Narrate", "output": LONG}, False),
        ({"messages": [{"role": "user", "content": "rain"}, {"role": "assistant", "content": LONG}]}, False),
    ],
)
def test_a_long_text_is_split_and_an_answer_is_whole(tmp_path, record, split):
    found = pairs(written(tmp_path, [record]), seconds=20)
    assert " ".join(reply for _, reply in found) == LONG
    assert len(found) == 1 or split
    assert all(spoken_seconds(reply) <= 30 for _, reply in found) == split
    if "messages" not in record:
        path = tmp_path / "a.csv"
        path.write_text("\n".join(",".join(row) for row in (record, record.values())), encoding="utf-8")
        assert pairs(path, seconds=20) == found
    assert pairs(written(tmp_path, [record], "train.jsonl"))[0][1] == LONG
