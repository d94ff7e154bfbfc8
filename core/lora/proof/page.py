"""A proof on disk and as a page, whatever kind of LoRA it proves: a folder beside the LoRA, JSON and HTML.

Works on plain values and finished HTML; what was measured and what it means stands in the reports. The page's
words go through `say(text, **values)`, which the window replaces by its own language's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from core import weights
from core.lora.engine.metrics import LOG
from core.project import ROOT, write_atomic

STYLE_SHEET = ROOT / "assets" / "css" / "proof.css"

Say = Callable[..., str]


class AnyProof(Protocol):
    """What proofs of all kinds have."""

    @property
    def figures(self) -> Sequence[Any]:
        """The base's first, then each LoRA's."""

    @property
    def whole(self) -> bool:
        """Whether its parts go together, and are no more than can be shown."""


ProofT = TypeVar("ProofT", bound=AnyProof)


def english(text: str, **values: object) -> str:
    """The text itself, its places filled."""
    return text.format(**values) if values else text


def folder_of(lora: Path) -> Path:
    """Where a LoRA's proof stands: proof.html, proof.json and what they show in `x.proof` beside the LoRA."""
    return lora.with_name(f"{lora.name if lora.is_dir() else lora.stem}.proof")


def page_of(lora: Path) -> Path | None:
    """A LoRA's page; None where it was not proved."""
    page = folder_of(lora) / "proof.html"
    return page if page.is_file() else None


def write(folder: Path, values: Mapping[str, Any], heading: str, body: str) -> Path:
    """Writes proof.json and proof.html, a page that needs no other file; returns the page."""
    write_atomic(folder / "proof.json", json.dumps(values, ensure_ascii=False, indent=1))
    html = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width'><title>{escape(heading)}</title><style>"
        f"{STYLE_SHEET.read_text(encoding='utf-8')}</style></head><body class='st-proofpage'>"
        f"<h1>{escape(heading)}</h1>{body}</body></html>\n"
    )
    return write_atomic(folder / "proof.html", html)


def read(folder: Path, cls: type[ProofT]) -> ProofT | None:
    """The proof in a folder; None where there is none. Raises Mistake where it is damaged."""
    file = folder / "proof.json"
    if not file.is_file():
        return None
    try:
        proof = TypeAdapter(cls).validate_python(weights.read_json(file))
    except ValidationError:
        raise weights.unreadable(file) from None
    if len(proof.figures) < 2 or not proof.whole:
        raise weights.unreadable(file)
    return proof


def copy_to_run(page: Path, lora: Path, run: Path | None) -> None:
    """Puts page and JSON into the folder of the run that made the LoRA, where it is still there.

    A lineage may name any folder as its run's; one that holds no training's log is none.
    """
    if run is None or not (run / LOG).is_file() or run.resolve() == lora.parent.resolve():
        return
    for file in (page, page.with_suffix(".json")):
        write_atomic(run / file.name, file.read_bytes())


def lora_name(step: int | None, say: Say = english) -> str:
    """What a LoRA is called: the finished one (None), or that of a step along the way."""
    return say("the finished LoRA") if step is None else say("the LoRA of step {step}", step=step)


def table(heads: Sequence[str], rows: str, kind: str = "") -> str:
    """A table that may be wider than the page."""
    inside = (
        f"<table class='{kind}'><thead><tr>{cells('th', heads)}</tr></thead><tbody>{rows}</tbody></table>"
    )
    return f"<div class='st-wide' tabindex='0'>{inside}</div>"


def row(texts: Sequence[str], best: bool = False) -> str:
    """A row of figures, marked where it is the best."""
    return f"<tr{' class=st-best' if best else ''}>{cells('td', texts)}</tr>"


def cells(tag: str, texts: Sequence[str]) -> str:
    """Cells of a row."""
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def folded(summary: str, inside: str, opened: bool) -> str:
    """A part that opens at a click."""
    return f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{inside}</details>"
