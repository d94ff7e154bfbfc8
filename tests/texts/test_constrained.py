"""Answers of a given form by the tiny random model, which has no wish of its own to keep to it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.texts.engine import structured
from core.texts.samples import messages
from core.texts.writer import Writer

CHAT = messages("a boat on a river")


@pytest.fixture(scope="module")
def writer(tiny_llm: Path) -> Writer:
    return Writer(str(tiny_llm), "fp32")


def an_object(**fields: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": fields, "required": list(fields), "additionalProperties": False,
    }  # fmt: skip


texts = st.builds(
    lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
    st.integers(0, 5),
    st.integers(0, 8),
)
patterns = st.sampled_from(["^[A-Z][a-z ,]{3,9}[.!?]$", "^[一-鿿]{1,4}。$", "^(wide|close)$"]).map(
    lambda one: {"type": "string", "pattern": one}
)
numbers = st.builds(
    lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
    st.integers(-3, 9),
    st.integers(0, 90),
)
choices = st.lists(st.text("abc 船", min_size=1, max_size=4), min_size=1, max_size=3, unique=True).map(
    lambda one: {"enum": one}
)
leaves = texts | patterns | numbers | choices | st.just({"type": "boolean"})
lists = st.builds(
    lambda inner, low, more: {"type": "array", "items": inner, "minItems": low, "maxItems": low + more},
    leaves,
    st.integers(0, 2),
    st.integers(0, 2),
)
schemas = st.dictionaries(
    st.sampled_from(["say", "draw", "shot", "seconds", "subjects"]), leaves | lists, min_size=1, max_size=4
).map(lambda fields: an_object(**fields))


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schema=schemas, seed=st.integers(0, 5), heat=st.sampled_from([0.0, 0.7, 2.0]))
def test_whatever_a_model_would_say_the_answer_is_of_the_schema(
    writer: Writer, schema: dict[str, Any], seed: int, heat: float
) -> None:
    jsonschema.validate(structured(writer, CHAT, schema, seed, heat), schema)


def test_the_same_seed_gives_the_same_answer(writer: Writer) -> None:
    schema = an_object(say={"type": "string", "minLength": 5, "maxLength": 20}, seconds={"type": "integer"})
    schema["properties"]["seconds"] |= {"minimum": 0, "maximum": 99}
    once, again, other = (structured(writer, CHAT, schema, seed, 1.5, 1.0) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_it_tells_the_answer_as_it_grows(writer: Writer) -> None:
    told = list(writer.structuring(CHAT, an_object(shot={"enum": ["wide"]}), 0, 0.7, 0.9))
    assert told[-1] == '{"shot":"wide"}'
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(told))
