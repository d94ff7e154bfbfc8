"""Every kind of picture that a person may drop in, built here, and what becomes of it."""

import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.images import picture_file
from core.images.kinds import Unreadable
from core.images.picture_file import (
    MAX_BYTES,
    MAX_PASSES,
    MAX_PIXELS,
    Picture,
    check,
    open_picture,
    picture_size,
)
from tests.hostile.pictures import passes, tile_bomb
from tests.images.conftest import painted


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


def test_a_tile_may_be_no_larger_than_a_picture(tmp_path):
    """64 pixels cut from one tile of 400 megapixels would take all of its memory and time."""
    path = tmp_path / "tile.tif"
    path.write_bytes(tile_bomb(20_000))
    assert reason(path) == "tile.tif has more than 80 megapixels; make it smaller first."


def test_a_jpeg_of_many_passes_is_set_aside(tmp_path):
    """A hundred bytes each, and each as slow as the whole picture."""
    path = tmp_path / "slow.jpg"
    path.write_bytes(passes(MAX_PASSES, (64, 64)))
    assert reason(path) == (
        "slow.jpg is a JPEG in more than 100 passes, as no program saves them; save it anew."
    )
    path.write_bytes(passes(MAX_PASSES - 20, (64, 64)))
    assert open_picture(path).size == (64, 64)


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "long.png"
    painted().save(path)
    os.truncate(path, MAX_BYTES + 1)
    assert reason(path) == "long.png has more than 500 MB; make it smaller first."


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    """Four at once would take four times 1.6 GB; small ones don't wait for them."""
    monkeypatch.setattr(picture_file, "_LARGE_PIXELS", 64 * 48)
    painted().save(tmp_path / "small.png")
    painted(65).save(tmp_path / "large.png")
    with ThreadPoolExecutor() as pool:
        with picture_file._one_large:
            large = pool.submit(check, tmp_path / "large.png")
            assert isinstance(pool.submit(check, tmp_path / "small.png").result(60), Picture)
            assert not large.done()
        assert isinstance(large.result(60), Picture)


def test_a_long_reason_is_cut(tmp_path):
    said = str(picture_file._damaged(tmp_path / "a.png", ValueError("x\n" * 500)))
    assert "\n" not in said and len(said) < 250


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


def test_floats_below_nothing_are_black(tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(np.full((32, 32), -1e38, np.float32)).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.asarray(open_picture(path)).any()


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
