"""Every kind of picture that a person may drop in, built here, and what becomes of it."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.images.importing import (
    MAX_PIXELS,
    Unreadable,
    import_pictures,
    natural,
    open_picture,
    picture_size,
    read_folder,
)
from core.jobs import Mistake


def painted(width=64, height=48):
    """A gradient, so that damage, clipping and turning show."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 256], 2).astype(np.uint8)
    )


def png_header(width, height):
    """The first bytes of a PNG that claims a size, with next to no data behind it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def reason(path):
    with pytest.raises(Unreadable) as caught:
        open_picture(path)
    return str(caught.value)


def test_zero_bytes(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    assert reason(path) == "empty.png is empty (0 bytes); copy it again from its source."


def test_text_named_png(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("shopping list")
    assert reason(path) == "notes.png is not a picture that the studio knows; save it as PNG or JPEG."


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp", "gif", "tif"])
def test_truncated(tmp_path, kind):
    path = tmp_path / f"half.{kind}"
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reason(path).startswith("half.")


def test_corrupt_middle(tmp_path):
    path = tmp_path / "bad.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[200:400] = b"\x55" * 200
    path.write_bytes(data)
    assert "bad.png is damaged" in reason(path)


def test_one_pixel(tmp_path):
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(path)
    assert reason(path) == "dot.png is 1×1 pixels, too small to learn from; use at least 16 on each side."


@pytest.mark.parametrize("side", [9_000, 14_143, 40_000])
def test_too_many_megapixels(tmp_path, side):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(side, side))
    assert side * side > MAX_PIXELS
    assert reason(path) == "huge.png has more than 80 megapixels; make it smaller first."


def test_missing(tmp_path):
    assert reason(tmp_path / "gone.png").startswith("There is no picture ")


def test_folder_named_png(tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert "is not a picture" in reason(tmp_path / "folder.png")


def test_cmyk(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(path, quality=95)
    picture = open_picture(path)
    assert picture.mode == "RGB"
    red, green, blue = picture.getpixel((16, 16))
    assert red > 240 and green < 15 and blue < 15


def test_colour_profile_is_applied(tmp_path):
    """sRGB with its red and blue primaries exchanged, under another name: colours come out exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "BGRx".encode("utf-16-be"))
    profile = profile.replace(b"rXYZ", b"temp", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"temp", b"bXYZ", 1)
    Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "odd.png", icc_profile=profile)
    red, green, blue = open_picture(tmp_path / "odd.png").getpixel((9, 9))
    assert red < 5 and green < 5 and blue > 250


def test_unfit_profiles_are_passed_over(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for name, profile in (("lab.png", lab), ("broken.png", b"no profile")):
        painted().save(tmp_path / name, icc_profile=profile)
        assert np.array_equal(np.asarray(open_picture(tmp_path / name)), np.asarray(painted()))


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    path = tmp_path / "deep.png"
    values = np.linspace(0, 65535, 64 * 32).astype(np.uint16).reshape(32, 64)
    Image.fromarray(values).save(path)
    grey = np.asarray(open_picture(path))[..., 0]
    assert grey.shape == (32, 64)
    assert np.abs(grey.astype(int) - (values / 257).round()).max() <= 1
    assert len(np.unique(grey)) == 256


def test_float_tiff(tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)).save(path)
    grey = np.asarray(open_picture(path))[..., 0]
    assert grey[0, 0] == 0 and grey[-1, -1] == 255 and abs(int(grey[16, 0]) - 128) <= 1


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animation_gives_its_first_frame(tmp_path, kind):
    path = tmp_path / f"moving.{kind}"
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    red, green, blue = open_picture(path).getpixel((5, 5))
    assert red > 250 and green < 5 and blue < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path, orientation):
    """The stored picture is turned so that its EXIF tag turns it back."""
    upright = painted(64, 48)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the inverse of each turn, as Image.Transpose
    stored = upright.transpose(back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    stored.save(path, exif=exif)
    assert picture_size(path) == (64, 48)
    assert np.array_equal(np.asarray(open_picture(path)), np.asarray(upright))


def test_broken_exif_does_not_matter(tmp_path):
    path = tmp_path / "exif.jpg"
    painted().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert open_picture(path).size == (64, 48)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_is_on_white(tmp_path, mode):
    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 16, 32))
    path = tmp_path / "clear.png"
    (picture if mode == "RGBA" else picture.convert(mode)).save(path)
    shown = open_picture(path)
    assert shown.mode == "RGB" and shown.getpixel((25, 16)) == (255, 255, 255)
    assert shown.getpixel((4, 16))[1] < 90


def test_half_transparent_blends(tmp_path):
    path = tmp_path / "glass.webp"
    Image.new("RGBA", (32, 32), (0, 0, 255, 128)).save(path, lossless=True)
    assert open_picture(path).getpixel((9, 9)) == (127, 127, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LAB"])
def test_other_modes(tmp_path, mode):
    path = tmp_path / "x.tif"
    (Image.new("LAB", (64, 48)) if mode == "LAB" else painted().convert(mode)).save(path)
    assert open_picture(path).mode == "RGB" and open_picture(path).size == (64, 48)


def test_small_jpeg_decode_keeps_the_sides(tmp_path):
    path = tmp_path / "big.jpg"
    painted(1600, 1200).save(path)
    small = open_picture(path, least=100)
    assert small.size == (200, 150)
    assert open_picture(path).size == (1600, 1200)


def test_names(tmp_path):
    folder = tmp_path / "图 片 set 🦊"
    folder.mkdir()
    names = ["a b.png", "水墨 小镇.jpg", "🦊 fox.webp", "10.png", "9.PNG"]
    for name in names:
        painted().save(folder / name)
    assert {one.path.name for one in read_folder(folder).pictures} == set(names)
    assert [one.path.name for one in read_folder(folder).pictures][:2] == ["9.PNG", "10.png"]


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
    found = read_folder(tmp_path)
    assert [one.path.name for one in found.pictures] == ["good.png", "deep.jpg"]
    assert (found.pictures[0].width, found.pictures[0].height) == (64, 48)
    assert [str(one.reason) for one in found.set_aside] == [
        "empty.png is empty (0 bytes); copy it again from its source.",
        "phone.heic is of the kind HEIC, which the studio can't open; save it as PNG or JPEG.",
    ]
    assert found.set_aside[0].reason.template.startswith("{name} is empty")


def test_empty_missing_and_hopeless_folders(tmp_path):
    with pytest.raises(Mistake, match=r"holds no pictures; put \.png or \.jpg files in it"):
        read_folder(tmp_path)
    with pytest.raises(Mistake, match=r"There is no folder .*gone; check the name"):
        read_folder(tmp_path / "gone")
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").write_text("x")
    with pytest.raises(
        Mistake, match=r"None of the 2 files in .* can be used as a picture; the first: a\.png is empty"
    ):
        read_folder(tmp_path)


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


def test_fuzzed_files_never_crash(tmp_path):
    """Damaged files of each kind open or are Unreadable; nothing else is ever raised."""
    generator = np.random.default_rng(7)
    originals = []
    for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff", "avif"):
        data = io.BytesIO()
        painted(40, 30).save(data, kind)
        originals.append((kind, data.getvalue()))
    for kind, original in originals:
        for turn in range(40):
            data = bytearray(original)
            for place in generator.integers(0, len(data), 1 + turn % 8):
                data[place] = generator.integers(0, 256)
            path = tmp_path / f"f.{kind}"
            path.write_bytes(data)
            try:
                assert open_picture(path).mode == "RGB"
            except Unreadable as error:
                assert "f." in str(error)


def test_natural_order():
    assert sorted(["x².png", "x10.png", "x٣.png"], key=natural)[0] == "x٣.png"
    names = ["b10", "b9", "a", "B1"]
    assert sorted(names, key=natural) == ["a", "B1", "b9", "b10"]
