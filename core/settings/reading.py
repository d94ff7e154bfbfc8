"""Settings from YAML, the command line or a tab, and back to YAML; what is wrong in them becomes one
sentence.

Order of precedence: defaults, preset, what the person changed. Knows none of the settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    AliasChoices,
    BaseModel,
    ValidationError,
)
from pydantic.fields import FieldInfo

from core.files import contents
from core.messages import Mistake
from core.settings.base import SettingsT
from core.settings.fields import expected
from core.settings.typed_yaml import LARGEST_YAML, AsTyped, value_of


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, their values as the text that was typed. Raises Mistake as `read_yaml`."""
    return read_yaml(path, AsTyped)


def read_yaml(path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping. Raises Mistake where it isn't one."""
    raw = contents(path, LARGEST_YAML)
    try:
        values = value_of(raw.decode("utf-8-sig"), loader)
    except UnicodeDecodeError as error:
        raise Mistake(
            "{path} can't be read ({reason}); save it as UTF-8 text.", path=path, reason=error
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise Mistake(
            "{path} is not valid YAML at line {line}; check the indentation and quotes there.",
            path=path,
            line=line,
        ) from None
    except RecursionError:
        raise Mistake(
            "{path} is nested too deeply, or repeats its parts too often; write it plainly.", path=path
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise Mistake(
            "{path} holds a value that is none ({reason}); put it in quotes.", path=path, reason=error
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Mistake("{path} must hold lines of the form name: value.", path=path)
    return values


def make(cls: type[SettingsT], values: dict[str, Any], where: object = "the settings") -> SettingsT:
    """Settings of class `cls` from plain values; the first wrong one becomes a Mistake that names it.

    No value, or an empty text where there is a default, means the default.
    """
    given = {str(name): value for name, value in values.items() if not _is_unsaid(cls, name, value)}
    try:
        return cls.model_validate(given)
    except ValidationError as error:
        raise mistake(cls, error.errors()[0], where) from None


def load(cls: type[SettingsT], path: Path, changes: dict[str, Any] | None = None) -> SettingsT:
    """Settings from a YAML file, with `changes` laid over it.

    Raises Mistake for a file that can't be read, and values that they can't have.
    """
    return make(cls, {**read_settings(path), **(changes or {})}, path)


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """`["epochs=3", "trigger=yes"]` from a command line as the texts that were typed; None for null.

    Raises Mistake for any other form.
    """
    changes: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Mistake("{pair} is not of the form name=value.", pair=pair)
        changes[name.strip()] = None if value.strip() in ("", "null") else value.strip()
    return changes


def dump(settings: BaseModel) -> str:
    """Settings as YAML that `load` reads back to the same object."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _shown(value: Any) -> str:
    """What was given, short enough for a sentence."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    text = " ".join(str(value).split())
    return (text if len(text) <= 60 else f"{text[:60]}…") or "empty"


def mistake(cls: type[BaseModel], first: Mapping[str, Any], where: object) -> Mistake:
    """One of pydantic's errors, as `ValidationError.errors()` gives it, as a sentence in a person's terms."""
    name = str(first["loc"][0]) if first["loc"] else cls.__name__
    kind, given = first["type"], first.get("input")
    if kind == "extra_forbidden":
        near = _nearest(name, list(cls.model_fields))
        hint = f"; did you mean {near}?" if near else f"; known are {', '.join(cls.model_fields)}."
        return Mistake(
            "{where} has an unknown setting {name}{hint}", where=where, name=_shown(name), hint=hint
        )
    if kind == "missing":
        return Mistake("{where} lacks the setting {name}; add it.", where=where, name=name)
    if kind == "value_error":
        return Mistake(
            "In {where}, {problem}.", where=where, problem=first["msg"].removeprefix("Value error, ")
        )
    field = _field(cls, name)
    assert field is not None, first  # what is no field's is said above
    return Mistake(
        "{name} in {where} is {given}; it must be {expected}.",
        name=name,
        where=where,
        given=_shown(given),
        expected=expected(field),
    )


def _is_unsaid(cls: type[BaseModel], name: str, value: Any) -> bool:
    field = _field(cls, name)
    return field is not None and (value is None or (value == "" and not field.is_required()))


def _field(cls: type[BaseModel], name: str) -> FieldInfo | None:
    """The field of that name, or that other programs call so; None where there is none."""
    for known, field in cls.model_fields.items():
        alias = field.validation_alias
        if name == known or (isinstance(alias, AliasChoices) and name in alias.choices):
            return field
    return None


def _nearest(name: str, names: list[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)
