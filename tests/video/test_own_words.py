"""One's own words as scenes: every word is kept, marks are none, and pictures are what the script says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Mistake
from core.texts.speech import spoken_seconds
from core.video.script.own_words import MOST_CHARACTERS, Part, kept, read
from core.video.storyboard.board import MOST_SCENES, Scene

CHINESE = """# 奶奶的早饭

## 第一幕

[画面：厨房里的一碗面]
天还没亮，奶奶就把水烧开了。

她说：面要趁热吃。

## 第二幕：出门
（画面：雨里的一把雨伞）外面下着雨，她撑开那把旧伞。
"""


def script(folder: Path, text: str, name: str = "script.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def said(folder: Path, text: str, name: str = "script.txt") -> list[str]:
    return [part.say for part in read(script(folder, text, name)).parts]


def signs(text: str) -> str:
    return "".join(text.split())


def test_a_chinese_script_keeps_its_scenes_its_words_and_what_shall_be_seen(tmp_path: Path) -> None:
    found = read(script(tmp_path, CHINESE, "我的 剧本.md"))
    assert found.title == "奶奶的早饭"
    assert found.parts == (
        Part("天还没亮，奶奶就把水烧开了。她说：面要趁热吃。", "厨房里的一碗面"),
        Part("外面下着雨，她撑开那把旧伞。", "雨里的一把雨伞", "出门"),
    )


@pytest.mark.parametrize(
    ("text", "scenes"),
    [
        ("One fox.\n\nTwo foxes.", ["One fox.", "Two foxes."]),
        ("One fox.\nStill one.\n---\nTwo.\n\nStill two.", ["One fox. Still one.", "Two. Still two."]),
        ("Scene 1: One fox.\nScene 2\nTwo foxes.", ["One fox.", "Two foxes."]),
        ("**Scene 1 (0-5s):** One fox.\n**Scene 2:** Two.", ["One fox.", "Two."]),
        ("第一幕\n一只狐狸。\n第二幕：两只。", ["一只狐狸。", "两只。"]),
        ("镜头1：一只狐狸。\n镜头2：两只。", ["一只狐狸。", "两只。"]),
        ("1. One fox.\n2. Two foxes.", ["1. One fox.", "2. Two foxes."]),
        ("旁白：一只狐狸。\n\n🎙️ 旁白：两只。", ["一只狐狸。", "两只。"]),
        ("Narrator: One fox.\n\nVO: Two foxes.", ["One fox.", "Two foxes."]),
        ("[00:01] One fox.\n\n[00:05] Two foxes.", ["One fox.", "Two foxes."]),
        ("07:00 I wake up.\n\n08:00 I eat.", ["07:00 I wake up.", "08:00 I eat."]),
        ("One fox. 🦊\n\n🦊🦊\n\nTwo.", ["One fox. 🦊 🦊🦊", "Two."]),
        ("第一场雨下了，第二天晴。", ["第一场雨下了，第二天晴。"]),
        ("Picture this: a fox.\n\nScene stealer.", ["Picture this: a fox.", "Scene stealer."]),
        ("1-2 people came.\n\n3 left.", ["1-2 people came.", "3 left."]),
        ("# Only a heading", ["Only a heading"]),
        ("Hello (she waves), you. #fox https://fox.org", ["Hello (she waves), you. #fox https://fox.org"]),
    ],
)
def test_breaks_part_scenes_and_marks_are_no_words(tmp_path: Path, text: str, scenes: list[str]) -> None:
    assert said(tmp_path, text) == scenes


@pytest.mark.parametrize(
    ("text", "scenes"),
    [
        ("[picture: a red fox in snow]\nOne fox.", [("One fox.", "a red fox in snow")]),
        ("[picture: a] One.\n[picture: b] Two.", [("One.", "a"), ("Two.", "b")]),
        ("One. [picture: a]\n\nTwo. [picture: b]", [("One.", "a"), ("Two.", "b")]),
        ("One. [Visual: b] Two.", [("One.", ""), ("Two.", "b")]),
        ("Picture: a\n\nOne.\n\nTwo.", [("One.", "a"), ("Two.", "")]),
        ("画面：甲\n旁白：一。\n\n画面：乙\n旁白：二。", [("一。", "甲"), ("二。", "乙")]),
        ("Scene 1\nOne.\n[picture: a]\n\nMore.\nScene 2\nTwo.", [("One. More.", "a"), ("Two.", "")]),
        ("[picture: a]\n\n---\nOne.", [("", "a"), ("One.", "")]),
    ],
)
def test_what_a_picture_shall_show_is_drawn_and_not_said(
    tmp_path: Path, text: str, scenes: list[tuple[str, str]]
) -> None:
    assert [(part.say, part.draw) for part in read(script(tmp_path, text)).parts] == scenes


def test_without_breaks_sentences_make_scenes_of_some_seconds(tmp_path: Path) -> None:
    text = "The kettle hums on the stove. Dr. Fox waits for his tea and reads. " * 8
    found = said(tmp_path, text)
    assert " ".join(found) == text.strip() and len(found) > 4
    assert all(2 <= spoken_seconds(one) <= 8 for one in found)
    assert not any(one.endswith("Dr.") for one in found)
    chinese = "水壶在炉子上哼着歌，狐狸先生一边看书一边等他的茶。窗外下着小雨。" * 6
    found = said(tmp_path, chinese)
    assert "".join(found) == chinese and len(found) > 4


def test_a_long_paragraph_among_others_is_parted_and_a_marked_scene_is_not(tmp_path: Path) -> None:
    long = "The kettle hums on the stove and the fox waits. " * 10
    assert len(said(tmp_path, f"Short.\n\n{long}")) > 4
    assert said(tmp_path, f"Short.\n---\n{long}") == ["Short.", long.strip()]


def test_a_scene_holds_at_most_what_a_scene_may(tmp_path: Path) -> None:
    for text in (
        "A fox. " * 900,
        "fox " * 1500,
        "天地玄黄宇宙洪荒日月盈昃辰宿列张" * 300,
        "x" * 4500,
        "狐狸。" * 1500,
    ):
        parts = read(script(tmp_path, f"[picture: a fox]\n{text}\n---\nEnd.")).parts
        assert len(parts) > 3 and {part.draw for part in parts[:-1]} == {"a fox"}
        assert all(0 < len(part.say) <= MOST_CHARACTERS for part in parts)
        assert signs("".join(part.say for part in parts)) == signs(text) + "End."
        assert all(Scene(say=part.say, draw=part.draw, about=part.about) for part in parts)


MARKLESS = st.text(st.sampled_from("ab zé我你。，！？…;.!?, “”'’🦊\n\t　"), max_size=400)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(MARKLESS, max_size=6), between=st.sampled_from(["\n\n", "\n---\n", "\n\n\n \n", "\n"]))
def test_every_word_is_kept_in_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], between: str
) -> None:
    text = between.join(texts)
    path = script(tmp_path_factory.mktemp("own"), text)
    if not re.search(r"\w", text):
        with pytest.raises(Mistake, match="no words"):
            read(path)
        return
    found = [part.say for part in read(path).parts]
    whole = text if between != "\n---\n" else " ".join(texts)
    assert signs("".join(found)) == signs(whole)
    assert re.findall(r"\w+", " ".join(found)) == re.findall(r"\w+", whole)
    assert all(re.search(r"\w", one) for one in found)


SRT = """1
00:00:10,000 --> 00:00:12,000
<i>The kettle hums,</i>

2
00:00:12,000 --> 00:00:14,500
and the fox waits.

3
00:00:15,000 --> 00:00:19,000
[picture: a cup of tea] Tea!
Tea!

4
00:00:30,000 --> 00:00:31,000
Tea!
"""


def test_subtitles_give_scenes_their_seconds(tmp_path: Path) -> None:
    whole = [
        Part("The kettle hums, and the fox waits.", seconds=5),
        Part("Tea! Tea!", "a cup of tea", seconds=15),
        Part("Tea!", seconds=1),
    ]
    assert [*read(script(tmp_path, SRT, "a.srt")).parts] == whole
    assert [*read(script(tmp_path, SRT, "pasted.txt")).parts] == whole
    lrc = "[ti:Tea]\n[00:01.00]The kettle hums.\n[00:09.00]The fox waits.\n[00:12.50]"
    assert [*read(script(tmp_path, lrc, "a.lrc")).parts] == [
        Part("The kettle hums.", seconds=8),
        Part("The fox waits.", seconds=3.5),
    ]


@pytest.mark.parametrize("ending", [".vtt", ".ass", ".ttml", ".smi"])
def test_subtitles_of_other_kinds_keep_every_word(tmp_path: Path, ending: str) -> None:
    import pysubs2

    lines = ["The kettle hums.", "Tea!", "Tea!", "#fox & 狐狸。"]
    made = pysubs2.SSAFile()
    for at, line in enumerate(lines):
        made.append(pysubs2.SSAEvent(start=8000 * at, end=8000 * at + 4000, text=line))
    path = tmp_path / f"a{ending}"
    if ending == ".smi":  # which pysubs2 reads only
        times = [(8000 * at, line.replace("&", "&amp;")) for at, line in enumerate(lines)]
        cues = [f"<SYNC Start={at}><P>{line}\n<SYNC Start={at + 4000}><P>&nbsp;" for at, line in times]
        path.write_text(f"<SAMI><BODY>{''.join(cues)}</BODY></SAMI>", encoding="utf-8")
    else:
        made.save(str(path), format_="ttml" if ending == ".ttml" else None)
    assert [part.say for part in read(path).parts] == lines
    assert [part.seconds for part in read(path).parts][:3] == [8, 8, 8]


def test_captions_that_roll_upwards_say_each_line_once(tmp_path: Path) -> None:
    blocks = ["WEBVTT"]
    lines = ["the kettle hums", "and the fox waits", "for his tea", "till noon."]
    for at, line in enumerate(lines):
        above = f"{lines[at - 1]}\n" if at else ""
        blocks.append(f"00:00:{2 * at:02}.000 --> 00:00:{2 * at + 2:02}.000\n{above}{line}")
    assert " ".join(said(tmp_path, "\n\n".join(blocks), "a.vtt")) == " ".join(lines)


def word_file(path: Path) -> Path:
    from docx import Document

    made = Document()
    made.add_heading("The fox", 0)
    made.add_heading("Morning", 1)
    made.add_paragraph("[picture: a fox] The kettle hums.")
    made.add_paragraph("The fox waits.")
    made.add_heading("Evening", 1)
    made.add_paragraph("It is late.")
    made.save(str(path))
    return path


def test_a_word_document_is_read_by_its_headings_and_paragraphs(tmp_path: Path) -> None:
    found = read(word_file(tmp_path / "小狐狸.docx"))
    assert found.title == "The fox"
    assert found.parts == (
        Part("The kettle hums.", "a fox", "Morning"),
        Part("The fox waits.", "", "Morning"),
        Part("It is late.", "", "Evening"),
    )


TABLE = [
    ["镜号", "画面", "旁白", "时长"],
    ["1", "一只狐狸", "水开了。", "3.5s"],
    ["2", "", "喝茶。", "0:03-0:08"],
]


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".md", ".docx"])
def test_a_table_of_scenes_is_read_by_its_columns(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"分镜{ending}"
    if ending == ".csv":
        path.write_bytes("\n".join(map(",".join, TABLE)).encode("gb18030"))
    elif ending == ".md":
        rows = [f"| {' | '.join(row)} |" for row in TABLE]
        path.write_text("\n".join([rows[0], "| --- | :-: | --- | --- |", *rows[1:]]), encoding="utf-8")
    elif ending == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in TABLE:
            book.active.append(row)
        book.save(path)
    else:
        from docx import Document

        made = Document()
        grid = made.add_table(len(TABLE), 4)
        for row, cells in zip(grid.rows, TABLE, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
        made.save(str(path))
    assert read(path).parts == (Part("水开了。", "一只狐狸", "", 3.5), Part("喝茶。", "", "", 5))


def test_a_script_of_any_encoding_is_read(tmp_path: Path) -> None:
    text = "天还没亮，奶奶就把水烧开了。\n\n她说：面要趁热吃。"
    path = tmp_path / "a.txt"
    for encoding in ("utf-8-sig", "gb18030", "utf-16"):
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        assert "\n\n".join(part.say for part in read(path).parts) == text


@pytest.mark.parametrize("text", ["", "  \n\n", "---\n---", "🙂🙂", "[picture: a fox]", "Scene 1\nScene 2"])
def test_a_script_without_words_is_a_mistake(tmp_path: Path, text: str) -> None:
    with pytest.raises(Mistake, match="no words to say"):
        read(script(tmp_path, text))


def test_what_is_no_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="no file"):
        read(tmp_path / "nowhere.txt")
    with pytest.raises(Mistake, match="data for programs"):
        read(script(tmp_path, "{}", "a.json"))
    with pytest.raises(Mistake, match="plain text"):
        read(script(tmp_path, "%PDF", "a.pdf"))
    with pytest.raises(Mistake, match=f"300 scenes, and a film has {MOST_SCENES}"):
        read(script(tmp_path, "\n\n".join(["A fox."] * 300)))
    (tmp_path / "a.docx").write_bytes(b"PK no document")
    with pytest.raises(Mistake, match="can't be opened"):
        read(tmp_path / "a.docx")


def test_a_pasted_script_is_kept_as_what_it_is(tmp_path: Path) -> None:
    assert kept(CHINESE, tmp_path).name == "script.md"
    assert kept(SRT, tmp_path).name == "script.srt"
    assert kept("\n".join("\t".join(row) for row in TABLE), tmp_path).name == "script.tsv"
    path = kept('{"fox": 1}\ud800', tmp_path)
    assert path.name == "script.txt" and read(path).parts == (Part('{"fox": 1}'),)
    assert kept("One fox.", tmp_path).name == "script-2.txt"


def test_a_line_of_many_marks_is_read_in_no_time(tmp_path: Path) -> None:
    for mark in ("Scene 1: ", "[picture: ", "旁白：", "(", "0:00-0:05 ", "*", "# ", "|"):
        assert read(script(tmp_path, f"{mark * 20_000}fox\n\nThe fox waits.", "a.md")).parts
