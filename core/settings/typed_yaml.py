"""YAML as it was typed: plain values stay text, and what would unfold without end is refused."""

from __future__ import annotations

import itertools
import math
from typing import Any

import yaml

from core.files import MEGABYTE

LARGEST_YAML, MOST_VALUES = MEGABYTE, 100_000


class AsTyped(yaml.SafeLoader):
    """YAML whose plain values stay the text that was typed, so that each setting reads it as its own type.

    A name may be 2024, a trigger word yes. Only null, no value and the merge sign are what they are in YAML.
    """


AsTyped.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0].endswith((":null", ":merge"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def value_of(text: str, kind: type[yaml.SafeLoader]) -> Any:
    """What a YAML text says.

    Raises yaml.YAMLError, RecursionError (also where `*` repeats its parts to more than `MOST_VALUES`), and
    what a value that is none of its kind raises.
    """
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if _size(node, {}) > MOST_VALUES:
            raise RecursionError
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node | None, known: dict[int, float]) -> float:
    """How many values a node holds, a repeated one as often as it is named; one within itself is endless."""
    if id(node) not in known:
        known[id(node)] = math.inf
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = itertools.chain.from_iterable(inside) if isinstance(node, yaml.MappingNode) else inside
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
