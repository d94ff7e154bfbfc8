"""The presets that ship, by kind and name: `presets/styles` and `presets/training`."""

from __future__ import annotations

from pathlib import Path

from core.messages import Mistake
from core.project import ROOT, at_home

PRESETS = ROOT / "presets"


def preset(folder: str, name: str) -> Path:
    """The file of a preset by its name, or the YAML file that `name` itself is.

    Raises Mistake with the names there are.
    """
    path = at_home(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    names = preset_names(folder)
    if name not in names:
        raise Mistake(
            "There is no {name} in {folder}; choose one of {names}.",
            name=name,
            folder=folder,
            names=", ".join(names),
        )
    return PRESETS / folder / f"{name}.yaml"


def preset_names(folder: str) -> list[str]:
    """Names of the presets of a kind: `styles` or `training`."""
    return sorted(path.stem for path in (PRESETS / folder).glob("*.yaml"))
