"""Wrong guesses at the login wait, each address for itself; what is remembered is bounded."""

from __future__ import annotations

import pytest

from tabs.gate.logins import FORGET_S, FREE_TRIES, LONGEST_WAIT_S, MOST_ADDRESSES, Logins, address_of


def test_the_waits_of_an_address_double_and_are_forgotten():
    logins = Logins()
    assert [logins.failed("a", 0.0) for _ in range(FREE_TRIES)] == [0] * FREE_TRIES
    assert [logins.failed("a", 1.0) for _ in range(7)] == [1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert logins.failed("b", 1.0) == 0
    assert logins.failed("a", 1.0 + FORGET_S) == 0


def test_only_so_many_addresses_are_remembered():
    logins = Logins()
    for number in range(MOST_ADDRESSES + 50):
        logins.failed(str(number), 0.0)
    assert len(logins.failures) == MOST_ADDRESSES and "0" not in logins.failures


@pytest.mark.parametrize(
    ("told", "behind_proxy", "address"),
    [
        ([], True, "127.0.0.1"),
        (["203.0.113.1"], True, "203.0.113.1"),
        (["203.0.113.1"], False, "127.0.0.1"),
        (["9.9.9.9, 203.0.113.1"], True, "203.0.113.1"),  # what stands before the last a guest can write
        (["9.9.9.9", "203.0.113.1"], True, "203.0.113.1"),
        (["2001:db8:1:2:3::4"], True, "2001:db8:1:2::/64"),
        (["x" * 100_000], True, "unknown"),
    ],
)
def test_the_nearest_proxys_word_counts_where_there_is_one(told, behind_proxy, address):
    headers = [(b"x-forwarded-for", one.encode()) for one in told]
    scope = {"type": "http", "headers": headers, "client": ("127.0.0.1", 5)}
    assert address_of(scope, behind_proxy) == address
