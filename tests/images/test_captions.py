"""Caption files as people's programs write them."""

import json
import os

import pytest
from PIL import Image

from core.images.caption_table import name_for, write
from core.images.captions import CaptionedImage, read_captions
from core.messages import Mistake
from tests.images.conftest import captions

ROWS = {"a.png": "ink, a fox", "鱼 小.jpg": "一条鱼, 雪", "sub/🦊.webp": "ink, 🦊 moon"}


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


def test_a_caption_of_megabytes_is_told_and_bricks_nothing(folder):
    """The reader took 131,072 characters, the writer any number: such a project could not be opened."""
    write(folder / "metadata.csv", ROWS)
    with pytest.raises(Mistake, match=r"A caption has 5000 characters at most; shorten those of a\.png\."):
        write(folder / "metadata.csv", ROWS | {"a.png": "a" * 3_000_000})
    assert captions(read_captions(folder)) == EXPECTED
    (folder / "metadata.csv").write_text(f"file_name,text\na.png,{'ink ' * 750_000}\n")
    found = read_captions(folder)
    assert [len(image.caption) for image in found.images] == [4999]
    assert "longer than 5000 characters and were cut there: a.png" in str(found.problems[0])


def test_a_caption_file_of_pages_is_cut_and_told(folder):
    (folder / "a.txt").write_text("ink " * 2000, encoding="utf-8")
    found = read_captions(folder)
    assert max(len(image.caption) for image in found.images) == 4999
    assert "These captions are longer than 5000 characters and were cut there: a.txt." in map(
        str, found.problems
    )


@pytest.mark.parametrize("name", ["{outside}/b.png", "../outside/b.png", "a/../../outside/b.png", "link.png"])
def test_pictures_outside_are_learnt_only_at_a_persons_word(tmp_path, name):
    folder, outside = tmp_path / "set", tmp_path / "outside"
    for path in (folder / "a.png", outside / "b.png"):
        path.parent.mkdir()
        Image.new("RGB", (40, 32), "teal").save(path)
    if name == "link.png":
        (folder / name).symlink_to(outside / "b.png")
    rows = f"file_name,text\na.png,one\n{name.format(outside=outside)},two\n"
    (folder / "metadata.csv").write_text(rows)
    found = read_captions(folder)
    assert captions(found) == {"a.png": "one"}
    assert any("lie outside of" in str(problem) for problem in found.problems)
    assert len(read_captions(folder, outside=True).images) == 2
    (folder / "metadata.csv").write_text("file_name,text\n" + rows.splitlines()[-1])
    with pytest.raises(Mistake, match="lie outside of"):
        read_captions(folder)


def test_a_link_outside_without_a_table_is_no_picture_of_the_folder(tmp_path):
    (tmp_path / "set").mkdir()
    Image.new("RGB", (40, 32), "teal").save(tmp_path / "b.png")
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "b.png")
    with pytest.raises(Mistake, match="lie outside of"):
        read_captions(tmp_path / "set")


def test_pictures_beside_the_caption_file_are_the_persons_own(tmp_path):
    (tmp_path / "set").mkdir()
    Image.new("RGB", (40, 32), "teal").save(tmp_path / "set" / "a.png")
    Image.new("RGB", (40, 32), "teal").save(tmp_path / "b.png")
    (tmp_path / "all.csv").write_text("file_name,text\nset/a.png,one\nb.png,two\n")
    assert len(read_captions(tmp_path / "set", tmp_path / "all.csv").images) == 2


@pytest.mark.parametrize(
    "name", [b"a\xff.png", b"a\nb.png", b"a\x1b[31m.png", "é".encode().decode("cp1252").encode() + b".png"]
)
def test_a_name_that_no_table_gives_back_is_set_aside(folder, name):
    """A picture whose name is no UTF-8 failed its whole folder."""
    Image.new("RGB", (40, 32), "teal").save(folder / "b.png")
    os.rename(folder / "b.png", os.fsencode(folder) + b"/" + name)
    found = read_captions(folder)
    assert len(found.images) == 3
    assert any("rename the file with plain letters" in str(problem) for problem in found.problems)
    write(
        folder / "metadata.csv",
        {name_for(image.path, folder / "metadata.csv"): "a boat" for image in found.images},
    )
    assert {image.caption for image in read_captions(folder).images} == {"a boat"}
