"""What a field of the settings takes: its types, bounds and choices, and a typed text read as one of them.

Works on pydantic's declarations; knows none of the settings.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from core.messages import Sentence
from core.project import at_home
from core.settings.marks import PartedBy, mark_of
from core.settings.typed_yaml import AsTyped, value_of


def truth(value: object) -> bool | None:
    """What yes, no, on, off, true and false mean; None for anything else."""
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(str(value).strip().lower())


def kinds_of(field: FieldInfo) -> set[Any]:
    """The types in a field's annotation: `tuple[Path, ...]` gives tuple and Path."""
    found, ahead = set(), [field.annotation]
    while ahead:
        one = ahead.pop()
        found.add(get_origin(one) or one)
        ahead += () if get_origin(one) is Literal else get_args(one)
    return found


def rule(field: FieldInfo, name: str) -> Any:
    """A constraint of a field, None where it has none of that name."""
    found = (getattr(one, name, None) for one in field.metadata)
    return next((value for value in found if value is not None), None)


def choices(field: FieldInfo) -> list[str]:
    """The words a field may be: of a Literal, or of a pattern like `^(one|other)$`; else none."""
    if get_origin(field.annotation) is Literal:
        return [str(choice) for choice in get_args(field.annotation)]
    match = re.fullmatch(r"\^\(([\w|-]+)\)\$", rule(field, "pattern") or "")
    return match[1].split("|") if match else []


def list_sign(field: FieldInfo) -> str:
    """What parts a list that is written as one text."""
    mark = mark_of(field, PartedBy)
    return mark.sign if mark else "\n"


def list_parts(value: Any, sign: str) -> list[Any]:
    """A list's parts: of one text those between the signs, or those in YAML's brackets."""
    if value is None:
        return []
    if not isinstance(value, str):
        return list(value) if isinstance(value, list | tuple) else [value]
    if value.startswith("[") and value.endswith("]"):
        with contextlib.suppress(yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError):
            return list(value_of(value, AsTyped))
    return [part.strip() for part in value.split(sign) if part.strip()]


def as_typed(value: Any, kinds: set[Any]) -> Any:
    """One value as one of these types reads it; what none can read stays as it is."""
    if isinstance(value, str) and not value.strip() and type(None) in kinds:
        return None
    if isinstance(value, dict) and len(value) == 1 and str in kinds and dict not in kinds:
        return ": ".join(str(part) for pair in value.items() for part in pair)  # YAML's `- in ink: a cat`
    if isinstance(value, str | Path) and Path in kinds:
        return at_home(value) if str(value).strip() else None
    if isinstance(value, str) and int in kinds:
        with contextlib.suppress(ValueError):
            number = float(value)
            return int(number) if number.is_integer() else value  # 1e3 is a whole number
    return value


def expected(field: FieldInfo) -> Sentence:
    """What a field takes, as the end of a sentence."""
    kinds = kinds_of(field)
    if words := choices(field):
        return Sentence("one of {choices}", choices=", ".join(words))
    if tuple in kinds:
        part = expected(FieldInfo.from_annotation(get_args(field.annotation)[0]))
        most = rule(field, "max_length")
        if most is None:
            return Sentence("a list, each part {part}", part=part)
        return Sentence("a list of at most {most}, each part {part}", most=most, part=part)
    if bool in kinds:
        return Sentence("yes or no")
    if kinds & {int, float}:
        return _expected_number(field, kinds)
    if Path in kinds:
        return Sentence("the name of a file or folder")
    if dict in kinds:
        return Sentence("a text for each language, en and zh")
    if rule(field, "pattern"):
        return Sentence("a colour such as #ffd166")
    longest = rule(field, "max_length")
    return Sentence("a text of at most {most} characters", most=longest) if longest else Sentence("a text")


def _expected_number(field: FieldInfo, kinds: set[Any]) -> Sentence:
    above, least, most = (_plain(rule(field, name)) for name in ("gt", "ge", "le"))
    kind = Sentence("a whole number") if int in kinds else Sentence("a number")
    if (step := rule(field, "multiple_of")) is not None:
        kind = Sentence("a multiple of {step}", step=step)
    if above is None:
        return Sentence("{kind} from {least} to {most}", kind=kind, least=least, most=most)
    return Sentence("{kind} above {least}, at most {most}", kind=kind, least=above, most=most)


def _plain(bound: Any) -> Any:
    return f"{bound:g}" if isinstance(bound, float) else bound
