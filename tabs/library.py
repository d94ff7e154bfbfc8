"""Lists of what a project has made: LoRAs with what they were made of and their proofs, newest first.

Reads the lineage file beside each; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from core.jobs import from_plain
from core.lora import proofpage
from core.project import read_lineage
from tabs.widgets import address, empty
from tabs.wiring import Page


def shelf(page: Page, loras: Sequence[Path]) -> str:
    """The LoRAs as a list: name, when it was made, size, its proof, and what its training advises."""
    if not loras:
        return empty(page.say("None yet"), page.say("A finished LoRA appears here."))
    return f"<ul class='st-shelf'>{''.join(_row(page, path) for path in loras)}</ul>"


def _row(page: Page, path: Path) -> str:
    made = read_lineage(path)
    about = f"{escape(str(made.get('made', '')))} · {megabytes(path):.1f} MB{_proof(page, path)}"
    advice = "".join(f"<em>{escape(page.line(from_plain(one)))}</em>" for one in made.get("advice") or ())
    return f"<li><strong>{escape(path.stem)}</strong><span>{about}</span>{advice}</li>"


def _proof(page: Page, path: Path) -> str:
    """A link to a LoRA's proof; empty where it has none."""
    file = proofpage.page_of(path)
    if file is None:
        return ""
    return f" · <a href='{address(file)}' target='_blank' rel='noopener'>{page.say('Proof')}</a>"


def megabytes(path: Path) -> float:
    """Size of a file, or of a folder's files."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
