"""Times, cue numbers and speakers' names, as programs write them into files of many lines."""

from __future__ import annotations

import json

import pytest

from core.settings.data import TextCleaning
from core.texts.importing import read_file
from core.texts.speech import spoken_seconds

SAID = (
    "so we went down",
    "to the river",
    "and nobody was there",
    "but the heron and",
    "its breakfast",
)


def replies(tmp_path, name, text, **choices):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [sample.reply for sample in read_file(path, TextCleaning(**choices))]


def clock(number, form="0:{:02d}"):
    return form.format(5 * number)


@pytest.mark.parametrize(
    "line",
    [
        "{time} {said}\n",
        "{time}\n{said}\n",
        "{time}\n{said}\n\n",
        "[0{time}] {said}\n",
        "[0{time}.000 --> 0{time}.900]  {said}\n",
        "{time} - {time} {said}\n",
        "{time} – {time}\n{said}\n",
    ],
)
def test_a_transcript_is_one_speech_without_its_times(tmp_path, line):
    text = "".join(line.format(time=clock(n), said=said) for n, said in enumerate(SAID))
    assert replies(tmp_path, "talk.txt", text) == [" ".join(SAID)]
    assert replies(tmp_path, "talk.txt", text, keep_timestamps=True)[0].count("0:10") >= 1


def test_a_long_transcript_is_split_and_chinese_lines_get_commas(tmp_path):
    lines = [f"{n // 60}:{n % 60:02d} and story {n} has no mark at its end" for n in range(0, 300, 5)]
    found = replies(tmp_path, "talk.txt", "\n".join(lines))
    assert len(found) > 5 and all(spoken_seconds(one) <= 20 for one in found)
    assert not any(":" in one for one in found)
    assert " ".join(found) == " ".join(line.partition(" ")[2] for line in lines)
    chinese = "0:00 清晨的河水醒了\n0:05 白鹭在等早餐\n0:09 没有人着急"
    assert replies(tmp_path, "口播.txt", chinese) == ["清晨的河水醒了，白鹭在等早餐，没有人着急。"]


def test_times_within_a_text_and_of_messages_part_nothing(tmp_path):
    text = "We met at 10:30.\n\nAt 11:00 it rained.\n\nThe bus left at 12:15, late.\n"
    assert len(replies(tmp_path, "a.txt", text)) == 3
    chat = "".join(f"2024-01-01 10:0{n} The boat number {n} is late.\n" for n in range(4))
    asked = "10:15 客户：有红色吗？\n10:16 客服：有的。\n10:17 客户：多少钱？\n10:18 客服：二十元。\n"
    assert replies(tmp_path, "c.txt", asked) == ["有的。", "二十元。"]
    assert replies(tmp_path, "b.txt", chat) == [f"The boat number {n} is late." for n in range(4)]


def test_hashtags_and_notes_at_the_ends_of_lines_go_before_lines_are_joined(tmp_path):
    text = "It came #rain\n[Music]\nand it\nstayed for days #fog #mist\nand went.\n\n1️⃣ A boat nods 2️⃣ times.\n"
    assert replies(tmp_path, "a.txt", text) == [
        "It came and it stayed for days and went.",
        "A boat nods times.",
    ]
    assert replies(tmp_path, "a.txt", text, keep_emoji=True)[1] == "1️⃣ A boat nods 2️⃣ times."


SRT = "".join(
    f"{n + 1}\n00:00:{2 * n:02d},000 --> 00:00:{2 * n + 1:02d},900\n{who}: the river says {n}.\n\n"
    for n, who in enumerate(("ANNA", "BOB") * 3)
)
SPOKEN = " ".join(f"the river says {n}." for n in range(6))


@pytest.mark.parametrize("name", ["talk.srt", "talk.txt", "talk.vtt"])
@pytest.mark.parametrize("gap", ["\n\n", "\n", "\n \n"])
def test_names_and_cue_numbers_go_from_subtitles(tmp_path, name, gap):
    text = ("WEBVTT\n\n" if name.endswith("vtt") else "") + SRT.replace("\n\n", gap)
    assert replies(tmp_path, name, text, seconds=60) == [SPOKEN]
    kept = replies(tmp_path, name, text, seconds=60, keep_speakers=True, keep_timestamps=True)
    assert kept[0].startswith("ANNA: the river says 0. BOB: the river says 1.")
    assert "00:" not in kept[0]


def test_a_time_that_is_said_in_a_subtitle_stays(tmp_path):
    text = "1\n00:00:01,000 --> 00:00:02,000\n10:30 is when\n\n2\n00:00:02,100 --> 00:00:04,000\n5\n"
    assert replies(tmp_path, "a.srt", text) == ["10:30 is when 5"]


def test_voices_and_dashes_of_vtt(tmp_path):
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Are you <i>open</i>?</v>\n\n"
        "00:02.100 --> 00:03.000\n<v.loud Old Bob>Always.\n\n"
        "00:03.100 --> 00:05.000\n- Since when?\n- Since rain.\n"
    )
    assert replies(tmp_path, "a.vtt", text) == ["Are you open? Always. Since when? Since rain."]
    assert replies(tmp_path, "a.vtt", text, keep_speakers=True) == [
        "Anna: Are you open? Old Bob: Always. - Since when? - Since rain."
    ]


@pytest.mark.parametrize(
    "turn",
    ["{who}: {said}\n", "{who}  0:0{n}\n{said}\n\n", "{who}(00:0{n}): {said}\n", "[0:0{n}] {who}: {said}\n"],
)
def test_names_go_from_a_talk_that_is_joined_and_split(tmp_path, turn):
    talk = [("Anna", "小明", "Speaker 2")[n % 3] for n in range(9)]
    said = [f"Line {n} of the talk goes on and on." for n in range(9)]
    text = "".join(
        turn.format(who=who, said=one, n=n) for n, (who, one) in enumerate(zip(talk, said, strict=True))
    )
    assert " ".join(replies(tmp_path, "talk.txt", text)) == " ".join(said)
    long = "Anna: It went on\nBob: and on\nAnna: and on again\n" * 20
    assert not any("Anna" in one or "Bob" in one for one in replies(tmp_path, "long.txt", long))
    assert "Anna: and on again Anna: It went on Bob: and on" in " ".join(
        replies(tmp_path, "long.txt", long, keep_speakers=True)
    )


def test_names_in_cells_and_paragraphs(tmp_path):
    lines = [f"{who}: It went, and stayed away {n} days" for n, who in enumerate(("Anna", "Bob") * 6)]
    records = [{"text": "\n".join(lines[n : n + 4])} for n in (0, 4, 8)]
    cells = tmp_path / "a.json"
    cells.write_text(json.dumps(records), encoding="utf-8")
    paragraphs = word(tmp_path / "a.docx", ["It was so.", "", "\n".join(lines)])
    for file in (cells, paragraphs):
        whole = " ".join(sample.reply for sample in read_file(file))
        assert whole.count("stayed away") == 12 and "Anna" not in whole and "Bob" not in whole
        assert "Anna: It went" in read_file(file, TextCleaning(keep_speakers=True))[-1].reply


def test_a_transcript_in_word(tmp_path):
    path = word(tmp_path / "talk.docx", [f"{clock(n)} {said}" for n, said in enumerate(SAID)])
    assert [sample.reply for sample in read_file(path)] == [" ".join(SAID)]


def word(path, paragraphs):
    from docx import Document

    made = Document()
    for text in paragraphs:
        made.add_paragraph(text)
    made.save(path)
    return path
