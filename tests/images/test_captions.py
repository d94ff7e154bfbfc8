"""Caption files as people's programs write them, and our own coming back unchanged."""

import csv
import json

import pytest
from PIL import Image

from core.images.captions import (
    CaptionedImage,
    history,
    name_for,
    read_captions,
    read_metadata,
    restore,
    write,
)
from core.jobs import Mistake


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures: a.png, 鱼 小.jpg, sub/🦊.webp."""
    place = tmp_path / "my 图 set"
    (place / "sub").mkdir(parents=True)
    for name in ("a.png", "鱼 小.jpg", "sub/🦊.webp"):
        Image.new("RGB", (40, 32), "teal").save(place / name)
    return place


ROWS = {"a.png": "ink, a fox", "鱼 小.jpg": "一条鱼, 雪", "sub/🦊.webp": "ink, 🦊 moon"}


def captions(found):
    return {image.path.name: image.caption for image in found.images}


def table(separator, quote=True):
    cell = (lambda text: f'"{text}"') if quote else str
    lines = [f"file_name{separator}text", *(f"{name}{separator}{cell(text)}" for name, text in ROWS.items())]
    return "\r\n".join(lines) + "\r\n"


UNSURE = (
    "metadata.csv is not UTF-8 and too short to be sure of: it was read as {}; save it as UTF-8 if it looks "
    "wrong."
)
EXPECTED = {"a.png": "ink, a fox", "鱼 小.jpg": "一条鱼, 雪", "🦊.webp": "ink, 🦊 moon"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_separators_and_encodings(folder, separator, encoding):
    (folder / "metadata.csv").write_bytes(table(separator).encode(encoding))
    found = read_captions(folder)
    assert captions(found) == EXPECTED
    assert tuple(map(str, found.problems)) == (() if encoding != "gb18030" else (UNSURE.format("gb18030"),))


def test_gbk(folder):
    (folder / "metadata.csv").write_bytes("file_name,text\n鱼 小.jpg,一条鱼在河里\n".encode("gbk"))
    found = read_captions(folder)
    assert captions(found) == {"鱼 小.jpg": "一条鱼在河里"}
    assert tuple(map(str, found.problems)) == (
        UNSURE.format("gb18030"),
        "Not named in metadata.csv, so left out: a.png, 🦊.webp.",
    )


def test_western_letters(folder):
    (folder / "metadata.csv").write_bytes("file_name,text\na.png,Café à Zürich\n".encode("cp1252"))
    assert captions(read_captions(folder)) == {"a.png": "Café à Zürich"}


def test_unquoted_commas_stay_in_the_caption(folder):
    (folder / "metadata.csv").write_text("file_name,text\na.png,ink, a fox,  snow\n", encoding="utf-8")
    assert captions(read_captions(folder)) == {"a.png": "ink, a fox, snow"}


def test_other_headers_and_none(folder):
    path = folder / "list.csv"
    path.write_text("id;Image;Caption;more\n1;a.png;a fox;x\n", encoding="utf-8")
    assert read_metadata(path) == [("a.png", "a fox")]
    path.write_text("a.png,a fox\nb.png,a hen, a house\n", encoding="utf-8")
    assert read_metadata(path) == [("a.png", "a fox"), ("b.png", "a hen, a house")]
    path.write_text('sep=;\nfile_name;text\na.png;"two\nlines; here"\n', encoding="utf-8")
    assert read_metadata(path) == [("a.png", "two lines; here")]


def test_missing_files_missing_captions_and_double_rows(folder):
    (folder / "metadata.csv").write_text(
        "file_name,text\na.png,first\ngone1.png,x\ngone2.png,x\ngone3.png,x\ngone4.png,x\n"
        "a.png,second\n鱼 小.jpg,\nsub/🦊.webp\n",
        encoding="utf-8",
    )
    found = read_captions(folder)
    assert captions(found) == {"a.png": "second", "鱼 小.jpg": "", "🦊.webp": ""}
    assert str(found.problems[0]) == (
        "Named in metadata.csv but not there: gone1.png, gone2.png, gone3.png (+1)."
    )
    assert str(found.problems[1]) == "Twice in metadata.csv, where the last caption counts: a.png."
    assert str(found.problems[2]).startswith("Without a caption: ") and len(found.problems) == 3


def test_unreadable_pictures_are_set_aside(folder):
    (folder / "bad.png").touch()
    (folder / "metadata.csv").write_text(
        "file_name,text\na.png,fox\nbad.png,hen\n鱼 小.jpg,x\nsub/🦊.webp,y\n", "utf-8"
    )
    found = read_captions(folder)
    assert len(found.images) == 3
    assert tuple(map(str, found.problems)) == ("bad.png is empty (0 bytes); copy it again from its source.",)


def test_names_from_other_systems(folder):
    """Backslashes, other case, decomposed accents, a name without its folder."""
    Image.new("RGB", (40, 32)).save(folder / "caf\u00e9.png")
    rows = "file_name,text\nA.PNG,a\nsub\\🦊.webp,b\ncafe\u0301.png,c\n"
    (folder / "metadata.csv").write_text(rows, encoding="utf-8")
    assert captions(read_captions(folder)) == {"a.png": "a", "🦊.webp": "b", "caf\u00e9.png": "c"}
    (folder / "metadata.csv").write_text("file_name,text\n🦊.webp,b\n", encoding="utf-8")
    assert captions(read_captions(folder)) == {"🦊.webp": "b"}


def test_metadata_elsewhere(folder, tmp_path, monkeypatch):
    """Names relative to the csv, to the picture folder, and with a relative path to both."""
    path = tmp_path / "elsewhere.csv"
    path.write_text("file_name,text\nmy 图 set/a.png,one\n鱼 小.jpg,two\n", encoding="utf-8")
    assert captions(read_captions(folder, path)) == {"a.png": "one", "鱼 小.jpg": "two"}
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    found = read_captions(Path("my 图 set"), path)
    assert captions(found) == {"a.png": "one", "鱼 小.jpg": "two"}


def test_jsonl(folder):
    lines = [json.dumps({"file_name": name, "text": text}, ensure_ascii=False) for name, text in ROWS.items()]
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert captions(read_captions(folder)) == EXPECTED
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png"}\n[1]\n', encoding="utf-8")
    with pytest.raises(Mistake, match=r"Line 2 of .*metadata\.jsonl is not of the form \{\"file_name\""):
        read_captions(folder)


def test_sd_scripts_layout(tmp_path):
    folder = tmp_path / "train"
    for name in ("10_ink wash/a.png", "10_ink wash/b.png", "2_fox/c.png", "2024_trip/d.png", "e.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(folder / name)
    (folder / "10_ink wash" / "a.txt").write_bytes("ink, 一条河\nsecond line".encode("gbk"))
    (folder / "10_ink wash" / "b.txt").touch()
    (folder / "e.caption").write_text("kohya's own ending", encoding="utf-8")
    found = {image.path.name: image for image in read_captions(folder).images}
    assert {name: (image.caption, image.repeats) for name, image in found.items()} == {
        "a.png": ("ink, 一条河", 10),
        "b.png": ("ink wash", 10),
        "c.png": ("fox", 2),
        "d.png": ("", 1),
        "e.png": ("kohya's own ending", 1),
    }
    inner = read_captions(folder / "2_fox").images
    assert inner == (CaptionedImage(folder / "2_fox" / "c.png", "fox", 2),)


def test_a_broken_byte_in_metadata_is_told_with_its_line(folder):
    rows = "file_name,text\na.png,一条鱼在河里\n鱼 小.jpg,雪夜的小镇\n".encode()
    broken = rows.replace("雪".encode(), b"\xe9\x9b")
    (folder / "metadata.csv").write_bytes(broken)
    found = read_captions(folder)
    assert captions(found) == {"a.png": "一条鱼在河里", "鱼 小.jpg": "夜的小镇"}
    assert str(found.problems[0]) == ("metadata.csv is damaged: broken characters were left out, in line 3.")


def test_an_open_quotation_mark_in_metadata_swallows_no_rows(folder):
    path = folder / "metadata.csv"
    path.write_text(
        'file_name,focus,text\na.png,0.2 0.9,"ink, a fox\n鱼 小.jpg,,一条鱼\nsub/🦊.webp,0 1,"ink, moon"\n',
        "utf-8",
    )
    found = read_captions(folder)
    assert captions(found) == {"a.png": "ink, a fox", "鱼 小.jpg": "一条鱼", "🦊.webp": "ink, moon"}
    assert [one.focus for one in found.images] == [(0.2, 0.9), (0, 1), (0.5, 0.5)]
    assert tuple(map(str, found.problems)) == (
        "A quotation mark in metadata.csv isn't closed, in line 2; its text was read to the end of the line.",
    )


def test_jsonl_of_any_layout_and_half_an_emoji(folder):
    rows = [{"file_name": name, "text": f"{text} \ud83d"} for name, text in ROWS.items()]
    path = folder / "metadata.jsonl"
    for text in (
        json.dumps(rows),
        "\n".join(json.dumps(row, indent=1) for row in rows),
        f"{json.dumps(rows)[:-1]},]",
    ):
        path.write_text(text)
        assert captions(read_captions(folder)) == EXPECTED


def test_short_caption_files_are_told_by_each_other(folder):
    """In GBK "小猫" alone is UTF-8 too, of a Cyrillic and a Latin letter."""
    texts = {"a.png": "小猫", "鱼 小.jpg": "河里的一条鱼，水墨画", "sub/🦊.webp": "雪夜的月亮"}
    for name, text in texts.items():
        (folder / name).with_suffix(".txt").write_bytes(text.encode("gbk"))
    found = read_captions(folder)
    assert captions(found) == {name.split("/")[-1]: text for name, text in texts.items()}
    (folder / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    (folder / "sub" / "🦊.txt").write_bytes("雪夜的月亮和河边的小镇".encode() + b"\xe6")
    problems = tuple(map(str, read_captions(folder).problems))
    assert "a.txt is not text, whatever its ending says; save it as plain text." in problems
    assert "Broken characters were left out of these captions: 🦊.txt." in problems
    assert "Without a caption: a.png." in problems


def test_caption_files_fill_gaps_of_the_table(folder):
    (folder / "metadata.csv").write_text("file_name,text\na.png,\n", encoding="utf-8")
    (folder / "a.txt").write_text("from the file beside", encoding="utf-8")
    assert captions(read_captions(folder)) == {"a.png": "from the file beside"}


def test_what_is_no_table(folder):
    path = folder / "metadata.csv"
    for content, sentence in (
        (b"", "is empty; its first line should be file_name,text"),
        (b"PK\x03\x04rest", "is an Excel workbook; save it as CSV UTF-8"),
        (b"hello world\nthis is text\n", "has no columns file_name and text"),
        (b"file_name,text\nnope.png,x\n", "None of the pictures that .* names is in"),
    ):
        path.write_bytes(content)
        with pytest.raises(Mistake, match=sentence):
            read_captions(folder)
    with pytest.raises(Mistake, match=r"There is no file .*gone\.csv; check the name"):
        read_captions(folder, folder / "gone.csv")


def test_no_captions_at_all(folder):
    found = read_captions(folder)
    assert [image.caption for image in found.images] == ["", "", ""]
    assert str(found.problems[0]).startswith("Without a caption: ")
    (folder / "empty").mkdir()
    with pytest.raises(Mistake, match="holds no pictures"):
        read_captions(folder / "empty")


def test_write_reads_back_the_same(folder):
    wanted = {
        "a.png": '=HYPERLINK("http://x")',
        "鱼 小.jpg": "-5 °C, snow; 雪",
        "sub/🦊.webp": '\'=quoted, with "marks"',
    }
    write(folder / "metadata.csv", wanted)
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file_name", "text"] and len(rows) == 4
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert captions(read_captions(folder)) == {path.split("/")[-1]: text for path, text in wanted.items()}


def test_formula_names_and_newlines(folder):
    Image.new("RGB", (32, 32)).save(folder / "=cmd.png")
    write(folder / "metadata.csv", {"=cmd.png": "two\nlines  and gaps"})
    assert (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()[1].startswith("./=cmd.png,")
    assert captions(read_captions(folder)) == {"=cmd.png": "two lines and gaps"}


def test_history_keeps_every_version_and_restores(folder):
    path = folder / "metadata.csv"
    assert history(path) == []
    for text in ("one", "two", "two", "three"):
        write(path, {"a.png": text})
    kept = history(path)
    assert [read_metadata(copy) for copy in kept] == [[("a.png", "two")], [("a.png", "one")]]
    restore(path, kept[-1])
    assert read_metadata(path) == [("a.png", "one")]
    assert read_metadata(history(path)[0]) == [("a.png", "three")]


def test_name_for(folder, tmp_path):
    assert name_for(folder / "sub" / "🦊.webp", folder / "metadata.csv") == "sub/🦊.webp"
    assert name_for(folder / "a.png", tmp_path / "out" / "m.csv") == "../my 图 set/a.png"


def test_the_focus_is_read_kept_through_edits_and_changed(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (80, 60), "red").save(tmp_path / name)
    path = tmp_path / "metadata.csv"
    path.write_text("file_name,focus,text\na.png,0.2 0.9,a fox, a hen\nb.png,,a boat\nc.png,2 left,a lamp\n")
    found = read_captions(tmp_path)
    assert [(one.caption, one.focus) for one in found.images] == [
        ("a fox, a hen", (0.2, 0.9)),
        ("a boat", (0.5, 0.5)),
        ("a lamp", (0.5, 0.5)),
    ]
    assert [str(one) for one in found.problems if "focus" in one.template] == [
        "The focus in metadata.csv is two shares of width and height, such as 0.5 0.3; it isn't for: c.png."
    ]
    write(path, {"a.png": "a fox", "b.png": "a ship", "c.png": "a lamp"}, {"c.png": (0.0, 1.0)})
    again = [(one.caption, one.focus) for one in read_captions(tmp_path).images]
    assert again == [("a fox", (0.2, 0.9)), ("a ship", (0.5, 0.5)), ("a lamp", (0.0, 1.0))]
    rows = tmp_path / "metadata.jsonl"
    rows.write_text('{"file_name": "b.png", "text": "a boat", "focus": [0.1, 0.4]}\n')
    assert read_captions(tmp_path, rows).images[0].focus == (0.1, 0.4)


def test_without_a_focus_the_file_is_as_every_program_knows_it(tmp_path):
    assert write(tmp_path / "metadata.csv", {"a.png": "x"}).read_text() == "file_name,text\na.png,x\n"
