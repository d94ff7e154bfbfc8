"""A set's changes are kept version by version and taken back one by one."""

from core.texts import editing
from core.texts.samples import TextSample

FIRST = [TextSample("rain", "It came at night."), TextSample("fog", "It stayed, as rain does.")]


def rows(folder):
    return [(sample.topic, sample.reply) for sample in editing.current(folder)]


def test_several_steps_back(tmp_path):
    (tmp_path / "past.txt").write_text("It came at night.\n\nIt stayed, as rain does.\n")
    raw = rows(tmp_path)
    assert editing.undo(tmp_path) is False
    for step in range(3):
        changed = [*FIRST, TextSample("step", f"This is step number {step}.")]
        assert editing.save(tmp_path, changed) is True
        assert editing.save(tmp_path, changed) is False  # nothing differs, so nothing to take back
    assert len(editing.history(tmp_path)) == 3
    assert [rows(tmp_path)[2][1][-2] for _ in range(2) if editing.undo(tmp_path)] == ["1", "0"]
    assert editing.undo(tmp_path) is True
    assert rows(tmp_path) == raw
    assert editing.undo(tmp_path) is False


def test_an_import_is_a_step_too(tmp_path):
    folder, source = tmp_path / "文", tmp_path / "more.txt"
    folder.mkdir()
    editing.save(folder, FIRST)
    source.write_text("The ferry keeps its own calendar.")
    count, whole = editing.add(folder, [source])
    assert count == 1 and len(whole.samples) == 3
    assert editing.undo(folder) and rows(folder) == [(one.topic, one.reply) for one in FIRST]


def test_only_so_many_versions_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(editing, "KEPT", 3)
    for step in range(6):
        editing.save(tmp_path, [TextSample("step", f"number {step}")])
    assert len(editing.history(tmp_path)) == 3
    while editing.undo(tmp_path):
        pass
    assert rows(tmp_path) == [("step", "number 2")]


def test_find_and_replace_in_both_columns():
    changed, count = editing.replaced(FIRST, "rain", "snow")
    assert count == 2
    assert [(one.topic, one.reply) for one in changed] == [
        ("snow", "It came at night."),
        ("fog", "It stayed, as snow does."),
    ]
    assert editing.replaced(FIRST, "", "x") == (FIRST, 0)
    assert editing.replaced(FIRST, "(", "x") == (FIRST, 0)


def test_the_kind_of_a_set_is_remembered(tmp_path):
    assert editing.task(tmp_path) == "narration"
    editing.set_task(tmp_path, "talk")
    assert editing.task(tmp_path) == "talk"
    (tmp_path / "set.yaml").write_text("task: poem")
    assert editing.task(tmp_path) == "narration"
