"""The cache of encodings: the same LoRA with and without it, nothing encoded twice, damage mended."""

from __future__ import annotations

import os
import shutil
from multiprocessing import get_context

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core import basemodels
from core.lora import cache, pictures
from core.lora.train import train


def encodings(steps) -> tuple[int, int]:
    """(known, all) encodings as a run told them."""
    told = [p.text for p in steps if p.text and "known from an earlier run" in p.text]
    return (int(told[0].split()[0]), int(told[0].split()[2])) if told else (0, 0)


def numbers(path) -> dict[str, torch.Tensor]:
    return load_file(path)


@pytest.fixture
def vae(tiny_base):
    return basemodels.load_pipeline(str(tiny_base)).vae


def test_the_second_run_encodes_nothing_and_gives_the_same_lora(image_settings, own_cache, tmp_path):
    first = list(train(image_settings(output_dir=tmp_path / "one", name="x", epochs=1)))
    written = {path: path.stat().st_ino for path in (own_cache / "latents").iterdir()}
    second = list(train(image_settings(output_dir=tmp_path / "two", name="x", epochs=1)))
    assert encodings(first) == (0, 0) and encodings(second) == (12, 12)  # six pictures and their mirrors
    assert len(written) == 12 + 7  # and six captions and none
    assert {path: path.stat().st_ino for path in (own_cache / "latents").iterdir()} == written
    expected, found = numbers(first[-1].result), numbers(second[-1].result)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_an_edited_picture_is_encoded_anew(image_settings, picture_folder, tmp_path):
    folder = tmp_path / "edited"
    shutil.copytree(picture_folder, folder)
    list(train(image_settings(train_data_dir=folder, epochs=1)))
    picture = Image.open(folder / "1.png")
    picture.putpixel((50, 50), (255, 0, 0))
    picture.save(folder / "1.png")
    assert encodings(train(image_settings(train_data_dir=folder, epochs=1))) == (10, 12)


def test_another_autoencoder_finds_nothing(vae, own_cache):
    here = torch.device("cpu")
    cache.Cache(vae, here).get(b"picture", lambda: torch.zeros(2))
    with torch.no_grad():
        vae.encoder.conv_in.bias += 1e-3
    other = cache.Cache(vae, here)
    assert other.get(b"picture", lambda: torch.ones(2)).tolist() == [1, 1] and other.made == 1
    half = cache.Cache(vae.to(torch.bfloat16), here)
    assert half.get(b"picture", lambda: torch.zeros(2)).tolist() == [0, 0] and half.made == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "not a file"])
def test_a_damaged_entry_is_made_again(damage, vae):
    kept = cache.Cache(vae, torch.device("cpu"))
    kept.get(b"picture", lambda: torch.arange(8.0))
    (entry,) = cache.folder().iterdir()
    raw = entry.read_bytes()
    entry.unlink()
    if damage == "not a file":
        entry.mkdir()
    else:
        entry.write_bytes({"cut": raw[:-3], "flipped": raw[:-1] + b"\x7f", "empty": b""}[damage])
    assert kept.get(b"picture", lambda: torch.arange(8.0)).tolist() == list(range(8)) and kept.made == 2
    if damage != "not a file":
        assert kept.get(b"picture", lambda: torch.zeros(0)).tolist() == list(range(8)) and kept.found == 1


def test_the_longest_unused_go_first(vae):
    kept = cache.Cache(vae, torch.device("cpu"))
    for number in range(4):
        kept.get(bytes([number]), lambda: torch.zeros(1000))
    entries = sorted(cache.folder().iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for age, path in enumerate(entries):
        os.utime(path, (1000 + age, 1000 + age))
    size = entries[0].stat().st_size
    os.utime(entries[0])
    cache.trim(2 * size)
    assert set(cache.folder().iterdir()) == {entries[0], entries[3]}


def fill(folder: str, rounds: int) -> None:
    """Another process: writes, reads and trims the same few entries."""
    os.environ["STUDIO_CACHE"] = folder
    for number in range(rounds):
        path = cache.folder() / f"{number % 3}.safetensors"
        cache._write(path, torch.full((500,), float(number % 3)))
        seen = cache._read(path)
        assert seen is None or seen.tolist() == [number % 3] * 500
        cache.trim(5000)


def test_two_processes_share_it(own_cache):
    processes = [get_context("spawn").Process(target=fill, args=(str(own_cache), 150)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(cache._read(path) is not None for path in cache.folder().iterdir())


def test_an_overflow_in_one_picture_leaves_the_others_numbers(vae):
    """It is asked again in fp32, and the next one in the autoencoder's own format."""
    vae = vae.to(torch.bfloat16)
    picture = Image.new("RGB", (32, 32), (200, 10, 10))
    alone = pictures.encode(vae, picture)
    with torch.no_grad():
        normal = vae.quant_conv.bias.clone()
        vae.quant_conv.bias.fill_(float("inf"))
    with pytest.raises(Exception, match="gives no numbers"):
        pictures.encode(vae, picture)
    with torch.no_grad():
        vae.quant_conv.bias.copy_(normal)
    assert vae.dtype == torch.bfloat16 and torch.equal(pictures.encode(vae, picture), alone)
