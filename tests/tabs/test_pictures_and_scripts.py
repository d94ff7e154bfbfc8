"""What a person changes in the tables is kept, and what a page sends is not believed."""

from __future__ import annotations

import pytest
from PIL import Image

from core.images import project_set as picture_set
from core.messages import Mistake
from core.texts import editing
from core.texts import project_set as text_set
from tabs.label.tab import reasons
from tabs.shell.wiring import Page


def test_captions_are_saved_and_foreign_names_passed_over(studio):
    project = studio.project
    rows = picture_set.table(project)
    assert rows == [[f"scene {n}.png", ""] for n in range(1, 7)]
    rows[0][1] = "inkriver, a boat"
    assert picture_set.save(project, [*rows, ["../../evil.png", "x"]]) == 1
    assert picture_set.table(project)[0] == ["scene 1.png", "inkriver, a boat"]
    assert "evil" not in (project.images() / "metadata.csv").read_text(encoding="utf-8")


def test_the_trigger_word_is_what_all_captions_begin_with(studio):
    rows = picture_set.table(studio.project)
    assert picture_set.trigger(studio.project) == ""
    picture_set.save(studio.project, [[name, f"inkriver, a boat {name}"] for name, _ in rows])
    assert picture_set.trigger(studio.project) == "inkriver"


def test_thumbnails_are_small_and_made_once(studio):
    (first, _), *rest = picture_set.gallery(studio.project)
    assert max(Image.open(first).size) <= picture_set.THUMBNAIL_PX and len(rest) == 5
    stamp = first.stat().st_mtime_ns
    assert picture_set.gallery(studio.project)[0][0].stat().st_mtime_ns == stamp
    assert len(picture_set.table(studio.project)) == 6


def test_added_pictures_appear_and_all_others_are_named(studio, tmp_path):
    kept, names = tmp_path / "photo.jfif", [f"broken {number}.png" for number in range(5)]
    Image.new("RGB", (64, 64), "teal").save(kept, "JPEG")
    for name in names:
        (tmp_path / name).write_text("no picture")
    done = picture_set.add(studio.project, [str(kept), *(str(tmp_path / name) for name in names)])
    assert [path.name for path in done.added] == ["photo.jpg"]
    assert ["photo.jpg", ""] in picture_set.table(studio.project) and len(
        picture_set.table(studio.project)
    ) == 7
    said = reasons(Page("en"), [one.reason for one in done.set_aside])
    assert all(name in said for name in names) and said.count("<li>") == 5
    (studio.project.images() / "put here by hand <b>.png").write_text("no picture")
    (reason,) = picture_set.left_out(studio.project)
    assert "put here by hand &lt;b&gt;.png" in reasons(Page("zh"), [reason])


def test_texts_are_edited_and_added(studio, tmp_path):
    project = studio.project
    assert len(text_set.table(project)) == 10
    rows = [*text_set.table(project), ["", "The lamp is on. Someone is still awake."], ["left out", " "]]
    assert text_set.save(project, rows) == 11
    topic, reply = text_set.table(project)[-1]
    assert reply == "The lamp is on. Someone is still awake." and topic
    more = tmp_path / "my script 文案.txt"
    more.write_text("The rain has a second shift.\n\nThe ferry keeps its own calendar.\n", encoding="utf-8")
    count, whole = text_set.add(project, [str(more)])
    assert count == 2 and len(whole.samples) == 13 and len(text_set.table(project)) == 13
    with pytest.raises(Mistake, match="no narration"):
        text_set.save(project, [["a topic", ""]])


def test_texts_are_pasted_replaced_mended_and_taken_back(studio):
    project = studio.project
    before = text_set.table(project)
    with pytest.raises(Mistake, match="nothing to add"):
        text_set.paste(project, " \n")
    count, _ = text_set.paste(
        project, "rain\tThe rain has a second shift.\nferry\tCall 138 1234 5678 for it."
    )
    assert count == 2 and text_set.table(project)[-1] == ["ferry", "Call 138 1234 5678 for it."]
    assert text_set.replace(project, "second shift", "day off") == 1
    assert text_set.replace(project, "no such words", "x") == 0
    assert text_set.mend(project, "personal") == 1
    assert text_set.table(project)[-1] == ["ferry", "Call [phone] for it."]
    assert len(editing.history(project.texts())) == 3
    while editing.undo(project.texts()):
        pass
    assert text_set.table(project) == before


def test_the_report_and_what_was_found(studio):
    about, found, all_found = text_set.overview(studio.project, "no/such-model", "narration", 0.1, 512)
    assert str(about[0]) == "10 texts, 1 of them held out to judge by (10 %)"
    assert str(about[1]).startswith("about ") and "These are few: add 20 more" in str(about[-1])
    assert [str(one) for one in found] == ["10 texts begin or end with: House 0 does not mind."]
    assert all_found is not None and all_found.repeated
    assert text_set.mend(studio.project, "repeated") == 10
    empty = studio.home.project("empty")
    assert text_set.overview(empty, "embedded", "narration", 0.1, 512) == ([], [], None)


def test_a_damaged_project_is_told_with_the_way_back_in_the_window(studio):
    """A table that can't be read closed Label, and texts that can't the Text LoRA tab, without a way out."""
    project = studio.project
    table = project.images() / "metadata.csv"
    name = picture_set.table(project)[0][0]
    for caption in ("one", "two"):
        picture_set.save(project, [[name, caption]])
    table.write_bytes(b"PK\x03\x04")
    with pytest.raises(Mistake, match="press Undo beside the captions"):
        picture_set.table(project)
    picture_set.undo(project)
    assert dict(picture_set.table(project))[name] == "one"
    for reply in ("The boat goes home today.", "The boat stays here today."):
        text_set.save(project, [["a boat", reply]])
    (project.texts() / "train.jsonl").write_bytes(b'{"messages": [')
    said, findings, _ = text_set.overview(project, "embedded", "narration", 0.1, 0)
    assert "press Undo below the texts" in str(said[0]) and findings == []
    assert editing.history(project.texts())  # so that the button is there
    assert editing.undo(project.texts())
    assert text_set.table(project) == [["a boat", "The boat goes home today."]]


def test_a_project_without_earlier_captions_says_so(studio):
    with pytest.raises(Mistake, match="There is no earlier version"):
        for _ in range(20):
            picture_set.undo(studio.project)
