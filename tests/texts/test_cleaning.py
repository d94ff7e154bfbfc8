"""What is taken out of a text by choice, and what looks like it and stays."""

import pytest

from core.settings.data import TextCleaning
from core.texts.cleaning import clean, speakers
from core.texts.importing import read_file


@pytest.mark.parametrize(
    ("dirty", "plain", "choice", "kept"),
    [
        ("[00:12] The river wakes.", "The river wakes.", "keep_timestamps", "[00:12] The river wakes."),
        ("Speaker 2: The river wakes.", "The river wakes.", "keep_speakers", "Speaker 2: The river wakes."),
        (">> 主持人：河水醒了。", "河水醒了。", "keep_speakers", ">> 主持人：河水醒了。"),
        ("Good morning 🌞👨‍👩‍👧!", "Good morning!", "keep_emoji", "Good morning 🌞👨‍👩‍👧!"),
        ("早上好[微笑]，河水。", "早上好，河水。", "keep_emoji", "早上好[微笑]，河水。"),
        ("The #river wakes. #fyp", "The river wakes.", "keep_hashtags", "The #river wakes. #fyp"),
        ("#小镇日常# 河水醒了。", "河水醒了。", "keep_hashtags", "#小镇日常# 河水醒了。"),
    ],
)
def test_dropped_or_kept(dirty, plain, choice, kept):
    assert clean(dirty) == plain
    assert clean(dirty, TextCleaning(**{choice: True})) == kept


@pytest.mark.parametrize(
    "text",
    [
        "We met at 10:30 in room #5.",
        "One rule: never hurry.",
        "I wrote it in C# once [see page 4].",
        "Wait… 100 % of it costs 3:1?",
    ],
)
def test_what_stays(text):
    assert clean(text) == text


def test_names_are_speakers_when_they_open_many_lines(tmp_path):
    lines = (
        "Anna: The river wakes before the town.",
        "小明：它总是这样。",
        "Anna: Nobody hurries here at all.",
        "小明：连钟也不急。",
        "Anna: Not even the old clock does.",
        "小明：灯还亮着呢。",
    )
    talk = "\n\n".join(lines)
    chat = "\n".join(f"2024-01-01 10:0{number} {line}" for number, line in enumerate(lines))
    assert speakers(talk) == speakers(chat) == {"Anna", "小明"}
    assert speakers("The moral: be kind.\n" * 2 + "A line.\n" * 30) == frozenset()
    path = tmp_path / "talk.txt"
    path.write_text(talk, encoding="utf-8")
    assert [sample.reply for sample in read_file(path)][:2] == [
        "The river wakes before the town.",
        "它总是这样。",
    ]
    kept = read_file(path, TextCleaning(keep_speakers=True))
    assert kept[0].reply == lines[0]


def test_a_set_that_stands_is_not_cleaned_again(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"instruction": "rain", "output": "00:12 Good morning 🌞 #fyp"}\n', encoding="utf-8")
    assert read_file(path)[0].reply == "00:12 Good morning 🌞 #fyp"
