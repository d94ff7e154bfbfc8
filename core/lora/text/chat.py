"""A try of a voice: base and LoRA answer the same request, a token of each in turn, or one after the other.

Works on one loaded language model; a page's is kept between answers until a job wants its room. Knows nothing
about pages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import device
from core.lora.adapters import peft_folder
from core.settings.lora_jobs import ChatSettings
from core.texts.samples import messages, task_of

if TYPE_CHECKING:
    from core.texts.writer import Writer


class Chat:
    """The writer that answers, loaded when it is first asked."""

    def __init__(self) -> None:
        self._writer: Writer | None = None

    def clear(self) -> None:
        """Lets the language model go."""
        if self._writer is not None:
            self._writer = None
            device.free()

    def answers(
        self, lora: Path, topic: str, seed: int, between: Callable[[Callable[[], Any]], Any]
    ) -> Iterator[tuple[str, str]]:
        """(the base's words, the LoRA's words) as they grow; asked as in training.

        `between` does the computing, a token at a time; what it raises ends the answers.
        Raises Mistake for what is no text LoRA, or has no base here.
        """
        writer = between(lambda: self._of(peft_folder.base_of(lora)))
        voices, turns = (None, lora), messages(topic, task=task_of(lora))
        growing = {at: writer.stream(turns, voice, seed) for at, voice in enumerate(voices)}
        said = ["", ""]
        while growing:
            for at, stream in list(growing.items()):
                text = between(functools.partial(next, stream, None))
                if text is None:
                    del growing[at]
                else:
                    said[at] = text
            yield said[0], said[1]

    def _of(self, base: str) -> Writer:
        from core.texts.writer import Writer

        if self._writer is None or self._writer.base != base:
            self.clear()
            self._writer = Writer(base)
        return self._writer


def in_turn(settings: ChatSettings, topics: Iterable[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """For each topic (who, its answer as it grows): the base, then the LoRA, each asked as in training.

    Raises Mistake for what is no text LoRA, or doesn't fit the base.
    """
    from core.texts.writer import Writer

    peft_folder.read_config(settings.lora)
    base, task = settings.base or peft_folder.base_of(settings.lora), task_of(settings.lora)
    writer = Writer(base)
    for number, topic in enumerate(topics):
        for who, lora in ((base, None), (settings.lora.resolve().name, settings.lora)):
            yield who, writer.stream(messages(topic, task=task), lora, settings.seed + number)
