"""Names of base models: what is found, and what is said where it isn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bases import language_model, picture_base
from core.bases.places import cache_folder
from core.messages import Mistake
from core.project import Home


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nothing/v1-5.safetensors", "There is no base model"),
        ("a b c", "put the model into"),
    ],
)
def test_a_missing_base_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        picture_base.find(name)
    with pytest.raises(Mistake, match=said):
        language_model.find(name)


def test_pickles_and_wrong_folders_are_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "model.ckpt"
    pickled.touch()
    with pytest.raises(Mistake, match="pickled"):
        picture_base.find(str(pickled))
    with pytest.raises(Mistake, match=r"model_index\.json"):
        picture_base.find(str(tmp_path))
    with pytest.raises(Mistake, match=r"config\.json"):
        language_model.find(str(tmp_path))


def test_a_model_dropped_into_the_home_is_found_by_its_name(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    place = tmp_path / "models" / "Stable-diffusion"
    place.mkdir(parents=True)
    (place / "mine").symlink_to(tiny_base, target_is_directory=True)
    assert picture_base.find("mine") == place / "mine"
    assert picture_base.find("someone/model") == "someone/model"


def test_a_tilde_is_the_persons_home(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tiny_base.parent))
    assert picture_base.find(f"~/{tiny_base.name}") == tiny_base
    with pytest.raises(Mistake, match=r"There is no base model ~nobody-here/x; check the path"):
        picture_base.find("~nobody-here/x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("STUDIO_CACHE", "~/cache 1")
    monkeypatch.setenv("STUDIO_HOME", "~/home 1")
    assert cache_folder() == tmp_path / "cache 1"
    assert Home.default().folder == tmp_path / "home 1"


def test_a_hub_id_without_a_network_is_one_sentence() -> None:
    for load in (language_model.load, picture_base.load):
        with pytest.raises(Mistake, match="could not be fetched"):
            load("nobody/nothing-here")


def test_drawing_sizes_come_from_the_base(tiny_base: Path) -> None:
    recipe = picture_base.drawing(str(tiny_base))
    assert (recipe.square, recipe.portrait, recipe.landscape, recipe.steps) == (
        (32, 32),
        (32, 56),
        (56, 32),
        2,
    )
    assert picture_base.vocabulary(str(tiny_base)) == {}


def test_the_embedded_language_model_is_the_real_one() -> None:
    import torch

    model, tokenizer = language_model.load("embedded", torch.bfloat16)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    text = tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        best = model(**text).logits[0, -1].argmax()
    assert tokenizer.decode(best).strip() == "Paris"
