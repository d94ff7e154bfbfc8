"""The cache of encodings: the same LoRA with and without it, nothing encoded twice, damage mended."""

from __future__ import annotations

import os
import shutil
from multiprocessing import get_context

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core.bases import picture_base
from core.families import diffusion
from core.lora.image import cache, latents, prompts
from core.lora.train import train
from core.messages import Mistake
from core.progress import outcome


def encodings(steps) -> tuple[int, int]:
    """(known, all) encodings as a run told them."""
    told = [p.text for p in steps if p.text and "known from an earlier run" in p.text]
    return (int(told[0].split()[0]), int(told[0].split()[2])) if told else (0, 0)


def numbers(path) -> dict[str, torch.Tensor]:
    return load_file(path)


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


def known(pipeline, *names) -> cache.Cache:
    """What models of a pipeline made before on the CPU."""
    return cache.Cache(pipeline, names or ("vae",), torch.device("cpu"))


def given(number: int) -> dict[str, torch.Tensor]:
    """An input."""
    return {"pixels": torch.tensor([number])}


def made(*numbers: float) -> dict[str, torch.Tensor]:
    """An output."""
    return {"posterior": torch.tensor(numbers)}


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


def test_another_autoencoder_finds_nothing(pipeline, own_cache):
    known(pipeline).get(given(1), lambda: made(0, 0))
    with torch.no_grad():
        pipeline.vae.encoder.conv_in.bias += 1e-3
    other = known(pipeline)
    assert other.get(given(1), lambda: made(1, 1))["posterior"].tolist() == [1, 1] and other.made == 1
    pipeline.vae.to(torch.bfloat16)
    half = known(pipeline)
    assert half.get(given(1), lambda: made(0, 0))["posterior"].tolist() == [0, 0] and half.made == 1
    assert half.get({"ids": torch.tensor([1])}, lambda: made(2))["posterior"].tolist() == [2]
    assert half.get(given(1), lambda: made(3))["posterior"].tolist() == [0, 0] and half.found == 1


def test_both_encoders_of_stable_diffusion_xl_count_and_all_they_give_is_kept(sdxl_folder):
    pipeline, where = picture_base.load(str(sdxl_folder)), torch.device("cpu")
    ids = prompts.token_ids(pipeline, ["inkwash, a river", ""])
    first = outcome(prompts.embedded(pipeline, ids, where))
    entries = sorted(cache.folder().iterdir())
    again = outcome(prompts.embedded(pipeline, ids, where))
    assert len(entries) == 2 and sorted(cache.folder().iterdir()) == entries
    for caption, text in first.items():
        assert text.keys() == {"prompt_embeds", "pooled_prompt_embeds"}
        assert all(torch.equal(again[caption][name], rows) for name, rows in text.items())
    with torch.no_grad():
        pipeline.text_encoder_2.text_projection.weight += 1e-3
    other = outcome(prompts.embedded(pipeline, ids, where))[""]
    assert torch.equal(other["prompt_embeds"], first[""]["prompt_embeds"])
    assert not torch.equal(other["pooled_prompt_embeds"], first[""]["pooled_prompt_embeds"])


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "not a file"])
def test_a_damaged_entry_is_made_again(damage, pipeline):
    kept, whole = known(pipeline), made(*range(8))
    kept.get(given(1), lambda: whole)
    (entry,) = cache.folder().iterdir()
    raw = entry.read_bytes()
    entry.unlink()
    if damage == "not a file":
        entry.mkdir()
    else:
        entry.write_bytes({"cut": raw[:-3], "flipped": raw[:-1] + b"\x7f", "empty": b""}[damage])
    assert kept.get(given(1), lambda: whole)["posterior"].tolist() == list(range(8)) and kept.made == 2
    if damage != "not a file":
        assert kept.get(given(1), lambda: made(0))["posterior"].tolist() == list(range(8))
        assert kept.found == 1


def test_the_longest_unused_go_first(pipeline):
    kept = known(pipeline)
    for number in range(4):
        kept.get(given(number), lambda: made(*[0] * 1000))
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
        cache._write(path, {"posterior": torch.full((500,), float(number % 3))})
        seen = cache._read(path)
        assert seen is None or seen["posterior"].tolist() == [number % 3] * 500
        cache.trim(5000)


def test_two_processes_share_it(own_cache):
    processes = [get_context("spawn").Process(target=fill, args=(str(own_cache), 150)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(cache._read(path) is not None for path in cache.folder().iterdir())


def test_an_overflow_in_one_picture_leaves_the_others_numbers(pipeline):
    """It is asked again in fp32, and the next one in the autoencoder's own format."""
    vae = pipeline.vae.to(torch.bfloat16)
    shown = latents.pixels(Image.new("RGB", (32, 32), (200, 10, 10)))
    alone = diffusion.encode(pipeline, shown)
    with torch.no_grad():
        normal = vae.quant_conv.bias.clone()
        vae.quant_conv.bias.fill_(float("inf"))
    with pytest.raises(Mistake, match="gives no numbers"):
        diffusion.encode(pipeline, shown)
    with torch.no_grad():
        vae.quant_conv.bias.copy_(normal)
    assert vae.dtype == torch.bfloat16 and torch.equal(diffusion.encode(pipeline, shown), alone)
