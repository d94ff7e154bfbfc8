"""A language model by its address: whatever answers as OpenAI's chat completions do (Ollama, LM Studio, vLLM,
llama.cpp's server, a cloud).

The key comes from STUDIO_LLM_KEY, or from the file `llm-key` in the home that only its owner may read; it is
sent to the address and to nobody else, and stands in no settings, log or error. Knows nothing about scenes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.files import contents
from core.messages import Mistake, Sentence
from core.progress import outcome
from core.project import Home
from core.texts.reasoning import spoken
from core.texts.writer import Messages, whole_sentences

if TYPE_CHECKING:
    pass

KEY, KEY_FILE = "STUDIO_LLM_KEY", "llm-key"
CONNECT_S, QUIET_S, WHOLE_S = 10.0, 120.0, 900.0  # to be let in, between two tokens, an answer in all
TRIES, WAIT_S = 3, 1.0  # of what may go better again, and the first wait between them
FRESH = 0.4  # how much less likely a word is that was said
MOST_BYTES = 1_000_000  # of one answer
LOCAL = ("127.0.0.1", "localhost", "::1")
TOKENS_A_WORD = 3.0  # with room to spare, in any language


def is_address(base: str) -> bool:
    """Whether a base's name is an address."""
    return base.lower().startswith(("http://", "https://"))


def check_address(address: str) -> None:
    """Raises Mistake for an address that can't be asked, or that holds a secret, which reports would show."""
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise Mistake(
            "{address} is no address of a language model; one looks like http://127.0.0.1:11434/v1.",
            address=address,
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Mistake(
            "The address of a language model holds no key, name or question; put the key into {key}.", key=KEY
        )


def key() -> str:
    """The key to an address; empty where none is set. Raises Mistake where others could read its file."""
    if said := os.environ.get(KEY, "").strip():
        if not re.fullmatch(r"[!-~]+", said):
            raise Mistake("{key} holds no key; a key is one line without spaces.", key=KEY)
        return said
    file = Home.default().folder / KEY_FILE
    if not file.exists():
        return ""
    if os.name != "nt" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Mistake("{file} can be read by others; run: chmod 600 {file}", file=file)
    said = contents(file, 10_000).decode("utf-8", "replace").strip()
    if not re.fullmatch(r"[!-~]+", said):
        raise Mistake("{file} holds no key; a key is one line without spaces.", file=file)
    return said


class Endpoint:
    """A language model at an address. `text_lora`s are chosen there, by the model's name."""

    def __init__(
        self, base: str, model: str = "", secret: str | None = None, quiet_s: float = QUIET_S
    ) -> None:
        import httpx

        check_address(base)
        self.base, self.address = base, base.rstrip("/")
        secret = key() if secret is None else secret
        here = urlsplit(base).hostname in LOCAL
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            timeout=httpx.Timeout(quiet_s, connect=CONNECT_S),
            trust_env=not here,  # a proxy leads nobody to this machine
        )
        self.more: dict[str, Any] = {}  # what else is said with each request
        self.model = model or self._first_model()

    @property
    def size(self) -> int:
        """Unknown, so taken for large: who gives an address chose a model that can write."""
        return 10**12

    @contextlib.contextmanager
    def voice(self, lora: Path | None) -> Iterator[None]:
        """The model as it is; a text LoRA of this machine can't be sent. Raises Mistake for one."""
        if lora is not None:
            raise Mistake(
                "The text LoRA {folder} can't speak at {address}; load it there (its README tells how), give "
                "its name as the model, and choose no text LoRA here.",
                folder=lora,
                address=self.address,
            )
        yield

    def candidates_for(
        self,
        chats: Sequence[Messages],
        count: int,
        seed: int,
        max_words: int = 20,
        temperature: float = 0.7,
        top_p: float = 0.92,
    ) -> list[list[str]]:
        """`count` answers to each chat, one after another, each cut to whole sentences."""
        limit = int(max_words * TOKENS_A_WORD) + 8
        return [
            [
                whole_sentences(
                    spoken(self.said(chat, seed * 1000 + at * count + row, limit, temperature, top_p)),
                    max_words,
                )
                for row in range(count)
            ]
            for at, chat in enumerate(chats)
        ]

    def said(self, messages: Messages, seed: int, limit: int, temperature: float, top_p: float) -> str:
        """One answer of at most `limit` tokens."""
        how = {"max_tokens": limit, "temperature": temperature, "top_p": top_p, "seed": seed}
        return outcome(self.saying(messages, how))

    def structuring(
        self,
        messages: Messages,
        schema: Mapping[str, Any],
        seed: int = 0,
        temperature: float = 0.6,
        top_p: float = 0.92,
    ) -> Generator[str, None, dict[str, Any]]:
        """An object of the schema. A server that doesn't keep to it is asked again, in its own words too."""
        for seed_ in range(seed, seed + TRIES):
            how = {"temperature": temperature, "top_p": top_p, "seed": seed_, "presence_penalty": FRESH}
            form = {"name": "answer", "strict": True, "schema": dict(schema)}
            try:
                text = yield from self.saying(
                    messages, how | {"response_format": {"type": "json_schema", "json_schema": form}}
                )
            except _Refused:  # by a server that knows no schemas
                text = yield from self.saying(_with_schema(messages, schema), how)
            found = _object(text)
            if found is not None and _keeps_to(found, schema):
                return found
        raise Mistake(
            "The language model at {address} doesn't answer in the form it was asked for; choose another "
            "model there.",
            address=self.address,
        )

    def saying(self, messages: Messages, how: Mapping[str, Any]) -> Generator[str, None, str]:
        """An answer as it grows; in the end the whole. Raises Mistake where there is none."""
        body = {"model": self.model, "messages": list(messages), "stream": True, **how, **self.more}
        for left in reversed(range(TRIES)):
            try:
                return (yield from self._streamed(body))
            except _Again as fault:
                if not left:
                    raise self._silent(fault.reason) from None
                time.sleep(WAIT_S * (TRIES - left))
        raise AssertionError

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _streamed(self, body: Mapping[str, Any]) -> Generator[str, None, str]:
        """One try at an answer. Raises _Again for what may pass, _Refused for what it doesn't understand."""
        import httpx

        text, heard, began = "", False, time.monotonic()
        try:
            with self._client.stream("POST", f"{self.address}/chat/completions", json=body) as reply:
                if reply.status_code != 200:
                    self._refused(reply.status_code)
                for line in reply.iter_lines():
                    piece = _piece(line)
                    heard, text = heard or piece is not None, text + (piece or "")
                    if len(text) > MOST_BYTES or time.monotonic() - began > WHOLE_S:
                        raise self._silent(Sentence("its answer has no end"))
                    yield text
        except httpx.TimeoutException:
            raise _Again(Sentence("it takes too long")) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Again(type(error).__name__) from None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise self._silent(Sentence("it answers in another form than OpenAI's")) from None
        if not heard:
            raise _Again(Sentence("its answer is empty"))
        return text

    def _refused(self, status: int) -> None:
        """Raises what an answer without an answer means."""
        if status in (401, 403):
            raise Mistake(
                "The language model at {address} refuses the key; put the right one into {key}, or into "
                "{file}.",
                address=self.address,
                key=KEY,
                file=Home.default().folder / KEY_FILE,
            )
        if status == 404:
            raise Mistake(
                "There is no model {model} at {address}; check both (the address often ends with /v1).",
                model=self.model or "?",
                address=self.address,
            )
        if status in (400, 422):
            raise _Refused(
                "The language model at {address} doesn't understand what it is asked (status {status}); "
                "choose another.",
                address=self.address,
                status=status,
            )
        if status == 429 or status >= 500:
            raise _Again(Sentence("it answers with status {status}", status=status))
        raise self._silent(Sentence("it answers with status {status}", status=status))

    def _first_model(self) -> str:
        """The first model that the address lists."""
        import httpx

        try:
            reply = self._client.get(f"{self.address}/models", timeout=CONNECT_S)
        except httpx.TimeoutException:
            raise self._silent(Sentence("it takes too long")) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent(type(error).__name__) from None
        if reply.status_code in (401, 403):
            self._refused(reply.status_code)
        try:
            return str(reply.json()["data"][0]["id"])
        except (ValueError, KeyError, TypeError, IndexError):
            raise Mistake(
                "{address} lists no model; name one, and check the address (it often ends with /v1).",
                address=self.address,
            ) from None

    def _silent(self, reason: str) -> Mistake:
        return Mistake(
            "The language model at {address} doesn't answer ({reason}); start it, check the address, or "
            "choose another.",
            address=self.address,
            reason=reason,
        )


class _Again(Exception):
    """What may go better when it is tried again."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Refused(Mistake):
    """A request that the server doesn't understand."""


def _piece(line: str) -> str | None:
    """What a line of a streamed answer adds; None for one that is no part of it."""
    if not line.startswith("data:") or line.endswith("[DONE]"):
        return None
    said = json.loads(line[len("data:") :])
    if "error" in said:
        raise ValueError
    return "".join(choice["delta"].get("content") or "" for choice in said["choices"][:1])


def _with_schema(messages: Messages, schema: Mapping[str, Any]) -> Messages:
    """The same chat, with the schema in its last turn's words."""
    *before, last = messages
    form = f"{last['content']}\n\nAnswer with JSON alone, of this schema:\n{json.dumps(schema)}"
    return [*before, {**last, "content": form}]


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object in an answer, which may stand between other words; None where there is none."""
    text = spoken(text)
    try:
        found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _keeps_to(found: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    import jsonschema

    return bool(jsonschema.Draft202012Validator(schema).is_valid(found))
