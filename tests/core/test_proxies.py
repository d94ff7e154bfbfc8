"""Proxies in the environment, as httpx reads it: the outside goes through them, this machine's own never."""

from __future__ import annotations

import os

import httpx
import pytest

from core import proxies

PROXY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch):
    """None of the machine's own; what is set here is undone."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, "")
            monkeypatch.delenv(spelling)
    return monkeypatch


def goes_by_a_proxy(url: str) -> bool:
    with httpx.Client() as client:
        return client._transport_for_url(httpx.URL(url)) is not client._transport


OWN = ("http://127.0.0.1:7860/", "http://localhost:7860/", "http://[::1]:7860/", "http://192.0.2.7:7860/")


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("spared", [{}, {"no_proxy": "intranet.example"}, {"NO_PROXY": "intranet.example"}])
def test_own_addresses_go_past_a_proxy_and_the_outside_goes_by_it(environment, name, spared):
    for key, value in {name: PROXY, **spared}.items():
        environment.setenv(key, value)
    assert all(map(goes_by_a_proxy, OWN))
    assert proxies.spare("192.0.2.7") == []
    assert not any(map(goes_by_a_proxy, OWN))
    assert goes_by_a_proxy("http://example.org/")
    assert goes_by_a_proxy("http://intranet.example/") == (not spared)


def test_where_nothing_goes_by_a_proxy_all_stays(environment):
    proxies.spare()
    assert "no_proxy" not in os.environ
    environment.setenv("http_proxy", PROXY)
    environment.setenv("no_proxy", "*")
    proxies.spare()
    assert os.environ["no_proxy"] == "*"


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_a_proxy_that_httpx_cant_speak_to_is_left_out(environment, address):
    environment.setenv("ALL_PROXY", address)
    environment.setenv("https_proxy", PROXY)
    with pytest.raises((ImportError, ValueError)):
        httpx.Client()
    assert proxies.spare() == [address]
    assert goes_by_a_proxy("https://example.org/") and not goes_by_a_proxy("http://example.org/")


def test_the_systems_own_proxy_spares_own_addresses_too(environment):
    """Windows and macOS: settings that urllib reads only where the environment names none."""
    asked = proxies.urllib.request.getproxies
    system = {"http": PROXY, "https": PROXY}
    environment.setattr("urllib.request.getproxies", lambda: asked() or system)
    proxies.spare()
    assert goes_by_a_proxy("https://example.org/") and not any(map(goes_by_a_proxy, OWN[:3]))
