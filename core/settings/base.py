"""The base of all settings: fixed values, no unknown names, each value read as its field's type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
)

from core.encodings import whole
from core.files import is_text
from core.messages import printable
from core.settings.fields import as_typed, kinds_of, list_parts, list_sign

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Settings(BaseModel):
    """The base of all settings: unknown names are refused, values are fixed once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Words without half characters, as of a cut emoji, and line ends that YAML takes for others."""
        return re.sub("[\x85\u2028\u2029]", " ", whole(value)) if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        """Names of files that settings.yaml and a LoRA's lineage can hold."""
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path) and not is_text(path):
                raise ValueError(f"the name {printable(path)} is no UTF-8 text; rename the file or folder")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        """What was typed, as the field's type reads it."""
        field = cls.model_fields[info.field_name or ""]
        kinds = kinds_of(field)
        if tuple not in kinds:
            return as_typed(value, kinds)
        return [as_typed(part, kinds) for part in list_parts(value, list_sign(field))]
