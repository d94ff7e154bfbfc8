"""Pictures are copied once, under names that every disk, table and program takes."""

import os

import pytest

from core.images.importing import import_pictures
from core.images.picture_folder import check_all, picture_files, some_pictures
from core.messages import Mistake
from core.project import LONGEST_STEM
from tests.images.conftest import painted


def test_import_copies_once_and_solves_clashes(tmp_path):
    one, two, target = tmp_path / "one", tmp_path / "two", tmp_path / "target"
    one.mkdir()
    two.mkdir()
    painted().save(one / "cat.png")
    painted(50, 50).save(two / "cat.png")
    painted(40, 40).save(two / "cat.jpg")
    painted().save(two / "same as one.png")
    (two / "bad.png").touch()
    before = {path: path.read_bytes() for path in (*one.iterdir(), *two.iterdir())}
    done = import_pictures([one / "cat.png", two], target)
    assert sorted(path.name for path in done.added) == ["cat-2.jpg", "cat-3.png", "cat.png"]
    assert [path.name for path in done.known] == ["same as one.png"]
    assert [aside.path.name for aside in done.set_aside] == ["bad.png"]
    assert sorted(path.name for path in target.iterdir()) == ["cat-2.jpg", "cat-3.png", "cat.png"]
    again = import_pictures([one, two], target)
    assert again.added == () and len(again.known) == 4
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(Mistake, match="There is no file or folder"):
        import_pictures([tmp_path / "gone"], target)


ODD_NAMES = {
    ".svgz": "svgz",
    ".a.svgz": "a",
    "drawing.svgz": "drawing",
    "page.html": "page",
    "notes.txt": "notes",
    " blanks .png": "blanks",
    "...": "picture",
    "..\\up.png": "up",
    "鱼" * 82 + ".png": "鱼" * (LONGEST_STEM // 3),
}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_picture_under_any_name_is_listed_and_known(tmp_path, name):
    source, target = tmp_path / name, tmp_path / "project"
    painted().save(source, "PNG")
    done = import_pictures([source], target)
    assert [path.name for path in done.added] == [f"{ODD_NAMES[name]}.png"]
    assert [one.path for one in check_all(some_pictures(target)).pictures] == list(done.added)
    assert import_pictures([source], target).known == (source,)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of POSIX")
def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path):
    target = tmp_path / "project"
    target.mkdir()
    os.mkfifo(target / "pipe.png")
    painted().save(tmp_path / "a.png")
    assert import_pictures([tmp_path / "a.png"], target).added == (target / "a.png",)
    assert target / "pipe.png" in picture_files(target)
