"""The signs of dense scripts, each in its kinds, and that their ranges stand in one file."""

from __future__ import annotations

import re

import pytest

from core.project import ROOT
from core.texts import letters

KINDS = ("HAN_SIGN", "IDEOGRAPH", "SYLLABLE", "DENSE", "WIDE")


@pytest.mark.parametrize(
    ("sign", "kinds"),
    [
        ("镇", {"HAN_SIGN", "IDEOGRAPH", "DENSE", "WIDE"}),
        ("\u3400", {"HAN_SIGN", "IDEOGRAPH", "DENSE", "WIDE"}),
        ("\uf9d0", {"HAN_SIGN", "IDEOGRAPH", "DENSE", "WIDE"}),  # a compatibility form
        ("か", {"IDEOGRAPH", "DENSE", "WIDE"}),
        ("강", {"SYLLABLE", "DENSE", "WIDE"}),
        ("⼀", {"WIDE"}),  # a radical
        ("㎏", {"WIDE"}),
        ("a", set()),
        ("，", set()),
        ("é", set()),
    ],
)
def test_a_sign_is_of_its_kinds(sign: str, kinds: set[str]) -> None:
    assert {name for name in KINDS if getattr(letters, name).match(sign)} == kinds


def test_their_ranges_are_named_in_one_place() -> None:
    named = re.compile(r"\\u(?:3040|30ff|3400|4dbf|4e00|9fff|ac00|d7af|f900)")
    found = [path.name for path in (ROOT / "core").rglob("*.py") if named.search(path.read_text("utf-8"))]
    assert found == ["letters.py"]
