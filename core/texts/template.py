"""A chat as the text that a language model was taught to read: its own chat template, or a plain one.

What training and writing share, so that a LoRA is asked for what it has learnt: the template stands in
its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.encodings import whole
from core.files import contents
from core.messages import Mistake
from core.texts.reasoning import MARKS, closed, spoken
from core.texts.rendering import Refused, Renderer, TooMuch

FILE = "chat_template.jinja"  # in a model's folder, or a text LoRA's
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
WORD = "reply"
BEGINNING = "{{ bos_token }}"
# The hash of the embedded language model's template.
EMBEDDED = "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"
RENDERER = Renderer()
MOST_BYTES = 1_000_000


def render(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    """`turns` in the tokenizer's chat template, up to the model's turn if `ask`.

    A tokenizer without a template gets a plain one, which stays in `tokenizer.chat_template`. A template that
    knows no system role, or leaves its words out, gets them in the user's first turn. One that has the model
    reason first is taken up to the answer, the reasoning empty. Raises Mistake where it can't be used.
    """
    text = whole(_rendered(tokenizer, turns, ask))
    return closed(text) if ask else text


def _rendered(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    if not tokenizer.chat_template:
        tokenizer.chat_template = _plain(tokenizer)
    system = turns[0]["content"].strip() if turns[0]["role"] == "system" else ""
    try:
        text = _applied(tokenizer, turns, ask)
        if system in text:
            return text
    except Refused as error:
        if not system:
            raise _unusable(tokenizer, str(error)) from None
    _, user, *rest = turns
    merged = {"role": "user", "content": f"{system}\n\n{user['content']}"}
    try:
        return _applied(tokenizer, [merged, *rest], ask)
    except Refused as error:
        raise _unusable(tokenizer, str(error)) from None


def _applied(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    """The turns in the template as it is. A stranger's is a program: it is run elsewhere, within limits.

    Raises Refused where the template can't take these turns, Mistake where it takes too long.
    """
    try:
        template = tokenizer.get_chat_template()  # there may be several, by name
    except ValueError as error:
        raise Refused(str(error)) from None
    if not isinstance(template, str):
        raise Refused("it is no text")
    options = {"add_generation_prompt": ask, "enable_thinking": False}
    if _own(template):
        return tokenizer.apply_chat_template(list(turns), tokenize=False, **options)
    try:
        return RENDERER.render(template, list(turns), {**tokenizer.special_tokens_map, **options})
    except TooMuch:
        raise Mistake(
            "The chat template of {name}, or of the text LoRA on it, takes more time or memory than any "
            "should; choose another.",
            name=tokenizer.name_or_path,
        ) from None


def _own(template: str) -> bool:
    """Whether a template is the plain one or the embedded model's, which are rendered here."""
    if template.removeprefix(BEGINNING) == PLAIN_TEMPLATE:
        return True
    return sha256(template.encode("utf-8", "replace")).hexdigest() == EMBEDDED


def _unusable(tokenizer: Any, reason: str) -> Mistake:
    return Mistake(
        "The chat template of {name}, or of the text LoRA on it, can't be used ({reason}); choose another.",
        name=tokenizer.name_or_path,
        reason=reason,
    )


def _plain(tokenizer: Any) -> str:
    """The plain template, with the begin token where the tokenizer itself puts one before a text."""
    begins = tokenizer(WORD)["input_ids"][:1] == [tokenizer.bos_token_id]
    return BEGINNING + PLAIN_TEMPLATE if begins else PLAIN_TEMPLATE


def of_folder(lora: Path) -> str | None:
    """The chat template that a text LoRA learnt with; None where its folder holds none.

    Raises Mistake where it is no text.
    """
    file = lora / FILE
    if not file.is_file():
        return None
    try:
        return contents(file, MOST_BYTES).decode("utf-8")
    except (Mistake, UnicodeDecodeError):
        raise Mistake(
            "{path} is no chat template (text of less than a megabyte); get the LoRA again.", path=file
        ) from None


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
