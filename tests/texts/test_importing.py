"""Text files as they come from notes, spreadsheets, subtitle and chat programs, built here."""

import contextlib
import json
import random

import pytest

from core.messages import Mistake
from core.texts.cleaning import clean
from core.texts.importing import import_texts, read_file, read_files, read_texts
from core.texts.samples import read_samples
from core.texts.speech import flowing, passages, sentences, spoken_seconds, words

LINES = (
    "The river wakes before the town does.",
    "A heron stands in the mist and waits for its breakfast.",
    "Somewhere a kettle begins to sing.",
    "The baker opens her shutters, one after the other.",
    "Boats nod at their ropes like old friends.",
    "The bridge carries the first bicycle of the day.",
    "Rain came last night and left its mirrors in the street.",
    "Nobody hurries here, not even the clock.",
    "The lamps go out when the swallows come.",
)
CHINESE = (
    "清晨的河水比小镇醒得更早。",
    "一只白鹭站在薄雾里等早餐。",
    "远处有水壶开始唱歌。",
    "面包师一扇一扇地打开窗板。",
    "小船像老朋友一样点头。",
    "第一辆自行车过了石桥。",
    "昨夜的雨在街上留下镜子。",
    "这里没有人着急，连钟也不急。",
)


def replies(path):
    return [sample.reply for sample in read_texts(path).samples]


def test_blank_lines_part_samples(tmp_path):
    path = tmp_path / "scripts 文.txt"
    path.write_text("\n\n".join(LINES) + "\n\n\n", encoding="utf-8")
    found = read_texts(path)
    assert tuple(sample.reply for sample in found.samples) == LINES
    assert found.samples[0].topic == "river wakes town"
    assert {sample.source for sample in found.samples} == {"scripts 文.txt"}
    assert tuple(map(str, found.problems)) == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "past.txt"
    path.write_bytes("\r\n\r\n".join(CHINESE).encode(encoding))
    assert tuple(replies(path)) == CHINESE


def test_one_text_a_line(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    assert tuple(replies(path)) == LINES
    path.write_text("\n".join(line.rstrip("。") for line in CHINESE), encoding="utf-8")
    assert replies(path)[0] == "清晨的河水比小镇醒得更早"


def test_wrapped_paragraphs_become_running_text(tmp_path):
    path = tmp_path / "wrapped.txt"
    path.write_text(
        "The river wakes\nbefore the town\ndoes.\n\nTopic: rain at night\nIt came,\nand it stayed.\n"
    )
    first, second = read_file(path)
    assert first.reply == "The river wakes before the town does."
    assert (second.topic, second.reply) == ("rain at night", "It came, and it stayed.")


def test_a_long_block_becomes_passages(tmp_path):
    path = tmp_path / "essay.txt"
    path.write_text(" ".join(f"{line} And again, {index}, it is so." for index, line in enumerate(LINES * 3)))
    found = read_file(path)
    assert len(found) > 5
    assert all(10 <= words(sample.reply) <= 60 and sample.reply.endswith(".") for sample in found)


def test_empty_and_nearly_empty_sets_say_what_to_do(tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("")
    nothing = r"few\.txt holds no text to learn from; write at least 8, with a blank line between them"
    with pytest.raises(Mistake, match=nothing):
        read_texts(path)
    path.write_text(LINES[0])
    with pytest.raises(Mistake, match=r"few\.txt holds only 1 usable texts; write at least 8"):
        read_texts(path)
    path.write_text("\n\n".join([*LINES[:4], *LINES[:4], "ok", "hm"]))
    with pytest.raises(Mistake, match="holds only 4 usable texts"):
        read_texts(path)
    assert tuple(map(str, read_files([path]).problems)) == (
        "Left out, as shorter than 3 words: 2.",
        "Left out, as nearly the same as another: 4.",
    )
    with pytest.raises(Mistake, match="There is no text file or folder"):
        read_texts(tmp_path / "gone.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Mistake, match="holds no texts; put"):
        read_texts(tmp_path / "empty")


def test_what_is_not_text(tmp_path):
    for name, content, sentence in (
        ("photo.txt", b"\x89PNG\0\0\0\r" * 20, "photo.txt is not text, whatever its ending says"),
        ("script.pdf", b"%PDF", "script.pdf is of a kind that the studio can't open; save it as plain text"),
        ("script.docx", b"PK", r"script.docx can't be opened \(damaged\); save it again"),
        ("bad.jsonl", b'{"text": "a"}\n{oops', r"Line 2 of .*bad\.jsonl is not JSON"),
        ("odd.jsonl", b'{"a": 1}', r"Record 1 of .*odd\.jsonl is no sample"),
        (
            "odd.csv",
            b"a,b,c\n1,2,3\n",
            r"odd\.csv has no column with the texts; name its columns topic and reply",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Mistake, match=sentence):
            read_texts(tmp_path / name)


def test_a_folder_is_read_whole_and_its_bad_files_are_told(tmp_path):
    folder = tmp_path / "past 文 🦊"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("\n\n".join(LINES[:5]))
    (folder / "sub" / "b.md").write_text("# Evening\n\n" + "\n\n".join(LINES[5:]))
    (folder / "c.pdf").write_bytes(b"%PDF")
    (folder / ".hidden.txt").write_text("\n\n".join(CHINESE))
    (folder / "cover.png").write_bytes(b"\x89PNG")
    found = read_texts(folder)
    assert len(found.samples) == 9
    assert [sample.topic for sample in found.samples if sample.source == "b.md"] == ["Evening"] * 4
    assert tuple(map(str, found.problems)) == (
        "c.pdf is of a kind that the studio can't open; save it as plain text (.txt).",
    )


def test_train_jsonl_in_a_folder_counts_alone(tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": f"t{n}"}, {"role": "assistant", "content": text}]}
        for n, text in enumerate(LINES)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "other.txt").write_text("\n\n".join(CHINESE))
    assert [(sample.topic, sample.reply) for sample in read_texts(tmp_path).samples] == [
        (f"t{n}", text) for n, text in enumerate(LINES)
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [("Topic", "Narration"), ("prompt", "completion"), ("标题", "文案")])
def test_tables(tmp_path, separator, header):
    rows = [header, *((f"scene {n}", f'"{text}"') for n, text in enumerate(LINES))]
    path = tmp_path / "past.csv"
    path.write_bytes("\r\n".join(separator.join(row) for row in rows).encode("gb18030"))
    assert [(sample.topic, sample.reply) for sample in read_texts(path).samples] == [
        (f"scene {n}", text) for n, text in enumerate(LINES)
    ]


def test_tables_without_known_names(tmp_path):
    path = tmp_path / "past.csv"
    path.write_text("\n".join(f'"{line}"' for line in LINES))
    assert tuple(replies(path)) == LINES
    path.write_text("\n".join(f'scene {n},"{line}"' for n, line in enumerate(LINES)))
    assert read_texts(path).samples[2].topic == "scene 2"


def test_chat_formats(tmp_path):
    alpaca = [
        {"instruction": "Narrate", "input": "rain", "output": LINES[0]},
        {"instruction": "Fog", "output": LINES[1]},
    ]
    (tmp_path / "alpaca.json").write_text(json.dumps(alpaca))
    assert [(s.topic, s.reply) for s in read_file(tmp_path / "alpaca.json")] == [
        ("Narrate: rain", LINES[0]),
        ("Fog", LINES[1]),
    ]
    talk = {
        "conversations": [
            {"from": "system", "value": "be kind"},
            {"from": "human", "value": "rain"},
            {"from": "gpt", "value": LINES[0]},
            {"from": "human", "value": "fog"},
            {"from": "gpt", "value": LINES[1]},
        ]
    }
    (tmp_path / "sharegpt.jsonl").write_text(json.dumps(talk) + "\n\n")
    assert [(s.topic, s.reply) for s in read_file(tmp_path / "sharegpt.jsonl")] == [
        ("rain", LINES[0]),
        (f"rain — {LINES[0]} — fog", LINES[1]),
    ]
    openai = {"messages": [{"role": "user", "content": [{"type": "text", "text": "mist"}]},
                           {"role": "assistant", "content": LINES[2]}]}  # fmt: skip
    (tmp_path / "openai.json").write_text(json.dumps({"data": [openai]}))
    assert [(s.topic, s.reply) for s in read_file(tmp_path / "openai.json")] == [("mist", LINES[2])]


def test_subtitles_become_passages(tmp_path):
    path = tmp_path / "clip.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,500\n<i>The river wakes</i>\n\n"
        "2\n00:00:02,600 --> 00:00:04,000\n{\\an8}before the town does.\n[Music]\n\n"
        "3\n00:00:04,100 --> 00:00:05,000\n- Nobody hurries here,\nnot even the clock.\n\n"
        "4\n00:00:09,000 --> 00:00:10,000\nThe lamps go out.\n",
        encoding="utf-8-sig",
    )
    assert [sample.reply for sample in read_file(path)] == [
        "The river wakes before the town does. Nobody hurries here, not even the clock.",
        "The lamps go out.",
    ]


def test_rolling_captions_are_not_doubled(tmp_path):
    path = tmp_path / "auto.vtt"
    path.write_text(
        "WEBVTT\nKind: captions\n\nNOTE made by a machine\n\nSTYLE\n::cue { color: red }\n\n"
        "00:00.500 --> 00:02.000 align:start position:0%\n \nthe<00:00:00.700><c> river</c><c> wakes</c>\n\n"
        "00:02.000 --> 00:02.010 align:start\nthe river wakes\n \n\n"
        "00:02.010 --> 00:04.000\nthe river wakes\nbefore<00:00:03.000><c> the town</c>\n\n"
        "intro\n00:04.000 --> 00:05.000\nbefore the town\n&amp; me &gt; you\n"
    )
    assert [sample.reply for sample in read_file(path)] == ["the river wakes before the town & me > you"]


def test_chinese_subtitles_get_their_commas(tmp_path):
    path = tmp_path / "片.srt"
    cues = [
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{text.rstrip('。')}\n"
        for n, text in enumerate(CHINESE[:3], 1)
    ]
    path.write_bytes("\n".join(cues).encode("gbk"))
    assert [sample.reply for sample in read_file(path)] == [
        "清晨的河水比小镇醒得更早，一只白鹭站在薄雾里等早餐，远处有水壶开始唱歌。"
    ]


def test_markdown(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(
        "---\ntitle: x\n---\n# River *town*\n\nThe **river** wakes [before](http://a.b/c) the `town`.\n\n"
        "```\ncode = 1\n```\n\n| a | b |\n|---|---|\n\n![pic](x.png)\n\n"
        "## Rain\n> It came,\n> and it stayed.\n\n- one snake_case_name stays\n"
    )
    assert [(sample.topic, sample.reply) for sample in read_file(path)] == [
        ("River town", "The river wakes before the town."),
        ("Rain", "It came, and it stayed."),
        ("Rain", "one snake_case_name stays"),
    ]


@pytest.mark.parametrize(
    ("dirty", "plain"),
    [
        ("[00:12] The river wakes.", "The river wakes."),
        ("0:05 The river wakes.", "The river wakes."),
        ("12/31/23, 10:15 PM - The river wakes.", "The river wakes."),
        ("2024-01-01 12:30:11 The river wakes.", "The river wakes."),
        ("See https://a.b/c?d=1 and www.x.org, friends.", "See and, friends."),
        ("Write to me@x.org please", "Write to me@x.org please"),
        ("<font color='red'>Red</font> <b>boat</b> 5 < 6", "Red boat 5 < 6"),
        ("♪ la la ♪ (applause) well", "la la well"),
        ("The boats nod. #fyp #river_town", "The boats nod."),
        ("小船点头。 #小镇 #早晨", "小船点头。"),
        ("a\u200bb\u00a0 c\ufeff", "ab c"),
        ("Tom &amp; Ann &#39;88", "Tom & Ann '88"),
        ("We met at 10:30 in room 5.", "We met at 10:30 in room 5."),
    ],
)
def test_clean(dirty, plain):
    assert clean(dirty) == plain


def test_flowing_sentences_and_passages():
    assert flowing("one\n two,\n\nthree") == "one two, three"
    assert flowing("一\n二，\n三\nfour") == "一，二，三 four"
    assert sentences("“Go.” He went! 3.5 km… 真的吗？“是。”好") == [
        "“Go.”", "He went!", "3.5 km…", "真的吗？", "“是。”", "好",
    ]  # fmt: skip
    text = [f"Sentence number {n} has exactly seven words." for n in range(20)]
    made = passages(text, 15)
    assert " ".join(made) == " ".join(text)
    assert [round(words(part)) for part in made[:-1]] == [35] * (len(made) - 1)
    assert all(12 <= spoken_seconds(part) <= 16 for part in made[:-1])
    endless = "word " * 300
    assert all(spoken_seconds(part) <= 20 for part in passages([endless.strip()], 15))
    assert " ".join(passages([endless.strip()], 15)) == endless.strip()


def test_korean_is_spoken_by_syllables_and_keeps_its_spaces():
    line = "강물은 마을보다 먼저 깨어나고 왜가리는 안개 속에서 아침을 기다린다"
    assert spoken_seconds("가" * 28) == pytest.approx(5.5, rel=0.02)
    assert spoken_seconds(line) == pytest.approx(5.9, rel=0.1)
    assert flowing(f"{line}\n{line}") == f"{line} {line}"
    made = passages([" ".join([line] * 12)], 15)
    assert " ".join(made) == " ".join([line] * 12) and all(spoken_seconds(part) <= 20 for part in made)


def test_import_keeps_sources_and_grows(tmp_path):
    source, project = tmp_path / "past.txt", tmp_path / "项目" / "texts"
    source.write_text("\n\n".join(LINES[:5]))
    first = import_texts([source], project)
    assert [sample.reply for sample in first.samples] == list(LINES[:5])
    assert (project / "past.txt").read_bytes() == source.read_bytes()
    source.write_text("\n\n".join(LINES[3:]))
    second = import_texts([source], project)
    assert [sample.reply for sample in second.samples] == list(LINES)
    assert sorted(path.name for path in project.iterdir()) == ["past-2.txt", "past.txt", "train.jsonl"]
    import_texts([source], project)
    assert len(list(project.iterdir())) == 3
    assert [sample.reply for sample in read_samples(project / "train.jsonl")] == list(LINES)
    with pytest.raises(Mistake, match="There is no file or folder"):
        import_texts([tmp_path / "gone"], project)


def test_a_copy_is_named_by_what_it_was_read_as(tmp_path):
    """The home is served to a browser, which would run a page."""
    source, project = tmp_path / "page.html", tmp_path / "texts"
    source.write_text("<script>alert(1)</script>\n\n" + "\n\n".join(LINES))
    import_texts([source], project)
    assert sorted(path.name for path in project.iterdir()) == ["page.txt", "train.jsonl"]


def test_fuzzed_files_never_crash(tmp_path):
    """Damaged and odd files of each kind give samples or a Mistake; nothing else is ever raised."""
    generator = random.Random(3)
    srt = "1\n00:00:01,000 --> 00:00:02,000\nThe river wakes.\n\n" * 3
    chat = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    originals = {
        "txt": "\n\n".join(LINES),
        "md": "# A\n\n> b\n\n- c\n```\nd\n```\n",
        "csv": 'topic,reply\na,"b c d"\n',
        "tsv": "topic\treply\na\tb\n",
        "srt": srt,
        "vtt": f"WEBVTT\n\n{srt}",
        "json": f"[{chat}]",
        "jsonl": '{"instruction": "a", "output": "b"}\n' * 3,
    }
    odd = [
        *(
            b"",
            b"\n",
            b"[[[",
            b"[" * 20_000,
            b"null",
            b"[1, null, []]",
            b"{}",
            b'"',
            b"#",
            b"---\n",
            b",,,\n,,",
        ),
        *(b'{"messages": [1, {"role": 3}]}', b"--> -->", b"\xff\xfe", b"\xff\xfeA", '"\n"'.encode("utf-16")),
    ]
    for kind, text in originals.items():
        damaged = []
        for turn in range(60):
            data = bytearray(text.encode())
            for _ in range(1 + turn % 9):
                data[generator.randrange(len(data))] = generator.choice(b'\x01\n",;:{}[]<>-#\xe4\xff 0a')
            damaged.append(bytes(data))
        for data in [*odd, *damaged]:
            path = tmp_path / f"f.{kind}"
            path.write_bytes(data)
            with contextlib.suppress(Mistake):
                assert all(sample.topic and sample.reply for sample in read_file(path))
