"""The one interface of language models that write, whatever runs them; and which one runs a base.

A base by an address is asked over HTTP (`core.texts.endpoint`), a large GGUF file on a CPU runs in llama.cpp
(`core.texts.llamacpp`), all others, the embedded one among them, in transformers (`core.texts.writer`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from core import device
from core.bases import language_model
from core.progress import Progress, outcome
from core.texts import endpoint, llamacpp
from core.texts.writer import Messages, Writer


class Engine(Protocol):
    """A language model that answers chats, in the voice of a text LoRA or of its own."""

    base: str

    @property
    def size(self) -> int:
        """How many numbers the language model is made of."""

    def voice(self, lora: Path | None) -> AbstractContextManager[None]:
        """Within it the model speaks with the text LoRA in a folder; with None it is the base alone."""

    def candidates_for(
        self,
        chats: Sequence[Messages],
        count: int,
        seed: int,
        max_words: int = 20,
        temperature: float = 0.7,
        top_p: float = 0.92,
    ) -> list[list[str]]:
        """`count` answers to each chat, each cut to whole sentences within `max_words`."""

    def structuring(
        self, messages: Messages, schema: Mapping[str, Any], seed: int, temperature: float, top_p: float
    ) -> Generator[str, None, dict[str, Any]]:
        """An answer that is an object of the JSON schema; tells the text so far as it grows."""

    def close(self) -> None:
        """Lets go of the model, and of what runs it."""


def opened(base: str, model: str = "", loras: Sequence[Path] = ()) -> Engine:
    """The language model `base`, ready to write; close it afterwards.

    model: its name at an address. loras: the text LoRAs that it shall speak with; what runs it must be able
    to. Raises Mistake where it can't be had.
    """
    if endpoint.is_address(base):
        return endpoint.Endpoint(base, model)
    found = language_model.find(base)
    if isinstance(found, Path) and device.pick().type != "cuda" and llamacpp.runs(found, loras):
        return llamacpp.LlamaCpp(base, found)
    return Writer(base)


def writes_storyboards(engine: Engine) -> bool:
    """Whether the model is large enough to be asked for a whole storyboard."""
    return engine.size >= language_model.LARGE


def structured(
    engine: Engine,
    messages: Messages,
    schema: Mapping[str, Any],
    seed: int = 0,
    temperature: float = 0.6,
    top_p: float = 0.92,
) -> dict[str, Any]:
    """An answer that is an object of the JSON schema, at once."""
    return outcome(engine.structuring(messages, schema, seed, temperature, top_p))


def told(
    answer: Generator[str, None, dict[str, Any]], stage: str, mark: str, count: int
) -> Generator[Progress, None, dict[str, Any]]:
    """An answer as progress of `stage`: how many of its `count` parts, each with a `mark`, are begun."""
    try:
        while True:
            text = next(answer)
            yield Progress(stage, min(count, max(0, text.count(mark) - 1)), count)
    except StopIteration as end:
        found: dict[str, Any] = end.value
        return found
    finally:
        answer.close()
