"""What a file is, its content tells: pictures under any name; what is none is named with a reason."""

import os
import shutil

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, TiffImagePlugin

from core.images.caption_table import read_metadata
from core.images.captions import read_captions
from core.images.importing import import_pictures
from core.images.kinds import Unreadable, ending
from core.images.picture_file import open_picture
from core.images.picture_folder import check_all, some_pictures

NAMES = {
    "a.jfif": "JPEG",
    "b.jpe": "JPEG",
    "C.JPG": "JPEG",
    "d.jpg_large": "JPEG",
    "e": "PNG",
    "f.apng": "PNG",
    "g.png": "WEBP",
    "h.jpg": "AVIF",
    "Dr. No": "BMP",
}
OTHERS = {
    "phone.heic": (b"\0\0\0\x18ftypheic", "the kind HEIC"),
    "phone.jpg": (b"\0\0\0\x18ftypmif1", "the kind HEIC"),
    "camera.cr3": (b"\0\0\0\x18ftypcrx ", "the kind RAW"),
    "camera.raf": (b"FUJIFILMCCD-RAW 0201", "the kind RAW"),
    "layers.psd": (b"8BPS\0\1", "the kind PSD"),
    "new.jxl": (b"\xff\x0a\xfa", "the kind JPEG XL"),
    "drawing.svg": (b'<?xml version="1.0"?>\n<svg xmlns="a"></svg>', "the kind SVG"),
    "icon.ico": (b"\0\0\1\0\1\0", "the kind ICO"),
    "film.mp4": (b"\0\0\0\x20ftypisom", "is a video"),
    "film.mov": (b"\0\0\0\x14ftypqt  ", "is a video"),
    "film.mkv": (b"\x1aE\xdf\xa3", "is a video"),
    "film.avi": (b"RIFF\0\0\0\0AVI LIST", "is a video"),
    "saved.png": (b"<!DOCTYPE html>\n<html><svg>", "is a web page"),
    "all.zip": (b"PK\3\4", "is an archive or a document"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "notes.png": (b"shopping list", "is not a picture that the studio knows"),
    "Makefile": (b"all:\n", "is not a picture that the studio knows"),
}  # fmt: skip


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    """A picture under each of `NAMES`."""
    place = tmp_path / "图 set"
    place.mkdir()
    for seed, (name, kind) in enumerate(NAMES.items()):
        picture(seed).save(place / name, kind)
    return place


def test_pictures_count_under_any_name(folder):
    (folder / "a.txt").write_text("a caption beside its picture")
    found = check_all(some_pictures(folder))
    assert {one.path.name for one in found.pictures} == set(NAMES) and found.set_aside == ()
    assert {one.path.name: one.ending for one in found.pictures} == {
        name: ending(kind) for name, kind in NAMES.items()
    }
    captioned = read_captions(folder)
    assert {image.path.name for image in captioned.images} == set(NAMES)
    assert next(image.caption for image in captioned.images if image.path.name == "a.jfif") == (
        "a caption beside its picture"
    )


def test_an_imported_picture_appears_under_its_formats_ending(folder, tmp_path):
    target = tmp_path / "project"
    done = import_pictures([folder], target)
    assert len(done.added) == len(NAMES) and done.set_aside == ()
    names = {"a.jpg", "b.jpg", "C.jpg", "d.jpg", "e.png", "f.png", "g.webp", "h.avif", "Dr. No.bmp"}
    assert {one.path.name for one in check_all(some_pictures(target)).pictures} == names
    again = import_pictures([folder / name for name in NAMES], target)
    assert again.added == () and len(again.known) == len(NAMES)


def test_what_is_no_picture_is_named_with_its_reason(folder):
    for name, (content, _) in OTHERS.items():
        (folder / name).write_bytes(content)
    found = check_all(some_pictures(folder))
    assert {one.path.name for one in found.pictures} == set(NAMES)
    told = {one.path.name: str(one.reason) for one in found.set_aside}
    assert told.keys() == OTHERS.keys()
    for name, (_, reason) in OTHERS.items():
        assert name in told[name] and reason in told[name]
    assert {str(problem) for problem in read_captions(folder).problems} > set(told.values())


def test_a_raw_photo_is_not_its_preview(tmp_path):
    """Cameras wrap them in TIFF, with a small picture in front."""
    for tag, value, kind in ((50706, b"\1\4\0\0", 1), (254, 1, 4)):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[tag] = value
        tags.tagtype[tag] = kind
        picture(0).save(tmp_path / "photo.tif", tiffinfo=tags)
        with pytest.raises(Unreadable, match=r"photo\.tif is of the kind RAW"):
            open_picture(tmp_path / "photo.tif")
    picture(0).save(tmp_path / "photo.tif")
    assert open_picture(tmp_path / "photo.tif").size == (48, 40)


def test_postscript_is_never_run(tmp_path, monkeypatch):
    """Pillow hands it to Ghostscript by its content; a program of that name stands in the path here."""
    ran = tmp_path / "ran"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    assert shutil.which("gs") == str(program)
    trap = tmp_path / "trap.png"
    trap.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n")
    with pytest.raises(Unreadable, match=r"trap\.png is of the kind PostScript"):
        open_picture(trap)
    assert not ran.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match=r"pipe\.png is not a picture"):
        open_picture(tmp_path / "pipe.png")


def test_a_table_without_headers_may_name_a_file_without_an_ending(folder):
    table = folder / "list.csv"
    table.write_text("e,a fox\nd.jpg_large,a hen\n", encoding="utf-8")
    assert read_metadata(table) == [("e", "a fox"), ("d.jpg_large", "a hen")]
    table.write_text("d.jpg_large,a hen\ne,a fox\n", encoding="utf-8")
    assert read_metadata(table) == [("d.jpg_large", "a hen"), ("e", "a fox")]
