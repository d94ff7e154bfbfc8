"""Files with small faults: read where that can be, told with file and line where not, nothing lost unsaid."""

from __future__ import annotations

import contextlib
import json
import os
import random

import pytest

from core.messages import Mistake
from core.texts.importing import import_texts, kind_of, read_file, read_files, read_texts
from core.texts.samples import TextSample, read_samples, write_samples
from tests.texts.test_importing import CHINESE, LINES

ROWS = [{"topic": f"t{n}", "reply": line} for n, line in enumerate(LINES)]
ARRAY = json.dumps(ROWS)


def replies(path):
    return tuple(sample.reply for sample in read_texts(path).samples)


def told(*paths):
    return tuple(map(str, read_files(paths).problems))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "train.jsonl"])
@pytest.mark.parametrize(
    "text",
    [
        ARRAY,
        json.dumps(ROWS, indent=2),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "\n".join(f"{json.dumps(row)}," for row in ROWS),
        f"{ARRAY[:-2]},}},\n]",
        json.dumps({"version": 1, "data": ROWS}),
    ],
)
def test_json_of_any_layout_under_any_name(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert replies(path) == LINES


def test_a_fault_in_json_is_told_with_its_line_and_reason(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS, indent=1).replace('"t3",', '"t3"'))
    line = 1 + json.dumps(ROWS, indent=1).split('"t3"')[0].count("\n") + 1
    with pytest.raises(Mistake, match=rf"^Line {line} of .*a\.json is not JSON \(Expecting ',' delimiter\)"):
        read_texts(path)


def test_half_an_emoji_is_left_out_of_every_kind(tmp_path):
    cut = [{"topic": f"t{n} \ud83d", "reply": f"{line} \ud83d"} for n, line in enumerate(LINES)]
    for name in ("a.jsonl", "train.jsonl"):
        path = tmp_path / name
        path.write_text("\n".join(map(json.dumps, cut)))
        found = read_texts(path)
        assert [(one.topic, one.reply) for one in found.samples] == [
            (f"t{n}", line) for n, line in enumerate(LINES)
        ]
        assert tuple(map(str, found.problems)) == (
            f"Broken characters, such as half an emoji, were left out of texts in {name}: 9.",
        )
        assert read_samples(write_samples(tmp_path / "out.jsonl", found.samples))[0].reply == LINES[0]
    pair = tmp_path / "whole.jsonl"
    pair.write_text(json.dumps({"topic": "a 🦊", "reply": "A fox 🦊 waits."}))  # escaped as two halves
    assert read_file(pair)[0].reply == "A fox waits." and told(pair) == ()


def test_an_open_quotation_mark_in_a_table_swallows_no_rows(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"t{n},{line}" for n, line in enumerate(LINES)]
    rows[2] = f't2,"{LINES[2]}'
    rows[6] = f't6,"{LINES[6]}"'
    path.write_text("\n".join(["topic,reply", *rows]))
    assert replies(path) == LINES
    assert told(path) == (
        "A quotation mark in t.csv isn't closed, in line 4; its text was read to the end of the line.",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.srt", "1\n00:00:01 --> 00:00:03\n{0}\n\n2\n00:00:03 --> 00:00:06\n{1}\n"),
        ("b.srt", "1\n00:00:01,5 --> 00:00:03.25\n{0}\n2\n00:00:03 --> 00:00:06,000\n{1}\n"),
        ("a.vtt", "WEBVTT\n\n00:01 --> 00:03\n{0}\n\n00:03.000 --> 00:06\n{1}\n"),
        ("a.sbv", "0:00:01.000,0:00:03.000\n{0}\n\n0:00:03.000,0:00:06.000\n{1}\n"),
        ("a.txt", "0:00:01.000,0:00:03.000\n{0}\n\n0:00:03.000,0:00:06.000\n{1}\n"),
        ("a.lrc", "[ar:Anna]\n[ti:River]\n[00:03.50]{1}\n[00:01.00]{0}\n[00:05]\n"),
        (
            "a.ttml",
            '<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
            '<p begin="00:00:01.000" end="00:00:03.000">{0}</p>'
            '<p begin="00:00:03.000" end="00:00:06.000">{1}</p></div></body></tt>',
        ),
        (
            "a.smi",
            "<SAMI><BODY><SYNC Start=1000><P Class=EN>{0}</P></SYNC>"
            "<SYNC Start=3000><P Class=EN>{1}</P></SYNC>"
            "<SYNC Start=6000><P Class=EN>&nbsp;</P></SYNC></BODY></SAMI>",
        ),
    ],
)
def test_subtitles_without_fractions_and_of_other_kinds(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text.format(*LINES))
    assert [one.reply for one in read_file(path)] == [f"{LINES[0]} {LINES[1]}"]


def test_a_pause_counts_where_times_have_no_fractions(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text(f"1\n00:00:01 --> 00:00:02,5\n{LINES[0]}\n\n2\n00:00:04,4 --> 00:00:06\n{LINES[1]}\n\n"
                    f"3\n00:00:09 --> 00:00:10\n{LINES[2]}\n")  # fmt: skip
    assert [one.reply for one in read_file(path)] == [f"{LINES[0]} {LINES[1]}", LINES[2]]


def test_a_chorus_stands_wherever_its_times_do(tmp_path):
    path = tmp_path / "song.lrc"
    path.write_text("[00:01.00][00:05.00]La la.\n[00:03.00]One.\n[00:20.00]Two.\n")
    assert [one.reply for one in read_file(path)] == ["La la. One. La la. Two."]


def test_every_file_of_a_folder_is_read_or_told(tmp_path):
    folder = tmp_path / "past"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(LINES))
    (folder / "b.srt").write_text("1\nat one\nThe river is quiet.\n")
    (folder / "c.csv").write_text("topic,reply\n")
    (folder / "d.xyz").write_text("The river is quiet.")
    (folder / "notes").write_text("The river is quiet.")
    (folder / "e.sub").write_text("{0}{25}The river is quiet.")
    for media in ("f.mp4", "g.wav", "h.heic", "i.png"):
        (folder / media).write_bytes(b"x")
    (folder / "j.txt").write_bytes("河边的小镇醒得很早。".encode() + b"\xe6")
    (folder / "k.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    assert tuple(map(str, read_texts(folder).problems)) == (
        "No text was found in b.srt; look into it.",
        "No text was found in c.csv; look into it.",
        "e.sub is of a kind that the studio can't open; save it as plain text (.txt).",
        "j.txt is damaged: broken characters were left out, in line 1.",
        "k.txt is not text, whatever its ending says; save it as plain text.",
        f"Passed over in {folder}, as of a kind that the studio can't open: d.xyz, notes.",
    )
    project = tmp_path / "project"
    assert str(import_texts([folder], project).problems[-1]).endswith("can't open: d.xyz, notes.")


def test_too_few_texts_are_told_with_what_was_left_out(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join([*LINES[:4], *LINES[:4], "ok"]))
    with pytest.raises(Mistake) as few:
        read_texts(path)
    assert str(few.value) == (
        f"{path} holds only 4 usable texts, of the 8 that it takes. Left out, as shorter than 3 words: 1. "
        "Left out, as nearly the same as another: 4."
    )


def test_line_separators_within_a_text_part_no_samples(tmp_path):
    kept = [TextSample("t", "It came,\u2028and it stayed.\x85 And went.", "a")]
    assert [one.reply for one in read_samples(write_samples(tmp_path / "a.jsonl", kept))] == [kept[0].reply]


def test_pasted_and_edited_texts_hold_no_half_characters(tmp_path):
    from core.project import Project
    from core.texts import editing
    from core.texts import project_set as text_set

    project = Project(tmp_path / "p")
    text_set.paste(project, f"{LINES[0]} \ud83d\n\n{LINES[1]}")
    text_set.save(project, [["a \ude00", f"{LINES[2]}\ud83d"], ["b", LINES[3]]])
    text_set.replace(project, "opens", "shuts \ud83d")
    assert [(one.topic, one.reply) for one in editing.current(project.texts())] == [
        ("a", LINES[2]),
        ("b", LINES[3].replace("opens", "shuts ")),
    ]


def test_settings_and_the_writer_take_a_topic_with_half_a_character(tiny_llm):
    from core.settings.reading import make
    from core.settings.video import WriteSettings
    from core.texts.samples import messages
    from core.texts.writer import Writer

    assert make(WriteSettings, {"topic": "rain\ud83d"}).topic == "rain"
    writer = Writer(str(tiny_llm), "fp32")
    assert writer.prompt(messages("rain\ud83d")) == writer.prompt(messages("rain"))


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("1\n00:00:01 --> 00:00:03\nHi", ".srt"),
        ("0:00:01.000,0:00:03.000\nHi", ".srt"),
        ("0:01,0:02 is when the boats came.", ".txt"),
        ("[00:01.00]Hi", ".txt"),
    ],
)
def test_what_was_pasted(text, ending):
    assert kind_of(text) == ending


def test_fuzzed_files_of_the_other_kinds_never_crash(tmp_path):
    generator = random.Random(7)
    originals = {
        "lrc": "[ar:Anna]\n[00:01.00]Hi there you\n[00:02.00][00:04.00]La la la\n",
        "sbv": "0:00:01.000,0:00:03.000\nThe river is quiet\n\n" * 3,
        "ttml": '<tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="1s" end="2s">Hi</p></body></tt>',
        "smi": "<SAMI><BODY><SYNC Start=1000><P Class=EN>Hi there you</P></SYNC></BODY></SAMI>",
        "jsonl": json.dumps([{"text": "\u6cb3\u8fb9<think>x</think>"}], ensure_ascii=False),
        "csv": 'topic,reply\na,"b, c"\n' * 3,
        "txt": "\n\n".join(CHINESE),
    }
    for kind, text in originals.items():
        for encoding in ("utf-8", "gb18030", "utf-16"):
            for turn in range(40):
                data = bytearray(text.encode(encoding))
                for _ in range(turn % 9):
                    data[generator.randrange(len(data))] = generator.randrange(256)
                path = tmp_path / f"f.{kind}"
                path.write_bytes(data[: generator.randrange(len(data))] if turn % 3 == 0 else data)
                with contextlib.suppress(Mistake):
                    for sample in read_file(path):
                        assert sample.topic and sample.reply and f"{sample.topic}{sample.reply}".encode()


def test_names_that_are_no_utf8_and_links_outside_spoil_no_folder(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for number, name in enumerate((b"a\xff.txt", b"b\n\x1b[31m.txt")):
        with open(os.fsencode(folder) + b"/" + name, "w") as file:
            file.write("\n\n".join(LINES[number::2]))
    (tmp_path / "secret.txt").write_text(
        "\n\n".join(f"secret number {n} of all the secrets" for n in range(20))
    )
    (folder / "c.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "d.xyz\n").write_text("a")
    found = read_texts(folder)
    assert len(found.samples) == len(LINES)
    told = "\n".join(map(str, found.problems))
    assert "as links to files outside of it: c.txt; copy them into it." in told
    told.encode()
    (folder / "train.jsonl").symlink_to(tmp_path / "secret.txt")
    assert len(read_texts(folder).samples) == len(LINES)


def test_what_nobody_says_is_not_written_and_bricks_no_set(tmp_path):
    write_samples(
        tmp_path / "train.jsonl",
        [TextSample("a", "<think>hm"), TextSample("b", "…"), TextSample("c", "A boat")],
    )
    assert [(one.topic, one.reply) for one in read_file(tmp_path / "train.jsonl")] == [("c", "A boat")]
    garbled = TextSample("a", ("一条船在河里" * 20).encode().decode("gb18030", "ignore"))
    with pytest.raises(Mistake, match="is garbled"):
        write_samples(tmp_path / "train.jsonl", [garbled])
    assert len(read_file(tmp_path / "train.jsonl")) == 1
