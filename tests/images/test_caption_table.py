"""The table of captions: our own coming back unchanged, and every earlier version of it."""

import csv

from PIL import Image

from core.images.caption_table import history, name_for, read_metadata, restore, write
from core.images.captions import read_captions
from tests.images.conftest import captions


def test_other_headers_and_none(folder):
    path = folder / "list.csv"
    path.write_text("id;Image;Caption;more\n1;a.png;a fox;x\n", encoding="utf-8")
    assert read_metadata(path) == [("a.png", "a fox")]
    path.write_text("a.png,a fox\nb.png,a hen, a house\n", encoding="utf-8")
    assert read_metadata(path) == [("a.png", "a fox"), ("b.png", "a hen, a house")]
    path.write_text('sep=;\nfile_name;text\na.png;"two\nlines; here"\n', encoding="utf-8")
    assert read_metadata(path) == [("a.png", "two lines; here")]


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


def test_history_keeps_its_order_where_the_clock_goes_back(folder, monkeypatch):
    path = folder / "metadata.csv"
    times = ["20300101-120000", "20300101-120000", "20250101-120000", "20300101-115959", "20310101-000000"]
    for number, now in enumerate(times):
        monkeypatch.setattr("time.strftime", lambda form, now=now: now)
        write(path, {"a.png": f"version {number}"})
    write(path, {"a.png": "the last"})
    kept = [read_metadata(earlier) for earlier in history(path)]
    assert kept == [[("a.png", f"version {number}")] for number in reversed(range(len(times)))]


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
