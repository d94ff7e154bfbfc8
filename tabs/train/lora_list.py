"""Lists of what a project has made: LoRAs with what they were made of and their proofs, newest first.

Reads the lineage file beside each; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from core.lineage import read_lineage
from core.lora.proof import page as proof_page
from core.messages import Mistake, as_plain, attempt, from_plain
from tabs.shell.widgets import address, empty
from tabs.shell.wiring import Page

MOST_LETTERS = 40  # of the time that it was made


def shelf(page: Page, loras: Sequence[Path]) -> str:
    """The LoRAs as a list: name, when it was made, size, its proof, and what its training advises."""
    if not loras:
        return empty(page.say("None yet"), page.say("A finished LoRA appears here."))
    return f"<ul class='st-shelf'>{''.join(_row(page, path) for path in loras)}</ul>"


def _row(page: Page, path: Path) -> str:
    """A LoRA's line; of one whose record can't be read that is said."""
    found = attempt(lambda: read_lineage(path))
    made = {"advice": [as_plain(found)]} if isinstance(found, Mistake) else found
    advice = made.get("advice")
    lines = from_plain(advice) if isinstance(advice, list) else ()
    said = "".join(f"<em>{escape(page.line(line))}</em>" for line in lines if isinstance(line, str))
    when = escape(str(made.get("made", ""))[:MOST_LETTERS])
    about = f"{when} · {megabytes(path):.1f} MB{_proof(page, path)}"
    return f"<li><strong>{escape(path.stem)}</strong><span>{about}</span>{said}</li>"


def _proof(page: Page, path: Path) -> str:
    """A link to a LoRA's proof; empty where it has none."""
    file = proof_page.page_of(path)
    if file is None:
        return ""
    return f" · <a href='{address(file)}' target='_blank' rel='noopener'>{page.say('Proof')}</a>"


def megabytes(path: Path) -> float:
    """Size of a file, or of a folder's files."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
