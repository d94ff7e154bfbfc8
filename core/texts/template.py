"""A chat as the text that a language model was taught to read: its own chat template, or a plain one.

What training and writing share, so that a LoRA is asked for what it has learnt. Knows nothing about tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def render(tokenizer: Any, turns: Sequence[dict[str, str]], ask: bool) -> str:
    """`turns` in the tokenizer's chat template, up to the model's turn if `ask`.

    A tokenizer without a template gets a plain one, which stays in `tokenizer.chat_template`. A template that
    knows no system role gets the system's words in the user's first turn.
    """
    from jinja2.exceptions import TemplateError

    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    options = {"tokenize": False, "add_generation_prompt": ask, "enable_thinking": False}
    try:
        return tokenizer.apply_chat_template(list(turns), **options)
    except TemplateError:
        system, user, *rest = turns
        merged = {"role": "user", "content": f"{system['content']}\n\n{user['content']}"}
        return tokenizer.apply_chat_template([merged, *rest], **options)
