"""Office files and styled subtitles, made here by the libraries that people's programs are built on."""

import contextlib
import random
from pathlib import Path

import pytest

from core.messages import Mistake
from core.settings.data import TextCleaning
from core.texts.importing import kind_of, read_file, read_files
from tests.hostile import texts


def pairs(path, **choices):
    return [(sample.topic, sample.reply) for sample in read_file(path, TextCleaning(**choices))]


def book(path, *sheets):
    from openpyxl import Workbook

    made = Workbook()
    made.remove(made.active)
    for rows in sheets:
        sheet = made.create_sheet()
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_every_sheet_with_texts_counts(tmp_path):
    path = book(
        tmp_path / "文案.xlsx",
        [
            ("id", "产品", "卖点", "文案"),
            (1, "茶杯", "手工", "这只杯子不着急。"),
            (2, "灯", None, "灯还亮着。"),
        ],
        [("a", "b", "c"), (1, 2, 3)],
        [("topic", "reply"), (None, None), ("rain", "It came, and it stayed.")],
    )
    assert pairs(path) == [
        ("茶杯: 手工", "这只杯子不着急。"),
        ("灯", "灯还亮着。"),
        ("rain", "It came, and it stayed."),
    ]


def test_a_workbook_without_texts_says_what_to_name(tmp_path):
    path = book(tmp_path / "figures.xlsx", [("a", "b", "c"), (1, 2, 3)])
    with pytest.raises(Mistake, match=r"figures\.xlsx has no column with the texts"):
        read_file(path)


def word(path, *paragraphs, rows=()):
    from docx import Document

    made = Document()
    for text, style in paragraphs:
        made.add_paragraph(text, style=style)
    if rows:
        table = made.add_table(0, len(rows[0]))
        for row in rows:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
    made.save(path)
    return path


def test_a_word_document(tmp_path):
    path = word(
        tmp_path / "scripts.docx",
        ("River town", "Heading 1"),
        ("The river wakes before the town does.", None),
        ("A heron waits for its breakfast.", None),
        rows=[("question", "answer"), ("Is it open?", "It is open until the kettle sings.")],
    )
    assert pairs(path) == [
        ("River town", "The river wakes before the town does."),
        ("River town", "A heron waits for its breakfast."),
        ("Is it open?", "It is open until the kettle sings."),
    ]
    lines = ("The river wakes", "before the town.", "", "Nobody hurries here.")
    parted = word(tmp_path / "parted.docx", *((line, None) for line in lines))
    assert [reply for _, reply in pairs(parted)] == [
        "The river wakes before the town.",
        "Nobody hurries here.",
    ]


ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:02.60,0:00:04.50,Default,,0,0,0,,and the\\Ntown\\hsleeps.
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Anna,0,0,0,,{\\i1}The river wakes{\\i0}
Dialogue: 1,0:00:01.00,0:00:02.50,Default,Anna,0,0,0,,{\\blur3}The river wakes
Comment: 0,0:00:02.00,0:00:02.60,Default,,0,0,0,,not said
Dialogue: 0,0:00:03.00,0:00:04.50,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}
Dialogue: 0,0:00:09.00,0:00:10.00,Default,,0,0,0,,The lamps go out.
"""


def test_styled_subtitles(tmp_path):
    path = tmp_path / "clip.ass"
    path.write_text(ASS, encoding="utf-8-sig")
    assert [reply for _, reply in pairs(path)] == [
        "The river wakes and the town sleeps.",
        "The lamps go out.",
    ]
    assert pairs(path, keep_speakers=True)[0][1].startswith("Anna: The river wakes")


def test_questions_with_their_answers(tmp_path):
    path = tmp_path / "talk.txt"
    path.write_text(
        "Q: Do you open on Sundays?\nA: From nine, dear.\n\n"
        "问：可以退货吗？\n答：七天内都可以。\n问：要发票吗？\n答：有的。\n"
    )
    assert pairs(path) == [
        ("Do you open on Sundays?", "From nine, dear."),
        ("可以退货吗？", "七天内都可以。"),
        ("要发票吗？", "有的。"),
    ]


def test_samples_have_the_spoken_length_asked_for(tmp_path):
    from core.texts.speech import spoken_seconds

    path = tmp_path / "long.txt"
    path.write_text(" ".join(f"The river has story number {n} to tell today." for n in range(40)))
    zh = tmp_path / "长.txt"
    zh.write_text("".join(f"小镇的第{n}个故事从一把伞开始。" for n in range(40)), encoding="utf-8")
    for file in (path, zh):
        for seconds in (8, 30):
            spoken = [spoken_seconds(reply) for _, reply in pairs(file, seconds=seconds)]
            assert all(seconds / 2 <= one <= seconds for one in spoken[:-1]) and spoken[-1] <= seconds * 4 / 3


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("The river wakes.\n\nThe lamps go out.", ".txt"),
        ("rain\tIt came.\nfog\tIt went.", ".tsv"),
        ('{"text": "a"}\n{"text": "b"}', ".jsonl"),
        ('[{"text": "a"}]', ".json"),
        ('{\n  "data": [\n    {"text": "a"}\n  ]\n}', ".json"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHi", ".srt"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi", ".vtt"),
        ("Go down --> to the river.", ".txt"),
        ("topic,reply\nrain,It came.", ".csv"),
        ("主题;文案\n雨;下了一夜。", ".csv"),
        ('rain,"It came, and it stayed."\nfog,"It went."', ".csv"),
        ('"Go," he said, "now."\n"No," she said.', ".txt"),
        ("Text, as it comes.\nRain, and more of it.", ".txt"),
        ("# Rain\n\nIt came.", ".md"),
        ("**Rain** came.\n\nAnd it stayed.", ".md"),
        ("It came [last night](https://a.b/c).", ".md"),
        ("#rain #fog\n\nIt came. # 1 of 2 #", ".txt"),
        (ASS, ".ass"),
        ("", ".txt"),
    ],
)
def test_what_was_pasted(text, ending):
    assert kind_of(text) == ending


def test_damaged_office_files_never_crash(tmp_path):
    generator = random.Random(5)
    originals = {
        "docx": word(tmp_path / "a.docx", ("The river wakes.", None), rows=[("a", "b")]).read_bytes(),
        "xlsx": book(tmp_path / "a.xlsx", [("topic", "reply"), ("rain", "It came.")]).read_bytes(),
        "ass": ASS.encode(),
    }
    for kind, data in originals.items():
        for turn in range(12):
            damaged = bytearray(data)
            for _ in range(1 + turn * 4):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            path = tmp_path / f"f.{kind}"
            path.write_bytes(damaged if turn else data[: len(data) // 2])
            with contextlib.suppress(Mistake):
                assert all(sample.topic and sample.reply for sample in read_file(path))


FEWER = "holds more than 20000 rows, records, paragraphs or cues; only the first are read."
TOO_LARGE = "can't be opened (too large); save it again, or as plain text (.txt)."
HOSTILE = {
    "a document: a cell over two billion columns": "",
    "a document: cells over all rows": "",
    "a document: a hundred and fifty thousand paragraphs": FEWER,
    "a document: 300 MB of nothing": TOO_LARGE,
    "a document: twelve thousand files": TOO_LARGE,
    "a document: a bomb of entities": "can't be opened",
    "a workbook: a cell in row two billion": "",
    "a workbook: a hundred thousand rows": FEWER,
    "a workbook: 300 MB of blanks": TOO_LARGE,
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_document_costs_no_more_than_it_is_worth(tmp_path):
    """Cells over two billion columns, rows that go on in the one above, sizes that lie: capped, and told."""
    for case in (*texts._documents(tmp_path), *texts._workbooks(tmp_path)):
        if case.name in HOSTILE:
            found = read_files([Path(case.argv[1])])
            assert HOSTILE[case.name] in " ".join(map(str, found.problems)), case.name
            assert found.samples or HOSTILE[case.name], case.name
