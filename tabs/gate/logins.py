"""Slows guessing at the login, each address for itself.

The password is 72 random bits, made at each start, so no pace of guessing finds it: what is slowed is the
noise. A guess is therefore checked first and only a wrong one waits for its answer. The right password never
waits, not even where all guests come from one address, as behind a proxy that keeps theirs to itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FREE_TRIES = 5
FORGET_S = 15 * 60
LONGEST_WAIT_S = 30.0
MOST_ADDRESSES = 1000
MOST_WAITING = 100


class Logins:
    """Wrong guesses by address: how many, and when the last one was.

    `behind_proxy`: the address that the nearest proxy names is the guest's; elsewhere anybody could name one.
    At most `MOST_ADDRESSES` are remembered, and `MOST_WAITING` answers kept back; one more comes at once.
    """

    def __init__(self, behind_proxy: bool = False) -> None:
        self.behind_proxy = behind_proxy
        self.failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.waiting = 0

    def failed(self, address: str, now: float) -> float:
        """Counts a wrong guess at the time `now`; returns the seconds that its answer waits."""
        count, last = self.failures.pop(address, (0, now))
        count = count + 1 if now - last < FORGET_S else 1
        self.failures[address] = (count, now)
        while len(self.failures) > MOST_ADDRESSES:
            self.failures.popitem(last=False)
        return min(2.0 ** (count - FREE_TRIES - 1), LONGEST_WAIT_S) if count > FREE_TRIES else 0.0

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """A login: at once where it is right, after its address's wait where it is wrong."""

        async def kept_back(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                wait = self.failed(address_of(scope, self.behind_proxy), time.monotonic())
                if self.waiting < MOST_WAITING:
                    self.waiting += 1
                    try:
                        await asyncio.sleep(wait)
                    finally:
                        self.waiting -= 1
            await send(message)

        await app(scope, receive, kept_back)


def address_of(scope: Scope, behind_proxy: bool) -> str:
    """Where a request comes from; behind a proxy the last address in X-Forwarded-For, which that one wrote.

    A network of IPv6 addresses (/64) counts as one: a household has that many.
    """
    addresses = Headers(scope=scope).getlist("x-forwarded-for") if behind_proxy else []
    last = addresses[-1].rpartition(",")[2].strip() if addresses else ""
    given = last or (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else given
