"""What made an artefact, written beside it: a LoRA's or a video's settings, base, data, seeds.

A file beside a stranger's LoRA may hold anything: what is read is bounded, and told where it is no lineage.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from core.messages import Mistake
from core.project import write_atomic

YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where it is there, takes a tenth of the time


MOST_LINEAGE_BYTES, MOST_LINEAGE_DEPTH = 500_000, 20


def lineage(**made_of: Any) -> dict[str, Any]:
    """What made an artefact, with the time; plain values, ready for YAML. Paths become text."""
    return {"made": time.strftime("%Y-%m-%d %H:%M:%S"), **json.loads(json.dumps(made_of, default=str))}


def read_lineage(artefact: Path) -> dict[str, Any]:
    """What stands beside an artefact about how it was made; empty where nothing does.

    Its parts `settings`, `facts` and `figures` are mappings. Anybody may have written it: raises Mistake
    where it is none, larger than one gets, or so built that reading it costs more than its size.
    """
    file = _lineage_file(artefact)
    if not file.is_file():
        return {}
    try:
        found = _plain_yaml(file) or {}
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError):
        found = None
    parts = ("settings", "facts", "figures")
    if not isinstance(found, dict) or not all(isinstance(found.get(name, {}), dict) for name in parts):
        raise Mistake(
            "{path} is no record of how {name} was made, or a damaged one; move it away, or put the right "
            "one there.",
            path=file,
            name=artefact.name,
        )
    return found


def _plain_yaml(file: Path) -> Any:
    """The values in a file of YAML. Raises ValueError for a large or deep one, and for aliases."""
    if file.stat().st_size > MOST_LINEAGE_BYTES:
        raise ValueError
    text, depth = file.read_text(encoding="utf-8"), 0
    for event in yaml.parse(text, Loader=YAML):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LINEAGE_DEPTH or isinstance(event, yaml.AliasEvent):
            raise ValueError
    return yaml.load(text, YAML)


def write_lineage(artefact: Path, values: dict[str, Any]) -> Path:
    """Writes `values` beside an artefact: `x.safetensors` gets `x.yaml`; a folder gets `lineage.yaml`."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return write_atomic(_lineage_file(artefact), text)


def _lineage_file(artefact: Path) -> Path:
    return artefact / "lineage.yaml" if artefact.is_dir() else artefact.with_suffix(".yaml")
