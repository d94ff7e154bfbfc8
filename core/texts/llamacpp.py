"""Large language models in GGUF files, run by llama.cpp (xllamacpp's wheels): on a CPU six times as fast as
transformers in half the memory (tests/bench/README.md).

It runs in a process of its own, which holds the model's memory and nothing else of the studio: what it breaks
on ends there, and when it goes all is given back. It is asked over HTTP on this machine, with a key that no
other program knows. A text LoRA is given to it as peft has it, its names and numbers rewritten; nothing is
merged. Knows nothing about scenes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core import gguf_file, weights
from core.bases.language_model import LARGE
from core.messages import Mistake
from core.project import ROOT
from core.texts import lora_gguf
from core.texts.endpoint import Endpoint
from core.texts.template import of_folder
from core.texts.writer import Messages
from core.weights import GGUF

CONTEXT = 6144  # tokens of a chat and its answer: 20 scenes and their request
# Words that follow one another as they did before are made a little less likely (DRY): a small model fell
# into one sentence six times. More of it breaks what must be named again: 尤克里里 is four tokens.
FRESH = {"dry_multiplier": 1.0, "dry_base": 1.5, "dry_allowed_length": 1, "dry_penalty_last_n": 1024}
LEAST = 0.08  # of the likeliest token's share: what is less likely is never drawn (min-p)
QUIET_S = 600.0  # between two tokens, and while the chat is read


def runs(file: Path, loras: Sequence[Path] = ()) -> bool:
    """Whether llama.cpp runs a base with these text LoRAs: a GGUF file of a large model, plain LoRAs.

    Small ones are quick in transformers, which also weighs their words.
    """
    if file.suffix != GGUF or not file.is_file() or find_spec("xllamacpp") is None:
        return False
    weights.check_claims(file)
    return _count(file) >= LARGE and all(lora_gguf.speaks(lora, file) for lora in loras)


def _count(file: Path) -> int:
    """How many numbers a GGUF file's tensors are."""
    return sum(math.prod(shape) for shape in gguf_file.shapes(file).values())


class LlamaCpp:
    """A GGUF file in llama.cpp, started when it is first asked, and anew with each new text LoRA."""

    def __init__(self, base: str, file: Path) -> None:
        self.base, self.file = base, file
        self._folder = tempfile.TemporaryDirectory(prefix="studio-llm-")
        self._loras: dict[Path, Path] = {}
        self._template: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._client: Endpoint | None = None
        self._speaking: Path | None = None
        self.size = _count(file)

    @contextlib.contextmanager
    def voice(self, lora: Path | None) -> Iterator[None]:
        """Within it the model speaks with the LoRA in folder `lora`; with None it is the base alone.

        Raises Mistake for a folder that is none, or none for this base.
        """
        before = self._speaking
        if lora is not None and lora not in self._loras:
            made = Path(self._folder.name) / f"{len(self._loras)}.gguf"
            lora_gguf.write(lora, self.file, self.base, made)
            self._loras[lora] = made
            self._template = of_folder(lora) or self._template
            self._stop()
        self._speaking = lora
        try:
            yield
        finally:
            self._speaking = before

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
        with self._asked() as client:
            return client.candidates_for(chats, count, seed, max_words, temperature, top_p)

    def structuring(
        self,
        messages: Messages,
        schema: Mapping[str, Any],
        seed: int = 0,
        temperature: float = 0.6,
        top_p: float = 0.92,
    ) -> Generator[str, None, dict[str, Any]]:
        """An object of the schema, which is all that llama.cpp lets the model write."""
        how = {"temperature": temperature, "top_p": top_p, "seed": seed, "grammar": grammar(schema)}
        with self._asked() as client:
            text = yield from client.saying(messages, how | FRESH | {"min_p": LEAST})
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:  # the room of a chat was used up
            raise Mistake(
                "The language model {name} didn't come to an end; ask for fewer scenes, or choose another.",
                name=self.base,
            ) from None
        return found

    def close(self) -> None:
        """Ends llama.cpp; all memory comes back."""
        self._stop()
        self._folder.cleanup()

    @contextlib.contextmanager
    def _asked(self) -> Iterator[Endpoint]:
        """Who asks llama.cpp, with the LoRA that speaks. Raises Mistake where it can't start, or ended."""
        client = self._client or self._start()
        client.more["lora"] = [
            {"id": number, "scale": float(lora == self._speaking)} for number, lora in enumerate(self._loras)
        ]
        try:
            yield client
        except Mistake:
            if self._process is not None and self._process.poll() is None:
                raise
            raise self._not_loaded() from None

    def _start(self) -> Endpoint:
        secret = secrets.token_urlsafe(24)
        asked = {
            "model": str(self.file),
            "loras": [str(path) for path in self._loras.values()],
            "template": self._template or "",
            "key": secret,
            "context": CONTEXT,
            "threads": threads(),
        }
        command = [sys.executable, "-m", "core.texts.llamacpp_server"]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(OSError):  # it is gone already: told below
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        address = self._process.stdout.readline().strip()
        if not address:
            self._stop()
            raise self._not_loaded()
        self._client = Endpoint(f"{address}/v1", self.file.name, secret, QUIET_S)
        return self._client

    def _stop(self) -> None:
        """Ends the process, if there is one; closing its input tells it, too, when the studio is killed."""
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._client = self._process = None

    def _not_loaded(self) -> Mistake:
        return Mistake(
            "llama.cpp can't run the language model {name}; there may be too little memory for it, or the "
            "file is damaged: close other programs, get it again, or choose another.",
            name=self.base,
        )


def threads() -> int:
    """Threads that compute: one a core, for two on one wait for each other; OMP_NUM_THREADS may say less."""
    import psutil

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    named = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, allowed, int(named) if named.isdigit() and int(named) else cores)


def grammar(schema: Mapping[str, Any]) -> str:
    """llama.cpp's grammar of the schema, without the blanks that JSON allows and nobody needs.

    llguidance's form, where the wheel was built with it, takes the schema as it is; else it is rules.
    """
    import xllamacpp

    made = xllamacpp.json_schema_to_grammar({**schema, "x-guidance": {"whitespace_flexible": False}})
    return re.sub(r"(?m)^space ::=.*$", 'space ::= ""', made)
