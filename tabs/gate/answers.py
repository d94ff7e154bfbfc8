"""What every answer of the window carries: headers that keep a page to itself, and safe types for files.

A file of the home is served by a type from a short list, whatever it is called and whatever is in it: what a
guest dropped can be looked at or saved, and never runs. Knows nothing of who asks.
"""

from __future__ import annotations

from pathlib import PurePath

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

# Gradio makes functions of text for its HTML blocks and for `js=`, so that 'unsafe-eval' is needed.
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; manifest-src 'self'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
FILE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# What the window shows of the home; anything else is only saved.
SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
    ".wav": "audio/wav",
}
# For parts of a file Gradio gives the question's headers back, cookies too.
OF_A_FILE = {
    "accept-ranges",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "vary",
}
FILE_PATHS = ("/gradio_api/file=", "/gradio_api/file/")


def guarded_answer(scope: Scope, send: Send) -> Send:
    """`send` for an answer to this request, with the headers that it lacks."""

    async def signed(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            message = {**message, "headers": list(message.get("headers", []))}
            headers = MutableHeaders(scope=message)
            sign(headers, scope, message["status"])
        await send(message)

    return signed


def sign(headers: MutableHeaders, scope: Scope, status: int) -> None:
    """Adds what every answer carries to its headers; `scope["nonce"]` marks the page's own scripts."""
    policy = POLICY.format(nonce=scope["nonce"])
    if scope["path"].startswith(FILE_PATHS) and status in (200, 206):
        _as_a_file(headers, PurePath(scope["path"]))
        policy = FILE_POLICY
    headers.update({**ALWAYS, "Content-Security-Policy": policy})
    for at, (name, value) in enumerate(headers.raw):
        if name == b"set-cookie":  # Gradio's pages may stand in frames of other sites; the studio's don't
            headers.raw[at] = (name, value.replace(b"SameSite=none", b"SameSite=lax"))


def _as_a_file(headers: MutableHeaders, path: PurePath) -> None:
    """Gives a file's answer a safe type, and has it saved where the window doesn't show its kind."""
    for name in set(headers) - OF_A_FILE:
        del headers[name]
    proof = path.name == "proof.html" and path.parent.suffix == ".proof"
    kind = "text/html; charset=utf-8" if proof else SHOWN.get(path.suffix.lower())
    headers["Content-Type"] = kind or "application/octet-stream"
    headers["Cache-Control"] = "private"
    if kind is None:
        given = headers.get("content-disposition", "")
        headers["Content-Disposition"] = "attachment" + given.removeprefix("attachment").removeprefix(
            "inline"
        )
