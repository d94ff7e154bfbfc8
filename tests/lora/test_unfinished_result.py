"""A training that ends while it writes its result, or in whose folder another one is at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.lineage import read_lineage
from core.lora import train
from core.lora.adapters import peft_folder
from core.lora.engine import checkpoints
from core.messages import Mistake
from core.project import alone
from core.settings.training import Training
from tests.running import last


@pytest.fixture(params=["image", "text"])
def settings(request: pytest.FixtureRequest) -> Training:
    """The smallest training of each kind."""
    make: Callable[..., Training] = request.getfixturevalue(f"{request.param}_settings")
    return make(max_steps=2, keep_loras=0, samples=0, holdout=0.0)


def made(settings: Training) -> list[Path]:
    """The LoRAs in the run's folder."""
    return [path for path in sorted(settings.output_dir.glob("lora_v*")) if path.suffix != ".yaml"]


def killed(*_: object) -> None:
    raise SystemExit


@pytest.mark.parametrize("at", ["write_lineage", "clear"])
def test_what_was_begun_is_written_again_under_its_name(
    settings: Training, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One LoRA with its lineage comes of it, never a nameless one beside a second version."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(*{"write_lineage": (train, at), "clear": (checkpoints.Keeper, at)}[at], killed)
        last(settings)
    (begun,) = made(settings)
    assert bool(read_lineage(begun)) == (at == "clear")
    result = last(settings).result
    if at == "write_lineage":
        assert result == begun and made(settings) == [begun]
    assert result and read_lineage(result)["steps"] == 2
    assert not list((settings.output_dir / "checkpoint").glob("*"))


def test_a_lora_of_a_finished_run_is_never_written_over(settings: Training) -> None:
    first = last(settings).result
    assert first
    (settings.output_dir / "checkpoint" / checkpoints.BEGUN).write_text(first.name)
    assert last(settings).result != first and len(made(settings)) == 2


def test_a_text_lora_appears_whole(
    text_settings: Callable[..., Training], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    chosen, weights = text_settings(), {"lora_A.weight": torch.zeros(2, 8)}
    write = peft_folder.write_atomic

    def cut(path: Path, data: bytes | str) -> Path:
        return write(path, data) if path.name != peft_folder.TEMPLATE else killed()

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(peft_folder, "write_atomic", cut)
        peft_folder.write(tmp_path / "voice", weights, peft_folder.config_of(chosen), "{{ messages }}")
    assert list(tmp_path.glob("*voice*")) == []
    for number in (0, 1):
        weights = {"lora_A.weight": torch.full((2, 8), float(number))}
        path = tmp_path / "voice"
        peft_folder.write(path, weights, peft_folder.config_of(chosen), "{{ messages }}")
    assert len(list(path.iterdir())) == 4 and "voice" in (path / peft_folder.CARD).read_text()


def test_two_trainings_in_one_folder(settings: Training) -> None:
    with (
        alone(settings.output_dir, Mistake("taken")),
        pytest.raises(Mistake, match="Another training is at work"),
    ):
        last(settings)
    assert last(settings).result
    assert not (settings.output_dir / ".lock").exists()
