"""A text sample as tokens: the prompt, and the reply that is learnt.

Works on a tokenizer and its chat template; knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.texts import samples as chat
from core.texts.template import render, turn_end


def prompt(tokenizer: Any, topic: str, tone: str = "", task: str = chat.NARRATION) -> str:
    """The chat up to the model's turn, in the tokenizer's own template; what training and writing share.

    A template that knows no system role gets its words in the user's turn. A tokenizer without a template
    gets a plain one, which stays in `tokenizer.chat_template`.
    """
    return render(tokenizer, chat.messages(topic, tone, task), ask=True)


def tokenize(tokenizer: Any, sample: chat.TextSample, max_length: int, task: str = chat.NARRATION) -> Tokens:
    """A sample's tokens, cut to `max_length`; the prompt's are the very ones that writing starts from."""
    turns = chat.messages(sample.topic, task=task)
    reply = sample.reply.strip()
    opening = render(tokenizer, turns, ask=True)
    whole = render(tokenizer, [*turns, {"role": "assistant", "content": reply}], ask=False)
    rest = whole[len(opening) :] if whole.startswith(opening) else reply
    before = tokenizer(opening, add_special_tokens=False)["input_ids"]
    after = tokenizer(rest, add_special_tokens=False)["input_ids"]
    end = turn_end(tokenizer)
    after = after[: after.index(end)] if end in after else after
    return Tokens([*before, *after, end][:max_length], min(len(before), max_length))


@dataclass(frozen=True)
class Tokens:
    """A sample's token ids; those from `start` on are the reply, the end token among it."""

    ids: list[int]
    start: int

    @property
    def supervised(self) -> int:
        """Tokens the loss is taken on."""
        return len(self.ids) - self.start
