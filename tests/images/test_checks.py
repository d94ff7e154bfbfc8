"""Pictures with one fault each, and none flagged for a fault that it hasn't."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from core.images.checks import flags, look


def drawing(seed=0, size=512):
    """Flat art with hard edges: a sky, a ground, six shapes; large even areas, few edges."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (size, size), tuple(map(int, random.integers(120, 255, 3))))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, size * 2 // 3, size, size), fill=tuple(map(int, random.integers(40, 200, 3))))
    for _ in range(6):
        x, y, side = map(int, random.integers((0, 0, 40), (size * 3 // 4, size * 3 // 4, size // 3)))
        shape = pen.ellipse if random.random() < 0.5 else pen.rectangle
        shape((x, y, x + side, y + side), fill=tuple(map(int, random.integers(0, 255, 3))))
    return picture


def photo(seed=0, size=512):
    """Like a photo: detail at every scale."""
    random = np.random.default_rng(seed)
    whole = np.zeros((size, size, 3))
    for cells, weight in ((4, 0.5), (16, 0.25), (64, 0.15), (256, 0.1)):
        noise = Image.fromarray(random.integers(0, 255, (cells, cells, 3), np.uint8))
        whole += weight * np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC))
    return Image.fromarray(whole.astype(np.uint8))


def kinds(**pictures):
    looks = [look(Path(f"{name}.png"), picture) for name, picture in pictures.items()]
    return [(flag.path.stem, flag.kind) for flag in flags(looks)]


@pytest.mark.parametrize("draw", [drawing, photo])
def test_good_pictures_have_no_flags(draw):
    assert kinds(**{f"p{seed}": draw(seed) for seed in range(12)}) == []


@pytest.mark.parametrize("draw", [drawing, photo])
def test_blurred(draw):
    blurred = {f"p{seed}": draw(seed).filter(ImageFilter.GaussianBlur(4)) for seed in range(8)}
    assert kinds(**blurred) == [(name, "blurred") for name in blurred]


def test_blur_that_shrinking_removes_does_not_count():
    big = drawing(1, 2048).filter(ImageFilter.GaussianBlur(2))
    assert kinds(big=big) == []


def test_small_dark_and_flat():
    found = flags(
        [
            look(Path("s.png"), drawing(0, 200)),
            look(Path("d.png"), ImageEnhance.Brightness(drawing(1)).enhance(0.1)),
            look(Path("f.png"), Image.new("RGB", (300, 400), "beige")),
            look(Path("n.png"), Image.new("RGB", (300, 300), "black")),
        ]
    )
    assert [str(flag) for flag in found] == [
        "s.png is 200×200 pixels; its shorter side should have 256 or more.",
        "d.png is very dark; brighten it or leave it out.",
        "f.png is nearly one colour; there is little to learn from it.",
        "n.png is very dark; brighten it or leave it out.",
    ]


def test_size_is_the_originals_own():
    (flag,) = flags([look(Path("a.png"), drawing(0, 512), size=(2000, 900))], resolution=1024)
    assert str(flag) == "a.png is 2000×900 pixels; its shorter side should have 1024 or more."


@pytest.mark.parametrize("draw", [drawing, photo])
def test_near_duplicates(tmp_path, draw):
    original = draw(3)
    original.save(tmp_path / "q.jpg", quality=40)
    found = kinds(
        a=original,
        b=draw(4),
        c=original.resize((300, 300)),
        d=Image.open(tmp_path / "q.jpg").convert("RGB"),
        e=ImageEnhance.Brightness(original).enhance(1.05),
        f=original.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    )
    assert found == [("c", "alike"), ("d", "alike"), ("e", "alike")]


def test_other_colours_are_another_picture():
    swapped = Image.merge("RGB", drawing(5).split()[::-1])
    assert kinds(a=drawing(5), b=swapped) == []


def test_names_that_clash():
    looks = [
        look(Path(name), drawing(seed))
        for seed, name in enumerate(("x/1.png", "x/1.JPG", "y/1.png", "x/2.png"))
    ]
    assert [str(flag) for flag in flags(looks)] == [
        "1.JPG and 1.png would share one caption file; rename one of them."
    ]
