"""Lists of what a project has made: LoRAs with what they were made of, newest first.

Reads the lineage file beside each; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from tabs.widgets import empty
from tabs.wiring import Page


def lineage(path: Path) -> dict[str, Any]:
    """What stands beside a LoRA about how it was made; empty where nothing does."""
    file = path / "lineage.yaml" if path.is_dir() else path.with_suffix(".yaml")
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file.is_file() else {}


def shelf(page: Page, loras: Sequence[Path]) -> str:
    """The LoRAs as a list: name, when it was made, size."""
    if not loras:
        return empty(page.say("None yet"), page.say("A finished LoRA appears here."))
    rows = "".join(
        f"<li><strong>{escape(path.stem)}</strong><span>{escape(str(lineage(path).get('made', '')))} · "
        f"{megabytes(path):.1f} MB</span></li>"
        for path in loras
    )
    return f"<ul class='st-shelf'>{rows}</ul>"


def megabytes(path: Path) -> float:
    """Size of a file, or of a folder's files."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
