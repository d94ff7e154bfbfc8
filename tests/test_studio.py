"""The window as a process: it opens whatever proxies the environment names, and a login keeps others out."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def opened(*arguments: str, home: Path, **environment: str) -> Iterator[tuple[str, str]]:
    """The window's address and what it printed, until it is ended by Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "studio.py"), "--no-browser", "--home", str(home), *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    said = ""
    try:
        for line in process.stdout:
            said += line
            if line.startswith("Log in as") or (
                line.startswith("LoRA Studio is open") and not guarded(arguments)
            ):
                break
        found = re.search(r"open at (\S+)", said)
        assert found, said
        yield found[1], said
        if process.poll() is None:  # else it was killed
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def guarded(arguments: tuple[str, ...]) -> bool:
    return bool({"--share", "--host", "--allow-host", "--root-path"} & set(arguments)) and not (
        {"::1", "[::1]"} & set(arguments)
    )


def test_no_library_reports_to_its_maker(tmp_path: Path) -> None:
    """onnxruntime would give this machine a number, kept in the cache folder, and report by a thread."""
    kept = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    code = "import core, onnxruntime, huggingface_hub.constants as hub, time; time.sleep(1)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(hub.HF_HUB_DISABLE_TELEMETRY)"],
        env={**kept, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "True"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [(), ("--host", "0.0.0.0"), ("--share",)])
def test_the_window_opens_with_proxies_set_and_asks_none_for_itself(tmp_path, arguments):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        here = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        named = {"http_proxy": here, "HTTP_PROXY": here, "ALL_PROXY": "socks5://127.0.0.1:9"}
        if "--share" in arguments:  # it asks the outside; that proxy refuses at once
            named["https_proxy"] = "http://127.0.0.1:9"
        spared = {"no_proxy": "intranet.example", "NO_PROXY": ""}
        with opened(*arguments, home=tmp_path, **named, **spared) as (address, said):
            assert httpx.get(address, trust_env=False).status_code == 200
            assert "socks5://127.0.0.1:9 is no HTTP proxy" in said
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_it_opens_on_ipv6_at_a_port_that_is_free(tmp_path, host):
    """Gradio looks for a free port at 127.0.0.1, whatever the host is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with opened("--host", host, "--port", str(port), home=tmp_path) as (address, said):
            assert (
                address.startswith("http://[::1]:") and f":{port}/" not in address and "password" not in said
            )
            assert httpx.get(address, trust_env=False).status_code == 200
            assert (tmp_path / "uploads").is_dir()


def test_a_rented_machines_name_is_allowed_behind_the_password(tmp_path):
    name = "abc-7994.proxy.runpod.net"
    with opened("--allow-host", "*.proxy.runpod.net", home=tmp_path) as (address, said):
        asked = httpx.Client(
            base_url=address, headers={"host": name, "origin": f"https://{name}"}, trust_env=False
        )
        page, password = "gradio_api/info", re.search(r"password (\S+)", said)
        assert password and asked.get("").status_code == 200 and asked.get(page).status_code == 401
        known = {"username": "studio", "password": password[1]}
        assert asked.post("login", data={**known, "password": "guessed"}).status_code == 400
        assert asked.post("login", data=known).json() == {"success": True}
        assert asked.get(page).status_code != 401
        other = asked.get("", headers={"host": "evil.example"})
        assert other.status_code == 403 and "--allow-host evil.example" in other.text


def test_a_name_that_cant_be_allowed_is_one_sentence(tmp_path):
    command = [sys.executable, str(ROOT / "studio.py"), "--home", str(tmp_path), "--allow-host", "two names"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.startswith("studio: --allow-host takes a name such as") and "\n" not in done.stderr[:-1]
    )


def test_two_studios_on_one_home(tmp_path):
    """The second says so, as does the demo, which works in the home; other commands work; a kill frees it."""
    home = tmp_path / "my 工作室"

    def command(*arguments):
        done = subprocess.run([sys.executable, str(ROOT / "studio.py"), "--home", str(home), *arguments],
                              capture_output=True, text=True)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    said = f"studio: Another LoRA Studio is open on {home}; use its window, close it, or choose another"
    texts = ROOT / "assets" / "sample" / "texts"
    with opened(home=home) as (address, _):
        for arguments in (["--no-browser"], ["demo"]):
            status, shown, told = command(*arguments)
            assert (status, shown) == (2, "") and told.startswith(said) and told.count("\n") == 1
        assert command("texts", str(texts), "--output", str(home / "train.jsonl"))[0] == 0
        assert httpx.get(address, trust_env=False).status_code == 200
        (window,) = [one for one in psutil.Process().children() if str(home) in one.cmdline()]
        (home / "projects" / f".x.{window.pid}-1.part.json").touch()
        window.kill()
        window.wait()
    with opened(home=home) as (address, _):
        assert httpx.get(address, trust_env=False).status_code == 200
        assert not list(home.rglob("*.part*"))
    assert not (home / ".lock").exists()
