"""Changing a storyboard, and taking changes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Mistake
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard, Subject
from core.video.storyboard.draft import Draft


@pytest.fixture
def board() -> Storyboard:
    scenes = [
        Scene(say="It rains. Nobody minds. The boat waits.", draw="rain"),
        Scene(say="Tea."),
        Scene(say="茶。"),
    ]
    return Storyboard(topic="rain", scenes=scenes).numbered()


@pytest.fixture
def draft(tmp_path: Path, board: Storyboard) -> Draft:
    file.write(board, tmp_path / "storyboard.yaml")
    return Draft(tmp_path)


def ids(board: Storyboard) -> list[str]:
    return [scene.id for scene in board.scenes]


def test_scenes_are_moved_added_copied_and_removed(board: Storyboard) -> None:
    assert ids(edit.moved(board, "s1", 1)) == ["s2", "s1", "s3"]
    assert ids(edit.moved(board, "s1", 9)) == ["s2", "s3", "s1"] and edit.moved(board, "s1", -1) == board
    more, new = edit.added(board, "s1")
    assert ids(more) == ["s1", "s4", "s2", "s3"] and new == "s4"
    twice, new = edit.copied(edit.changed(board, "s1", seed=4, lock=True), "s1")
    assert (twice.scenes[1].say, twice.scenes[1].seed, twice.scenes[1].lock) == (
        board.scenes[0].say,
        None,
        False,
    )
    assert ids(edit.removed(board, "s2")) == ["s1", "s3"]
    with pytest.raises(Mistake, match="only scene"):
        edit.removed(edit.removed(edit.removed(board, "s2"), "s1"), "s3")
    with pytest.raises(Mistake, match="no longer"):
        edit.changed(edit.removed(board, "s2"), "s2", say="x")


def test_a_split_scene_joined_again_says_the_same(board: Storyboard) -> None:
    parted, new = edit.split(board, "s1")
    assert [scene.say for scene in parted.scenes[:2]] == ["It rains. Nobody minds.", "The boat waits."]
    assert parted.scenes[1].draw == "rain" and new == "s4"
    assert edit.joined(parted, "s1").scenes[0].say == board.scenes[0].say
    with pytest.raises(Mistake, match="one sentence"):
        edit.split(board, "s2")
    with pytest.raises(Mistake, match="no scene behind"):
        edit.joined(board, "s3")


def test_a_value_that_a_field_does_not_take_is_told(board: Storyboard) -> None:
    with pytest.raises(Mistake, match="seconds in scene 2 is -1"):
        edit.changed(board, "s2", seconds=-1)
    with pytest.raises(Mistake, match="fps"):
        edit.filmed(board, fps=900)


def test_a_subject_that_goes_leaves_the_scenes(board: Storyboard) -> None:
    known = edit.cast(board, [Subject(name="Mei"), Subject(name="the boat")])
    shown = edit.changed(known, "s1", subjects=("Mei", "the boat"))
    assert edit.cast(shown, [Subject(name="Mei")]).scenes[0].subjects == ("Mei",)


def test_steps_are_undone_and_redone(draft: Draft, board: Storyboard) -> None:
    assert draft.steps() == (False, False)
    one = draft.change(lambda board: edit.changed(board, "s1", say="One."))
    two = draft.change(lambda board: edit.removed(board, "s3"))
    assert draft.change(lambda board: board) == two and draft.steps() == (True, False)
    assert draft.undo() == one and draft.undo() == board and draft.steps() == (False, True)
    with pytest.raises(Mistake, match="nothing to undo"):
        draft.undo()
    assert draft.redo() == one and Draft(draft.folder).redo() == two
    draft.undo()
    three = draft.change(lambda board: edit.changed(board, "s2", say="Three."))
    with pytest.raises(Mistake, match="nothing to redo"):
        draft.redo()
    assert draft.undo() == one and draft.redo() == three == draft.read()


def test_what_was_changed_by_hand_is_a_step(draft: Draft, board: Storyboard) -> None:
    draft.change(lambda board: edit.changed(board, "s1", say="One."))
    draft.file.write_text(draft.file.read_text().replace("Tea.", "Coffee."))
    draft.change(lambda board: edit.removed(board, "s3"))
    assert [scene.say for scene in draft.undo().scenes] == ["One.", "Coffee.", "茶。"]
    assert draft.undo().scenes[1].say == "Tea." and draft.undo() == board


@given(moves=st.lists(st.sampled_from(["change", "undo", "redo"]), max_size=25))
@settings(max_examples=30, deadline=None)
def test_undo_and_redo_are_what_everybody_expects(
    moves: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("draft")
    board = Storyboard(scenes=[Scene(say="0")]).numbered()
    file.write(board, folder / "storyboard.yaml")
    draft, done, undone = Draft(folder), ["0"], []
    for number, move in enumerate(moves, 1):
        if move == "change":
            draft.change(lambda board, n=number: edit.changed(board, "s1", say=f"{n}"))
            done, undone = [*done, f"{number}"], []
        elif move == "undo" and len(done) > 1:
            draft.undo()
            undone.append(done.pop())
        elif move == "redo" and undone:
            draft.redo()
            done.append(undone.pop())
        assert draft.read().scenes[0].say == done[-1]
        assert draft.steps() == (len(done) > 1, bool(undone))
