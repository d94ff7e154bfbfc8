"""The JSON schemas that a storyboard's answers are constrained to, as small models can follow them.

What stands in turn has numbers for names: a model that writes "6" of six knows that it ends there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.video.script.language import Language

SHOTS = ("wide", "medium", "close", "detail")
SHORTEST, CUT = 0.6, 2.0  # of a line, against the length asked for: the least, and where it is cut off
MOST_SUBJECTS = 2
LONGEST_PROMPT = 150  # letters of a picture's prompt, from which on a model that goes on is cut off
_PROMPT = f"^(a|an|the|two|three|many) [A-Za-z ,'-]{{20,{LONGEST_PROMPT}}}$"  # things, not sentences
_LOOK = "^[A-Za-z][A-Za-z ,'-]{8,90}$"


def plan_schema(count: int, language: Language) -> dict[str, Any]:
    """What each of `count` scenes is about, in a few words."""
    pattern = "^[一-鿿，]{3,18}$" if language.dense else "^[A-Za-z][A-Za-z ,'-]{5,60}$"
    return _object(**in_turn([{"type": "string", "pattern": pattern}] * count))


def line_schema(signs: int, topic: str, language: Language) -> dict[str, Any]:
    """A line of about `signs` letters; only of the topic's kind are digits, or Latin letters in Chinese."""
    low, high = int(SHORTEST * signs), int(CUT * signs)
    digits = "0-9" if re.search(r"\d", topic) else ""
    if language.dense:
        latin = "A-Za-z " if re.search(r"[A-Za-z]", topic) else ""
        say = (
            f"^[一-鿿“《{latin.strip()}][一-鿿，、。：；！？“”《》…{latin}{digits}]{{{low},{high}}}[。！？]$"
        )
    else:
        say = f"^[A-Z{digits}][A-Za-zÀ-ÿ ,.;:!?'{digits}-]{{{low},{high}}}[.!?]$"
    return _object(say={"type": "string", "pattern": say})


def pictures_schema(count: int, subjects: bool) -> dict[str, Any]:
    """Prompts and shots of `count` pictures; before them, if asked for, who or what is seen in several."""
    name = {"type": "string", "minLength": 2, "maxLength": 30}
    subject = _object(name=name, look={"type": "string", "pattern": _LOOK})
    first = {"subjects": {"type": "array", "items": subject, "minItems": 0, "maxItems": MOST_SUBJECTS}}
    picture = _object(draw={"type": "string", "pattern": _PROMPT}, shot={"enum": list(SHOTS)})
    return _object(**(first if subjects else {}), **in_turn([picture] * count))


def choice_schema(**words: Sequence[str]) -> dict[str, Any]:
    """One of the words of each kind, in turn."""
    return _object(**{kind: {"enum": [*choices]} for kind, choices in words.items()})


def in_turn(values: Sequence[Any]) -> dict[str, Any]:
    """Values by their number, from 1."""
    return {str(number): value for number, value in enumerate(values, 1)}


def compact(values: Mapping[str, Any]) -> str:
    """JSON as the model shall write it: without blanks."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _object(**fields: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": fields, "required": list(fields), "additionalProperties": False
    }  # fmt: skip
