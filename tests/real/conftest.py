"""Tests with real models: run by `python3 studio.py test --real`, skipped by the ordinary run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real import models

HERE = Path(__file__).parent
os.environ.setdefault("STUDIO_REAL_MODELS", str(models.root()))  # where a test has a cache of its own, too
LEFT_OUT = "with real models (up to 5 GB): python3 studio.py test --real"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and skips them unless they were asked for."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.real)
            if not config.getoption("--real"):
                item.add_marker(pytest.mark.skip(reason=LEFT_OUT))


@pytest.fixture(scope="session")
def real_model() -> Callable[[str], Path]:
    """Gives the folder of a model by its name (see tests/real/models.py), or skips the test."""

    def folder(name: str) -> Path:
        if not models.is_there(name):
            pytest.skip(f"{name} isn't here: python -m tests.real.models fetches it")
        return models.folder_of(name)

    return folder
