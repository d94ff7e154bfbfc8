"""A small server of this machine that answers as OpenAI's chat completions do, or as a test wishes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """What the server answers next, in order (the last one for ever), and what it was asked.

    An answer is a text, streamed; bytes, sent as they are; a status; or a function of the request's handler.
    """

    address: str = ""
    answers: list[Any] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextlib.contextmanager
def serving() -> Iterator[Served]:
    """The server, while it lasts."""
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.keys.append(self.headers.get("Authorization"))
            self.send(200, json.dumps({"data": [{"id": "first"}, {"id": "second"}]}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append(json.loads(body))
            state.keys.append(self.headers.get("Authorization"))
            answer = state.answers[0] if len(state.answers) == 1 else state.answers.pop(0)
            if isinstance(answer, int):
                self.send(answer, b"no")
            elif isinstance(answer, bytes):
                self.send(200, answer)
            elif callable(answer):
                answer(self)
            else:
                self.send(200, streamed(answer))

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def streamed(text: str) -> bytes:
    """An answer as OpenAI streams it, a few letters at a time."""
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    lines = [f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n" for piece in pieces]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()
