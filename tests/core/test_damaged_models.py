"""Each kind of damage to each file of a model of pictures or language: one sentence that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import weights
from core.bases import labeller, language_model, picture_base, smollm2
from core.lora import preflight
from core.messages import Mistake
from core.settings.training import ImageTraining, TextTraining
from tests import damage

Damage = Callable[[Path], Any]
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
THINGS = ("river", "boat", "bridge", "lamp", "cat", "kite", "stall", "moon", "well", "gate")
WORDS, LLM = "text_encoder/model.safetensors", "model.safetensors"
CUT_SHORT: tuple[tuple[Damage, str], ...] = (
    (damage.cut, "{file} is not a whole .safetensors file"),
    (damage.empty, "{file} is not a whole .safetensors file"),
    (damage.pointer, "{file} is a git-lfs pointer"),
    (damage.page, "{file} is not a whole .safetensors file"),
)
NO_NUMBERS: tuple[tuple[Damage, str], ...] = (
    (damage.nan, "holds numbers that are none .* {layer}"),
    (damage.infinite, "holds numbers that are none .* {layer}"),
)
NO_JSON: tuple[tuple[Damage, str], ...] = tuple(
    (how, "{file} is damaged") for how in (damage.cut, damage.empty, damage.page, damage.listed)
)
PICTURES = [
    *((file, *case) for file in (UNET, VAE, WORDS) for case in CUT_SHORT),
    *((file, *case) for file in (UNET, VAE, WORDS) for case in NO_NUMBERS),
    *((file, damage.lacking, "is not whole: its {part} has") for file in (UNET, VAE, WORDS)),
    *((file, damage.gone, "no file named .*in directory .*{part}") for file in (UNET, VAE, WORDS)),
    *((f"{part}/config.json", *case) for part in ("unet", "vae", "text_encoder") for case in NO_JSON),
    ("text_encoder/config.json", damage.gone, "{file} is missing"),
    ("text_encoder/config.json", damage.bare, "haven't the sizes"),
    *(("model_index.json", *case) for case in NO_JSON),
    *(("studio.json", *case) for case in NO_JSON),
    ("studio.json", damage.bare, "can't be loaded"),
    *(("scheduler/scheduler_config.json", *case) for case in NO_JSON),
    *(("tokenizer/tokenizer.json", *case) for case in NO_JSON),
    *(("tokenizer/tokenizer_config.json", *case) for case in NO_JSON),
    ("tokenizer/tokenizer.json", damage.bare, "can't be loaded"),
    ("tokenizer", damage.gone, "tokenizer is missing or damaged"),
]  # fmt: skip
LANGUAGE = [
    *((LLM, *case) for case in CUT_SHORT),
    *((LLM, *case) for case in NO_NUMBERS),
    (LLM, damage.lacking, "is not whole: it lacks 1 tensors"),
    (LLM, damage.gone, r"no file named model\.safetensors"),
    *(("config.json", *case) for case in NO_JSON),
    ("config.json", damage.bare, "can't be loaded"),
    *(("tokenizer.json", *case) for case in NO_JSON),
    ("tokenizer.json", damage.bare, "can't be loaded"),
    ("tokenizer.json", damage.gone, "can't be loaded"),
    *(("tokenizer_config.json", *case) for case in NO_JSON),
]


def damaged(source: Path, place: Path, file: str, how: Damage, said: str) -> tuple[Path, str]:
    """A copy of a model with one damaged file, and the sentence that names it, as a pattern."""
    folder = place / "model"
    shutil.copytree(source, folder)
    path = folder / file
    layer = damage.broken_layer(path) if "{layer}" in said else ""
    how(path)
    return folder, said.format(
        file=path, part=Path(file).parent, layer=rf".*{layer.removeprefix('text_model.')}"
    )


@pytest.mark.parametrize(("file", "how", "said"), PICTURES)
def test_a_damaged_picture_base(file: str, how: Damage, said: str, tiny_base: Path, tmp_path: Path) -> None:
    folder, pattern = damaged(tiny_base, tmp_path, file, how, said)
    with pytest.raises(Mistake, match=pattern) as told:
        picture_base.drawing(str(folder))
        picture_base.load(str(folder))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("file", "how", "said"), LANGUAGE)
def test_a_damaged_language_model(file: str, how: Damage, said: str, tiny_llm: Path, tmp_path: Path) -> None:
    folder, pattern = damaged(tiny_llm, tmp_path, file, how, said)
    with pytest.raises(Mistake, match=pattern) as told:
        language_model.load(str(folder))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("file", [UNET, WORDS, "unet/config.json", "model_index.json"])
def test_the_pre_flight_says_it_before_anything_is_loaded(file: str, tiny_base: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder, pattern = damaged(tiny_base, tmp_path, file, damage.cut, "{file} is")
    Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 10).convert("RGB").save(tmp_path / "a.png")
    chosen = ImageTraining(base_model=str(folder), train_data_dir=tmp_path, output_dir=tmp_path / "run")
    with pytest.raises(Mistake, match=pattern):
        list(preflight.lines(chosen))


@pytest.mark.parametrize("file", [LLM, "config.json"])
def test_so_does_that_of_texts(file: str, tiny_llm: Path, tmp_path: Path) -> None:
    folder, pattern = damaged(tiny_llm, tmp_path, file, damage.cut, "{file} is")
    texts = tmp_path / "train.jsonl"
    rows = [{"instruction": f"the {thing}", "output": f"A {thing} waits."} for thing in THINGS]
    texts.write_text("\n".join(map(json.dumps, rows)))
    chosen = TextTraining(base_model=str(folder), train_data_path=texts, output_dir=tmp_path / "run")
    with pytest.raises(Mistake, match=pattern):
        list(preflight.lines(chosen))


def test_tokens_are_not_counted_with_a_damaged_tokenizer(tiny_llm: Path, tmp_path: Path) -> None:
    from core.texts import report

    folder, pattern = damaged(tiny_llm, tmp_path, "tokenizer.json", damage.cut, "{file} is damaged")
    with pytest.raises(Mistake, match=pattern):
        report.counter(str(folder))


@pytest.mark.parametrize("how", [damage.gone, damage.cut, damage.pointer])
@pytest.mark.parametrize("base", ["tiny_llm", "tiny_base"])
def test_a_shard_that_is_missing_or_damaged_is_named(
    base: str, how: Damage, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pictures = base == "tiny_base"
    shutil.copytree(request.getfixturevalue(base), tmp_path / "model")
    load = picture_base.load if pictures else language_model.load
    shard = damage.sharded(tmp_path / "model" / (UNET if pictures else LLM))[1]
    config = picture_base.read_config if pictures else language_model.read_config
    whole = config(str(request.getfixturevalue(base)))
    sizes = (lambda c: c.numbers) if pictures else (lambda c: c[1])
    load(str(tmp_path / "model"))
    assert sizes(config(str(tmp_path / "model"))) == sizes(whole)
    how(shard)
    for read in (load, config):
        with pytest.raises(Mistake, match=f"{shard} is"):
            read(str(tmp_path / "model"))


def test_a_damaged_index_is_named(tiny_llm: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_llm, tmp_path / "model")
    damage.sharded(tmp_path / "model" / LLM)
    index = tmp_path / "model" / f"{LLM}.index.json"
    for how in (damage.cut, damage.bare, damage.listed):
        how(index)
        with pytest.raises(Mistake, match=f"{index} is damaged"):
            language_model.load(str(tmp_path / "model"))


def test_the_fp16_variant_alone_is_loaded(
    tiny_base: Path, tiny_llm: Path, sdxl_folder: Path, tmp_path: Path
) -> None:
    for source in (tiny_base, sdxl_folder):
        folder = shutil.copytree(source, tmp_path / source.name)
        damage.as_fp16_variant(folder)
        held = picture_base.load(str(folder)).unet.state_dict()
        wanted = picture_base.load(str(source)).unet.state_dict()
        assert all(torch.equal(held[name], wanted[name].half().float()) for name in wanted)
        ours, theirs = picture_base.read_config(str(folder)), picture_base.read_config(str(source))
        assert ours is not None and theirs is not None and ours.numbers == theirs.numbers
    folder = shutil.copytree(tiny_llm, tmp_path / "llm")
    damage.as_fp16_variant(folder)
    assert language_model.load(str(folder))[0].config.vocab_size == 315
    assert language_model.read_config(str(folder)) == language_model.read_config(str(tiny_llm))


def test_where_both_stand_the_whole_numbers_are_read(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "both")
    damage.as_fp16_variant(folder)
    shutil.copytree(tiny_base, folder, dirs_exist_ok=True)
    held = picture_base.load(str(folder)).unet.state_dict()
    wanted = picture_base.load(str(tiny_base)).unet.state_dict()
    assert all(torch.equal(held[name], wanted[name]) for name in wanted)


def test_a_tokenizer_that_tells_no_length_is_cut_to_the_encoders(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "model")
    damage.gone(folder / "tokenizer" / "tokenizer_config.json")
    assert picture_base.load(str(folder)).tokenizer.model_max_length == 24


def test_a_single_file_with_a_broken_number_is_named(sdxl_file: Path, tmp_path: Path) -> None:
    for how, said in ((damage.nan, "holds numbers that are none"), (damage.lacking, "is not whole|can't be")):
        path = Path(shutil.copy(sdxl_file, tmp_path / "xl.safetensors"))
        how(path)
        with pytest.raises(Mistake, match=said):
            picture_base.load(str(path))


@pytest.mark.parametrize("how", [damage.cut, damage.empty, damage.pointer, damage.page])
def test_a_damaged_gguf_file_is_named(how: Damage, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    shutil.copy(smollm2.gguf_file(), path)
    how(path)
    with pytest.raises(Mistake, match=f"{path} is (not a whole .gguf file|a git-lfs pointer)"):
        language_model.load(str(path))


@pytest.mark.parametrize(
    "file", ["model.safetensors", "open_clip_config.json", "tokenizer.json", "vocabulary.json"]
)
@pytest.mark.parametrize("how", [damage.cut, damage.empty, damage.pointer])
def test_a_damaged_labeller_is_named(how: Damage, file: str, tmp_path: Path) -> None:
    folder = shutil.copytree(labeller.embedded(), tmp_path / "labeller")
    how(folder / file)
    with pytest.raises(Mistake, match=f"{folder / file} is"):
        labeller.load(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_numbers_are_told_from_what_is_none(dtype: torch.dtype) -> None:
    plain = torch.full((300, 300), 400.0).to(dtype)
    assert weights.finite(plain)  # in fp16 its sum is not
    for number in (float("nan"), float("inf"), float("-inf")):
        if dtype == torch.float8_e4m3fn and number == number:
            continue  # it has no infinity
        broken = plain.clone()
        broken[7, 9] = number
        assert not weights.finite(broken)
    both = torch.zeros(4).to(torch.float32)
    both[:2] = torch.tensor([float("inf"), float("-inf")])
    assert not weights.finite(both)
    assert weights.finite(torch.tensor([1, 2])) and weights.finite(torch.zeros(0))
