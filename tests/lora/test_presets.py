"""Every training preset is a valid, sparse set of differences that opens with the command that runs it."""

from __future__ import annotations

import pytest
import yaml

from core.settings import presets, reading, training


@pytest.mark.parametrize("name", presets.preset_names("training"))
def test_a_preset_is_sparse_and_says_how_to_run_it(name):
    path = presets.preset("training", name)
    values = reading.read_yaml(path)
    chosen = training.training(values, path)
    first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# python3 studio.py train --config") and f"--preset {name}" in first
    plain = type(chosen)()
    same = [
        field for field in yaml.safe_load(path.read_text()) if getattr(chosen, field) == getattr(plain, field)
    ]
    assert same == [] or same == ["kind"]
