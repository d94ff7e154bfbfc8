"""Writes text: one language model, any number of text LoRAs switched on demand, many candidates at once.

Works on chat messages and gives back texts and log-probabilities. Knows nothing about scenes or what makes a
candidate good (core.video.script.narration judges), nor about training.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import device
from core.bases import language_model
from core.bases.places import EMBEDDED
from core.messages import Mistake
from core.progress import outcome, within
from core.texts import lorafolder, speech
from core.texts.constrained import Allowed
from core.texts.overlap import dense
from core.texts.sampling import Marks, Sampling, draw, ends_of, written
from core.texts.template import answer, of_folder, render, thinking_tokens

if TYPE_CHECKING:
    import torch

Messages = Sequence[dict[str, str]]

CHATS_AT_ONCE = 8  # each with its rows: some 300 of them keep 1 GB of keys and values in a small model
ROWS_AT_ONCE = 64  # of a few tokens each: their logits take some 100 MB
MOST_TOKENS = 4000  # of an answer of a given form
TOKENS_A_WORD = 1.6  # English in SmolLM2's tokens, punctuation included, with room to spare; others: measured


class Writer:
    """A causal language model with its tokenizer, loaded once, and the text LoRAs it has been given."""

    def __init__(self, base: str = EMBEDDED, precision: str = "auto") -> None:
        place = device.pick()
        model, self.tokenizer = language_model.load(base, device.dtype(precision, place))
        self.base = base
        self.model: Any = model.to(place)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._loras: dict[Path, str] = {}
        self._templates: dict[str | None, str | None] = {None: self.tokenizer.chat_template}
        self._never = thinking_tokens(self.tokenizer)

    @property
    def size(self) -> int:
        """How many numbers the language model is made of."""
        return sum(p.numel() for p in self.model.parameters())

    @contextlib.contextmanager
    def voice(self, lora: Path | None) -> Iterator[None]:
        """Within it the model speaks with the LoRA in folder `lora`; with None it is the base alone.

        It is asked in the chat template that stands in the folder, the one the LoRA learnt with. A LoRA is
        loaded when it is first asked for. Raises Mistake for a folder that is none, or none for this base.
        """
        name = self._load(lora.resolve()) if lora else None
        before, self.tokenizer.chat_template = self.tokenizer.chat_template, self._templates[name]
        try:
            if name:
                self.model.set_adapter(name)
            with self.model.disable_adapter() if self._loras and not name else contextlib.nullcontext():
                yield
        finally:
            self.tokenizer.chat_template = before

    def _load(self, folder: Path) -> str:
        if folder in self._loras:
            return self._loras[folder]
        name = f"lora{len(self._loras)}"
        self.model = lorafolder.put_on(self.model, folder, self.base, name)
        self._loras[folder] = name
        self._templates[name] = of_folder(folder) or self._templates[None]
        return name

    def prompt(self, messages: Messages) -> list[int]:
        """Token ids of a chat up to the model's turn, just as training renders it."""
        return self._plain(render(self.tokenizer, messages, ask=True))

    def candidates(
        self,
        messages: Messages,
        count: int,
        seed: int,
        max_words: int = 20,
        temperature: float = 0.7,
        top_p: float = 0.92,
    ) -> list[str]:
        """`count` answers to one chat; see `candidates_for`."""
        return self.candidates_for([messages], count, seed, max_words, temperature, top_p)[0]

    def candidates_for(
        self,
        chats: Sequence[Messages],
        count: int,
        seed: int,
        max_words: int = 20,
        temperature: float = 0.7,
        top_p: float = 0.92,
    ) -> list[list[str]]:
        """`count` answers to each chat, drawn `CHATS_AT_ONCE` together, each cut to whole sentences.

        max_words: an answer ends with the last sentence that ends within so many words (longer only where its
        first sentence is). temperature 0 takes the likeliest token. The same seed, chats and
        count give the same texts; nothing is drawn from a global random state.
        """
        how = Sampling(self.tokens_for(max_words, chats), temperature, top_p)
        prompts = [self.prompt(chat) for chat in chats]
        rows: list[list[int]] = []
        for at in range(0, len(prompts), CHATS_AT_ONCE):
            some = prompts[at : at + CHATS_AT_ONCE]
            rows += self.sample(some, count, seed, how, first_row=at * count)
        texts = [whole_sentences(answer(self.tokenizer, row), max_words) for row in rows]
        return [texts[at : at + count] for at in range(0, len(texts), count)]

    def sample(
        self,
        prompts: Sequence[list[int]],
        count: int,
        seed: int,
        how: Sampling,
        first_row: int = 0,
    ) -> list[list[int]]:
        """New token ids of `count` rows a prompt, without the end token.

        Each row draws from its own generator, seeded by (seed, first_row + row). The prompts run once each;
        their keys and values are then repeated for the rows.
        """
        return outcome(self.sampling(prompts, count, seed, how, first_row))

    def sampling(
        self,
        prompts: Sequence[list[int]],
        count: int,
        seed: int,
        how: Sampling,
        first_row: int = 0,
    ) -> Generator[None, None, list[list[int]]]:
        """The same, a token of each row at a time, to be told of."""
        import torch

        numbers = range(first_row, first_row + len(prompts) * count)
        draws = [np.random.default_rng((seed, row)) for row in numbers]
        marks = Marks(self.tokenizer.pad_token_id, self._ends(), self._never)
        rows = written(self.model, prompts, draws, how, marks)
        return (yield from within(torch.inference_mode, rows))

    def stream(
        self,
        messages: Messages,
        lora: Path | None,
        seed: int,
        limit: int = 160,
        temperature: float = 0.7,
        top_p: float = 0.92,
    ) -> Iterator[str]:
        """One answer as it grows, a token at a time, in the voice of the LoRA in `lora`, or of the base.

        Computes only while the next token is asked for, so several streams on one writer can take turns.
        Raises Mistake for a folder that is no LoRA of this base, and where the model gives no numbers.
        """
        import torch
        from transformers import DynamicCache

        cache, luck, said = DynamicCache(), np.random.default_rng((seed, 0)), list[int]()
        with self.voice(lora):
            ids, ends = self.prompt(messages), self._ends()
        while len(said) < limit:
            with self.voice(lora), torch.inference_mode():
                rows = torch.tensor([ids], device=self.model.device)
                out = self.model(input_ids=rows, past_key_values=cache, logits_to_keep=1)
                ids = draw(out.logits[:, -1], [luck], temperature, top_p, self._never)
            if ids[0] in ends:
                return
            said += ids
            yield answer(self.tokenizer, said).rstrip("\ufffd")  # the first bytes of a letter

    def structuring(
        self,
        messages: Messages,
        schema: Mapping[str, Any],
        seed: int = 0,
        temperature: float = 0.6,
        top_p: float = 0.92,
    ) -> Generator[str, None, dict[str, Any]]:
        """An object of the JSON schema, as only such can be drawn; tells the answer so far."""
        import torch
        from transformers import DynamicCache

        cache, luck, said = DynamicCache(), np.random.default_rng((seed, 0)), list[int]()
        ids, allowed = self.prompt(messages), None
        while allowed is None or not allowed.ended:
            with torch.inference_mode():
                rows = torch.tensor([ids], device=self.model.device)
                logits = self.model(input_ids=rows, past_key_values=cache, logits_to_keep=1).logits[:, -1]
                allowed = allowed or Allowed(self.tokenizer, logits.shape[-1], schema)
                ids = draw(allowed.only(logits.float()), [luck], temperature, top_p, self._never)
            allowed.take(ids[0])
            said += ids
            yield self.tokenizer.decode(said)
            if len(said) == MOST_TOKENS:
                raise Mistake(
                    "The language model {name} didn't come to an end; ask for fewer scenes, or choose "
                    "another.",
                    name=self.base,
                )
        found: dict[str, Any] = json.loads(
            self.tokenizer.decode(said, clean_up_tokenization_spaces=False), strict=False
        )
        return found

    def close(self) -> None:
        """Lets go of the model's memory."""
        self.model = self.tokenizer = None
        device.free()

    def log_probs(self, chat: Messages, replies: Sequence[str]) -> list[float]:
        """Mean natural log-probability a token of each reply as the answer to `chat`; -inf for none."""
        tails = [self._plain(reply) for reply in replies]
        sums = self._tail_log_probs(self.prompt(chat), tails)
        return [total / len(tail) if tail else -math.inf for total, tail in zip(sums, tails, strict=True)]

    def endings(self, start: str, ends: Sequence[str]) -> list[float]:
        """Natural log-probability of each of `ends` as a whole, right after the plain text `start`."""
        return self._tail_log_probs(self._plain(start), [self._plain(end) for end in ends])

    def _tail_log_probs(self, head: list[int], tails: Sequence[list[int]]) -> list[float]:
        """Log-probability of each tail after the same head, which runs through the model once."""
        import torch
        from transformers import DynamicCache

        sums: list[float] = []
        with torch.inference_mode():
            ids = torch.tensor([head], device=self.model.device)
            shared = DynamicCache()
            first = self.model(input_ids=ids, past_key_values=shared, logits_to_keep=1).logits
            ordered = sorted(range(len(tails)), key=lambda at: len(tails[at]))  # little is filled up then
            for at in range(0, len(tails), ROWS_AT_ONCE):
                some = [tails[place] for place in ordered[at : at + ROWS_AT_ONCE]]
                sums += self._after(first, copy.deepcopy(shared), some)
        return [total for _, total in sorted(zip(ordered, sums, strict=True))]

    def _after(self, first: torch.Tensor, cache: Any, tails: Sequence[list[int]]) -> list[float]:
        """Log-probability of each tail from the head's last logits [1, 1, words] and its keys and values."""
        import torch

        longest = max(len(tail) for tail in tails)
        if longest == 0:
            return [0.0] * len(tails)
        rows = torch.tensor([tail + [0] * (longest - len(tail)) for tail in tails], device=first.device)
        logits = first.expand(len(tails), -1, -1)
        if longest > 1:
            cache.batch_repeat_interleave(len(tails))
            rest = self.model(input_ids=rows[:, :-1], past_key_values=cache).logits
            logits = torch.cat([logits, rest], 1)
        logs = torch.log_softmax(logits.float(), -1).gather(-1, rows[..., None])[..., 0]
        return [float(row[: len(tail)].sum()) for row, tail in zip(logs, tails, strict=True)]

    def tokens_for(self, words: int, chats: Sequence[Messages]) -> int:
        """Tokens that an answer of so many words takes, with room to spare, in the language of `chats`."""
        asked = [chat[-1]["content"] for chat in chats]
        measured = [1.2 * len(self._plain(text)) / max(1.0, speech.words(text)) for text in asked]
        return int(words * max(TOKENS_A_WORD, *measured)) + 4

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _ends(self) -> set[int]:
        """Every token id that ends an answer."""
        return ends_of(self.model, self.tokenizer)


def whole_sentences(text: str, max_words: int) -> str:
    """A model's raw answer as one line of whole sentences within `max_words`; empty where it has none.

    Words are counted as `core.texts.speech.words` does. The first sentence is kept however long it is.
    """
    line = speech.one_line(text)
    if not dense([line]):
        line = line.replace("’", "'").replace("“", '"').replace("”", '"')
    kept: list[str] = []
    words = 0.0
    for sentence in speech.ended_sentences(line):
        words += speech.words(sentence)
        if kept and words > max_words:
            break
        kept.append(sentence)
    return speech.joined(kept)
