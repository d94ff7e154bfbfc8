"""The pictures of a folder: in the order that people count in, the others set aside with a reason."""

import os
import shutil

import pytest

from core.images.captions import read_captions
from core.images.picture_folder import check_all, natural, some_pictures
from core.messages import Mistake
from tests.images.conftest import painted


def test_names(tmp_path):
    folder = tmp_path / "图 片 set 🦊"
    folder.mkdir()
    names = ["a b.png", "水墨 小镇.jpg", "🦊 fox.webp", "10.png", "9.PNG"]
    for name in names:
        painted().save(folder / name)
    assert {one.path.name for one in check_all(some_pictures(folder)).pictures} == set(names)
    assert [one.path.name for one in check_all(some_pictures(folder)).pictures][:2] == ["9.PNG", "10.png"]


def test_folder_sets_aside_with_reasons(tmp_path):
    painted().save(tmp_path / "good.png")
    (tmp_path / "sub").mkdir()
    painted().save(tmp_path / "sub" / "deep.jpg")
    (tmp_path / "empty.png").touch()
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "readme.txt").write_text("not a picture and not named like one")
    (tmp_path / "._good.png").write_bytes(b"macOS leaves these")
    (tmp_path / ".history").mkdir()
    painted().save(tmp_path / ".history" / "old.png")
    found = check_all(some_pictures(tmp_path))
    assert [one.path.name for one in found.pictures] == ["good.png", "deep.jpg"]
    assert (found.pictures[0].width, found.pictures[0].height) == (64, 48)
    assert [str(one.reason) for one in found.set_aside] == [
        "empty.png is empty (0 bytes); copy it again from its source.",
        "phone.heic is of the kind HEIC, which the studio can't open; save it as PNG or JPEG.",
    ]
    assert found.set_aside[0].reason.template.startswith("{name} is empty")


def test_empty_missing_and_hopeless_folders(tmp_path):
    with pytest.raises(Mistake, match=r"holds no pictures; put \.png or \.jpg files in it"):
        read_captions(tmp_path)
    with pytest.raises(Mistake, match=r"There is no folder .*gone; check the name"):
        read_captions(tmp_path / "gone")
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").write_text("x")
    with pytest.raises(
        Mistake, match=r"None of the 2 files in .* can be used as a picture; the first: a\.png is empty"
    ):
        read_captions(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX")
def test_a_name_that_is_no_text_is_set_aside_and_the_others_go_on(tmp_path):
    painted().save(tmp_path / "good.png")
    shutil.copy(tmp_path / "good.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    found = check_all(some_pictures(tmp_path))
    assert [one.path.name for one in found.pictures] == ["good.png"]
    told = [str(one.reason) for one in found.set_aside]
    assert told == [
        f"The name of {tmp_path}/caf\ufffd.png can't be kept in a table of captions; "
        "rename the file with plain letters."
    ]


def test_natural_order():
    assert sorted(["x².png", "x10.png", "x٣.png"], key=natural)[0] == "x٣.png"
    names = ["b10", "b9", "a", "B1"]
    assert sorted(names, key=natural) == ["a", "B1", "b9", "b10"]
