"""What a person changes in the tables is kept, and what a page sends is not believed."""

from __future__ import annotations

import pytest
from PIL import Image

from core.jobs import Mistake
from core.texts import editing
from tabs import pictures, scripts
from tabs.label import reasons
from tabs.wiring import Page


def test_captions_are_saved_and_foreign_names_passed_over(studio):
    project = studio.project
    rows = pictures.table(project)
    assert rows == [[f"scene {n}.png", ""] for n in range(1, 7)]
    rows[0][1] = "inkriver, a boat"
    assert pictures.save(project, [*rows, ["../../evil.png", "x"]]) == 1
    assert pictures.table(project)[0] == ["scene 1.png", "inkriver, a boat"]
    assert "evil" not in (project.images() / "metadata.csv").read_text(encoding="utf-8")


def test_the_trigger_word_is_what_all_captions_begin_with(studio):
    rows = pictures.table(studio.project)
    assert pictures.trigger(studio.project) == ""
    pictures.save(studio.project, [[name, f"inkriver, a boat {name}"] for name, _ in rows])
    assert pictures.trigger(studio.project) == "inkriver"


def test_thumbnails_are_small_and_made_once(studio):
    (first, _), *rest = pictures.gallery(studio.project)
    assert max(Image.open(first).size) <= pictures.THUMBNAIL_PX and len(rest) == 5
    stamp = first.stat().st_mtime_ns
    assert pictures.gallery(studio.project)[0][0].stat().st_mtime_ns == stamp
    assert len(pictures.table(studio.project)) == 6


def test_added_pictures_appear_and_all_others_are_named(studio, tmp_path):
    kept, names = tmp_path / "photo.jfif", [f"broken {number}.png" for number in range(5)]
    Image.new("RGB", (64, 64), "teal").save(kept, "JPEG")
    for name in names:
        (tmp_path / name).write_text("no picture")
    done = pictures.add(studio.project, [str(kept), *(str(tmp_path / name) for name in names)])
    assert [path.name for path in done.added] == ["photo.jpg"]
    assert ["photo.jpg", ""] in pictures.table(studio.project) and len(pictures.table(studio.project)) == 7
    said = reasons(Page("en"), [one.reason for one in done.set_aside])
    assert all(name in said for name in names) and said.count("<li>") == 5
    (studio.project.images() / "put here by hand <b>.png").write_text("no picture")
    (reason,) = pictures.left_out(studio.project)
    assert "put here by hand &lt;b&gt;.png" in reasons(Page("zh"), [reason])


def test_texts_are_edited_and_added(studio, tmp_path):
    project = studio.project
    assert len(scripts.table(project)) == 10
    rows = [*scripts.table(project), ["", "The lamp is on. Someone is still awake."], ["left out", " "]]
    assert scripts.save(project, rows) == 11
    topic, reply = scripts.table(project)[-1]
    assert reply == "The lamp is on. Someone is still awake." and topic
    more = tmp_path / "my script 文案.txt"
    more.write_text("The rain has a second shift.\n\nThe ferry keeps its own calendar.\n", encoding="utf-8")
    count, whole = scripts.add(project, [str(more)])
    assert count == 2 and len(whole.samples) == 13 and len(scripts.table(project)) == 13
    with pytest.raises(Mistake, match="no narration"):
        scripts.save(project, [["a topic", ""]])


def test_texts_are_pasted_replaced_mended_and_taken_back(studio):
    project = studio.project
    before = scripts.table(project)
    with pytest.raises(Mistake, match="nothing to add"):
        scripts.paste(project, " \n")
    count, _ = scripts.paste(project, "rain\tThe rain has a second shift.\nferry\tCall 138 1234 5678 for it.")
    assert count == 2 and scripts.table(project)[-1] == ["ferry", "Call 138 1234 5678 for it."]
    assert scripts.replace(project, "second shift", "day off") == 1
    assert scripts.replace(project, "no such words", "x") == 0
    assert scripts.mend(project, "personal") == 1
    assert scripts.table(project)[-1] == ["ferry", "Call [phone] for it."]
    assert len(editing.history(project.texts())) == 3
    while editing.undo(project.texts()):
        pass
    assert scripts.table(project) == before


def test_the_report_and_what_was_found(studio):
    about, found, all_found = scripts.told(studio.project, "no/such-model", "narration", 0.1, 512)
    assert str(about[0]) == "10 texts, 1 of them held out to judge by (10 %)"
    assert str(about[1]).startswith("about ") and "These are few: add 20 more" in str(about[-1])
    assert [str(one) for one in found] == ["10 texts begin or end with: House 0 does not mind."]
    assert all_found is not None and all_found.repeated
    assert scripts.mend(studio.project, "repeated") == 10
    empty = studio.home.project("empty")
    assert scripts.told(empty, "embedded", "narration", 0.1, 512) == ([], [], None)
