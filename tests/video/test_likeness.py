"""A subject's picture leads its scenes: by tiny real IP-Adapters, else as what they begin from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from core import doctor
from core.bases import ip_adapter, picture_base
from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora
from core.lora.image.sampler import Artist, Shot, sampling
from core.messages import Mistake
from core.progress import outcome
from core.project import Home
from core.settings.style import load_style
from core.settings.video import FilmSettings
from core.video import drawing
from core.video.storyboard.board import Scene, Storyboard, Subject
from tests import tiny

KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and the folder in it for IP-Adapters."""
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "my 工作室"))
    return tmp_path / "my 工作室" / "models" / "IP-Adapter"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "mei.png"
    pixels = np.random.default_rng(0).integers(0, 255, (96, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def board(base: Path, photo: Path, **subject: object) -> Storyboard:
    film = FilmSettings(style="ink-wash", image_base=str(base), voice="none", width=108, height=192)
    mei = Subject(**{"name": "Mei", "look": "red coat", "picture": photo, **subject})
    scenes = [
        Scene(draw="on a bridge", subjects=["Mei"]),
        Scene(draw="in a boat", subjects=["Mei"]),
        Scene(draw="tea"),
    ]
    return Storyboard(film=film, subjects=[mei], scenes=scenes).numbered()


def plans(of: Storyboard) -> list[drawing.Plan]:
    return drawing.plans(of, load_style(of.film.style))


def added(base: Path, folder: Path, plus: bool = False) -> Path:
    return tiny.ip_adapter(picture_base.load(str(base)), folder, plus)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("base", ["tiny_base", "sdxl_folder"])
def test_a_picture_leads_by_its_scale_and_not_at_all_at_none(
    base: str, plus: bool, home: Path, request: pytest.FixtureRequest
) -> None:
    name = str(request.getfixturevalue(base))
    added(Path(name), home / "models", plus)
    plain = Artist(sampling(name, [], 108, 192)).draw("a boat", 3)
    adapter, _ = ip_adapter.find(name)
    how = drawing.replace(sampling(name, [], 108, 192), adapter=adapter)
    artist, luck = Artist(how), np.random.default_rng(0)
    one, two = (luck.integers(0, 255, (40, 60, 3), np.uint8) for _ in range(2))

    def drawn(guide: np.ndarray | None, scale: float) -> np.ndarray:
        return outcome(artist.drawing([Shot("a boat", 3, None, guide, scale)]))[0].astype(float)

    assert np.array_equal(drawn(one, 0.0), plain) and np.array_equal(drawn(None, 0.7), plain)
    away = [np.abs(drawn(one, scale) - plain).mean() for scale in (0.2, 1.0)]
    assert 0 < away[0] < away[1]
    assert np.abs(drawn(one, 1.0) - drawn(two, 1.0)).mean() > 0
    both = outcome(artist.drawing([Shot("a boat", 3, None, guide, 1.0) for guide in (one, two)]))
    for guide, picture in zip((one, two), both, strict=True):
        assert np.abs(picture - drawn(guide, 1.0)).max() <= 2
    artist.use(sampling(name, [], 108, 192))
    assert np.array_equal(artist.draw("a boat", 3), plain)


def test_a_lora_is_drawn_with_as_well(tiny_base: Path, home: Path, tmp_path: Path) -> None:
    added(tiny_base, home)
    adapter, _ = ip_adapter.find(str(tiny_base))
    layers = {KEY: Lora(torch.randn(2, 8), torch.randn(8, 2), 4.0)}
    lora = image_file.write(tmp_path / "ink.safetensors", layers, {}, torch.float32)
    guide = np.full((40, 40, 3), (200, 30, 30), np.uint8)
    seen = []
    for loras in ([], [(lora, 2.0)]):
        artist = Artist(drawing.replace(sampling(str(tiny_base), loras, 108, 192), adapter=adapter))
        seen.append(outcome(artist.drawing([Shot("a boat", 3, None, guide, 1.0)]))[0])
        assert artist.unused == []
    assert not np.array_equal(*seen)


def test_scenes_of_a_subject_are_led_by_its_picture(tiny_base: Path, home: Path, photo: Path) -> None:
    file = added(tiny_base, home / "models")
    one, two, other = plans(board(tiny_base, photo))
    assert one.guide == two.guide == photo and one.start is None and other.guide is None
    assert one.how.adapter == ip_adapter.Adapter(file, home / "models" / "image_encoder")
    list(drawing.drawn([one, two, other]))
    led = np.asarray(Image.open(one.path)).astype(float)
    (free, *_) = plans(board(tiny_base, photo, likeness=0, seed=one.seed))
    assert free.guide is None and free.start is None and free.seed == one.seed
    list(drawing.drawn([free]))
    assert np.abs(np.asarray(Image.open(free.path)) - led).mean() > 1

    def renamed() -> Path:
        return plans(board(tiny_base, photo))[0].path

    before = renamed()
    assert plans(board(tiny_base, photo, likeness=0.5))[0].path != before
    Image.new("RGB", (64, 96), "teal").save(photo)
    assert renamed() != before, "another picture"
    before = renamed()
    tensors = {name: 2 * tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    assert renamed() != before, "another adapter"


def test_without_one_scenes_begin_from_the_picture_and_say_so(
    tiny_base: Path, home: Path, photo: Path
) -> None:
    one, two, other = plans(board(tiny_base, photo, strength=0.5))
    assert (one.start, one.strength, one.guide) == (photo, 0.5, None) and other.start is None
    assert one.seed == two.seed != other.seed, "a seed is shared"
    said = [report.text for report in drawing.drawn([one, two, other]) if report.text]
    assert [line for line in said if line.startswith("Scenes with Mei begin from its picture")] == [one.told]
    assert "there is no IP-Adapter in models/IP-Adapter" in one.told


def test_one_for_another_base_is_told_and_left(
    tiny_base: Path, sdxl_folder: Path, home: Path, photo: Path
) -> None:
    added(sdxl_folder, home / "xl")
    assert (
        "ip-adapter.safetensors was made for another kind of base" in plans(board(tiny_base, photo))[0].told
    )
    file = added(tiny_base, home / "sd")
    assert plans(board(tiny_base, photo))[0].how.adapter.file == file
    assert plans(board(sdxl_folder, photo))[0].how.adapter.file == home / "xl" / "ip-adapter.safetensors"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("cut", "not a whole .safetensors file"),
        ("nan", "holds numbers that are none"),
        ("face", "such as one for faces"),
        ("other", "is no IP-Adapter"),
        ("encoder gone", "needs the picture encoder"),
        ("encoder cut", "not a whole"),
    ],
)
def test_a_damaged_one_is_one_sentence(
    damage: str, words: str, tiny_base: Path, home: Path, photo: Path
) -> None:
    file, encoder = added(tiny_base, home), home / "image_encoder"
    tensors = load_file(file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "nan":
        save_file(tensors | {"image_proj.proj.bias": torch.full((64,), torch.nan)}, file)
    elif damage == "face":
        del tensors["image_proj.proj.weight"]
        save_file(tensors | {"image_proj.proj.0.weight": torch.zeros(8, 8)}, file)
    elif damage == "other":
        save_file({"something": torch.zeros(3)}, file)
    elif damage == "encoder gone":
        shutil.rmtree(encoder)
    else:
        weights = encoder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Mistake, match=words):
        list(drawing.drawn(plans(board(tiny_base, photo, look=damage))))


def test_the_doctor_lists_them(tiny_base: Path, home: Path) -> None:
    added(tiny_base, home / "sd")
    (home / "broken.safetensors").write_bytes(b"no weights")
    lines = [line for line in doctor.dropped_in(Home.default()) if " IP-Adapter " in line]
    assert any("ip-adapter.safetensors: for bases whose words have 16 numbers" in line for line in lines)
    assert any("broken.safetensors is not a whole" in line for line in lines)
