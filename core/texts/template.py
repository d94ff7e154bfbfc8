"""A chat as the text that a language model was taught to read: its own chat template, or a plain one.

What training and writing share, so that a LoRA is asked for what it has learnt: the template stands in
its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.encodings import whole
from core.texts.reasoning import MARKS, closed, spoken

FILE = "chat_template.jinja"  # in a model's folder, or a text LoRA's
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
WORD = "reply"


def render(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    """`turns` in the tokenizer's chat template, up to the model's turn if `ask`.

    A tokenizer without a template gets a plain one, which stays in `tokenizer.chat_template`. A template that
    knows no system role, or leaves its words out, gets them in the user's first turn. One that has the model
    reason first is taken up to the answer, the reasoning empty.
    """
    text = whole(_rendered(tokenizer, turns, ask))
    return closed(text) if ask else text


def _rendered(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    from jinja2.exceptions import TemplateError

    if not tokenizer.chat_template:
        tokenizer.chat_template = _plain(tokenizer)
    options = {"tokenize": False, "add_generation_prompt": ask, "enable_thinking": False}
    system = turns[0]["content"].strip() if turns[0]["role"] == "system" else ""
    try:
        text = tokenizer.apply_chat_template(list(turns), **options)
        if system in text:
            return text
    except TemplateError:
        if not system:
            raise
    _, user, *rest = turns
    merged = {"role": "user", "content": f"{system}\n\n{user['content']}"}
    return tokenizer.apply_chat_template([merged, *rest], **options)


def _plain(tokenizer: Any) -> str:
    """The plain template, with the begin token where the tokenizer itself puts one before a text."""
    begins = tokenizer(WORD)["input_ids"][:1] == [tokenizer.bos_token_id]
    return "{{ bos_token }}" + PLAIN_TEMPLATE if begins else PLAIN_TEMPLATE


def of_folder(lora: Path) -> str | None:
    """The chat template that a text LoRA learnt with; None where its folder holds none."""
    file = lora / FILE
    return file.read_text(encoding="utf-8") if file.is_file() else None


def answer(tokenizer: Any, ids: Any) -> str:
    """The words in token ids that a model wrote, without its reasoning, whose marks may be special tokens."""
    plain = tokenizer.decode(ids, skip_special_tokens=True)
    raw = tokenizer.decode(ids, skip_special_tokens=False)
    said = spoken(raw)
    if said == raw:
        return plain
    for token in tokenizer.all_special_tokens:
        said = said.replace(token, "")
    return said


def thinking_tokens(tokenizer: Any) -> list[int]:
    """Token ids that open reasoning: never drawn, for there is no room for it and nobody says it."""
    known = tokenizer.get_vocab()
    return [known[opening] for opening, _ in MARKS if opening in known]


def turn_end(tokenizer: Any) -> int | None:
    """The token that ends the model's turn: the first special one after a reply, else the tokenizer's own.

    Gemma, for one, ends its turns with another token than its texts.
    """
    return _turn_end(tokenizer, tokenizer.chat_template)


@lru_cache(maxsize=4)
def _turn_end(tokenizer: Any, template: str | None) -> int | None:
    turns = [{"role": "user", "content": WORD}, {"role": "assistant", "content": WORD}]
    after = render(tokenizer, turns, ask=False).rpartition(WORD)[2]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    return next((number for number in ids if number in special), tokenizer.eos_token_id)
