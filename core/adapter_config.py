"""Peft's configuration of a LoRA, as any program writes it: what of it counts, and whether that makes sense.

Works on plain values as they stand in JSON; what makes no sense is a ValueError with the setting's name.
Knows nothing about files or models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # files of a folder of peft's
MOST_RANK = 8192
MOST_EXPRESSIONS, MATCH_SECONDS = 64, 0.2  # patterns that are more than a layer's name; how long one may take
LONGEST_PATH = 1000
# Settings that make of the layers something else than a LoRA on each.
UNREAD = ("layer_replication", "target_parameters", "trainable_token_indices", "alora_invocation_tokens")


def check(said: Mapping[str, Any]) -> None:
    """Raises ValueError where this is no LoRA's configuration, or one of more than a LoRA on each layer."""
    if said.get("peft_type") not in ("LORA", None):
        raise ValueError("peft_type")
    rank = said.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 0 < rank <= MOST_RANK:
        raise ValueError("r")
    for name in ("use_rslora", "use_dora", "fan_in_fan_out"):
        if not isinstance(said.get(name), bool | None):
            raise ValueError(name)
    for name in ("target_modules", "modules_to_save"):
        value = said.get(name)
        names = value if isinstance(value, list) else []
        if not isinstance(value, str | list | None) or not all(isinstance(one, str) for one in names):
            raise ValueError(name)
    if said.get("bias") not in ("none", "all", "lora_only", None):
        raise ValueError("bias")
    if unread := next((name for name in UNREAD if said.get(name)), None):
        raise ValueError(unread)
    if Strengths(said).alpha is None:
        raise ValueError("lora_alpha")


class Strengths:
    """Alpha / rank of a LoRA's layers.

    As in peft: `alpha_pattern` goes before `lora_alpha`, the first of its patterns that fits counts, and
    `use_rslora` divides by the rank's root. A pattern is a layer's name or its end, or a regular expression.
    Raises ValueError where it is no such thing.
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.alpha = None if said.get("lora_alpha") is None else _number(said["lora_alpha"], "lora_alpha")
        self.by_root = bool(said.get("use_rslora"))
        patterns = said.get("alpha_pattern") or {}
        if not isinstance(patterns, dict):
            raise ValueError("alpha_pattern")
        self.names: dict[str, tuple[int, float]] = {}  # (its place among all, alpha)
        self.expressions: list[tuple[int, float, str]] = []
        for place, (pattern, value) in enumerate(patterns.items()):
            alpha = _number(value, "alpha_pattern")
            if re.fullmatch(r"[\w.-]+", pattern):
                self.names[pattern] = (place, alpha)
            else:
                self.expressions.append((place, alpha, pattern))
        if len(self.expressions) > MOST_EXPRESSIONS:
            raise ValueError("alpha_pattern")

    def quotient(self, path: str, rank: int) -> float:
        """That of the layer at `path`; 1 where nothing is said of it.

        Raises ValueError where the path is too long to be looked up.
        """
        alpha = self._alpha(path)
        return alpha / (rank**0.5 if self.by_root else rank) if alpha else 1.0

    def _alpha(self, path: str) -> float | None:
        if not self.names and not self.expressions:
            return self.alpha
        if len(path) > LONGEST_PATH:
            raise ValueError("alpha_pattern")
        parts = path.split(".")
        ends = (".".join(parts[at:]) for at in range(len(parts)))
        found = [self.names[end] for end in ends if end in self.names]
        found += [(at, alpha) for at, alpha, pattern in self.expressions if _fits(pattern, path)]
        return min(found)[1] if found else self.alpha


def _fits(pattern: str, path: str) -> bool:
    """Whether a regular expression is a path or an end of it. Anybody's may take for ever: not here."""
    import regex  # transformers' own; the standard library's knows no time

    try:
        return bool(regex.match(rf"(.*\.)?({pattern})$", path, timeout=MATCH_SECONDS))
    except (regex.error, TimeoutError, RecursionError):
        raise ValueError("alpha_pattern") from None


def _number(value: Any, name: str) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        pass
    raise ValueError(name)
