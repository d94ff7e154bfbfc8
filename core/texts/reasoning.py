"""What a model thinks before it speaks, told from what it says: nobody says it, so no LoRA learns it.

Works on plain strings. Knows the marks of the models that reason; nothing about files or models.
"""

from __future__ import annotations

import re

_TAGS = "think thinking thought thoughts reasoning reflection scratchpad inner_monologue seed:think"
MARKS = (
    *((f"<{name}>", f"</{name}>") for name in _TAGS.split()),  # Qwen, DeepSeek and most others
    ("◁think▷", "◁/think▷"),  # Kimi
    ("[THINK]", "[/THINK]"),  # Mistral
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky
    ("<|channel>thought", "<channel|>"),  # Gemma
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    ("<|start|>assistant", "<|channel|>final<|message|>"),
)
"""How reasoning begins and ends; around others it goes before those within it."""
FIELDS = (
    "reasoning_content", "reasoning", "thinking", "thought", "thoughts", "cot", "complex_cot", "思考", "推理",
)  # fmt: skip
"""Names of fields, of kinds of a message's parts, and of roles, that hold reasoning."""


def _pair(opening: str, closing: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(what finds whole blocks, what finds a closing mark); tags are written in any case."""
    flags = re.DOTALL | (re.IGNORECASE if closing.startswith("</") else 0)
    first, last = re.escape(opening), re.escape(closing)
    return re.compile(rf"{first}.*?(?:{last}|\Z)", flags), re.compile(last, flags)


_PAIRS = [_pair(opening, closing) for opening, closing in MARKS]
_ANSWER = re.compile(r"(?i)</?(?:answer|response|output)>|<\|(?:begin|end)_of_solution\|>|<\|return\|>")


def spoken(text: str) -> str:
    """A text without what stands between marks of reasoning; the same text where there are none.

    A mark that is never closed takes the rest with it. One that was never opened takes what is before it, for
    many chat templates write the opening one themselves.
    """
    left = text
    for block, end in _PAIRS:
        left = block.sub("", left)
        for mark in list(end.finditer(left))[-1:]:
            left = left[mark.end() :]
    return text if left == text else _ANSWER.sub("", left).strip()


def closed(prompt: str) -> str:
    """A prompt after which the answer comes: reasoning that a chat template opens at its end is closed."""
    for opening, closing in MARKS:
        if prompt.rstrip().endswith(opening):
            gap = "\n\n" if closing.startswith("</") else ""
            return f"{prompt.rstrip()}{gap}{closing}{gap}"
    return prompt
