"""Proxies between this machine and the outside: what stands in the environment, made fit for the studio.

Only the standard library. Knows nothing about who asks what.
"""

from __future__ import annotations

import importlib.util
import os
import urllib.request

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KINDS = ("http", "https", "all")


def spare(*own: str) -> list[str]:
    """Sends this machine's own addresses (loopback, and `own`) past every proxy, for this process.

    A proxy is for the outside, but httpx, by which gradio asks itself, takes one for loopback too where
    no_proxy doesn't name it. Proxies that Windows or macOS have in their settings are put into the
    environment, since no_proxy counts only there. Returns those left out because httpx can't speak to them
    (SOCKS without the package socksio); where it is told of one it does nothing at all.
    """
    system = urllib.request.getproxies()
    proxies = {kind: system[kind] for kind in KINDS if kind in system}
    for kind, address in proxies.items():
        _set(f"{kind}_proxy", address if _usable(address) else None)
    spared = [name.strip() for name in system.get("no", "").split(",") if name.strip()]
    if proxies and "*" not in spared:
        _set("no_proxy", ",".join(dict.fromkeys((*spared, *LOOPBACK, *own))))
    return sorted({address for address in proxies.values() if not _usable(address)})


def _usable(address: str) -> bool:
    """Whether httpx can speak to a proxy; one without a scheme it takes for HTTP."""
    scheme = address.lower().partition("://")[0] if "://" in address else "http"
    if scheme in ("socks5", "socks5h"):
        return importlib.util.find_spec("socksio") is not None
    return scheme in ("http", "https")


def _set(name: str, value: str | None) -> None:
    """Sets or takes away a variable in both spellings: some programs read the one, some the other."""
    for spelling in (name, name.upper()):
        if value is None:
            os.environ.pop(spelling, None)
        else:
            os.environ[spelling] = value
