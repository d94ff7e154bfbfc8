"""Set-up: what is believed, what is completed, what is said; pip itself is not run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import setup
from core.messages import Mistake


@pytest.mark.parametrize(
    ("line", "version", "met"),
    [
        ("torch>=2.9,<3", "2.15.0+cu130", True),
        ("torch>=2.9,<3", "3.0", False),
        ("torch>=2.9,<3", "2.8.9", False),
        ("numpy>=2.0,<3", "2.0.0", True),
        ("pillow", "1.0", True),
        ("model-1==0.1.0", "0.1.0", True),
        ("model-1==0.1.0", "0.1.1", False),
    ],
)
def test_versions(line: str, version: str, met: bool) -> None:
    assert setup.satisfied(line, version) is met


def test_this_environment_lacks_nothing_and_a_bare_one_lacks_all(tmp_path: Path) -> None:
    wanted = setup.requirements(dev=True)
    assert setup.missing(wanted) == []
    assert setup.missing(wanted, [str(tmp_path)]) == wanted


def test_nothing_is_installed_where_all_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "VENV", Path("/nowhere"))
    setup.ensure(dev=True)


def make_papers(folder: Path, name: str, whole: bool) -> Path:
    papers = folder / f"{name}-1.0.dist-info"
    papers.mkdir(parents=True)
    (papers / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    if whole:
        (papers / "INSTALLER").write_text("pip")
    return papers


def test_an_interrupted_installation_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    folder = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    whole, cut = make_papers(folder, "whole", True), make_papers(folder, "cut", False)
    assert not setup.is_ready(False)
    setup.repair()
    assert whole.exists() and not cut.exists()
    assert setup.missing(["whole", "cut"], setup.site_packages()) == ["cut"]


def test_changed_requirements_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "VENV", tmp_path)
    setup.venv_python().parent.mkdir()
    setup.venv_python().touch()
    setup.mark(False).write_text(setup.fingerprint(False))
    assert setup.is_ready(False)
    changed = tmp_path / "requirements.txt"
    changed.write_text("numpy>=9\n")
    monkeypatch.setattr(setup, "REQUIREMENTS", changed)
    assert not setup.is_ready(False)


def test_too_little_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "NEEDS_GB", {"cpu": 10**9})
    with pytest.raises(Mistake, match=r"needs 1000000000 GB of disk"):
        setup.check_disk("cpu")


def test_no_network_is_one_sentence() -> None:
    output = [
        "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError(...)'\n",
        "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)\n",
    ]
    assert str(setup.pip_mistake("PyTorch", output)).startswith("PyTorch can't be fetched without a network")
    assert "No matching" in str(
        setup.pip_mistake("the libraries", ["ERROR: No matching distribution for x\n"])
    )


def test_an_unreachable_index_is_passed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not setup.reachable("host.invalid", 1)
    monkeypatch.setattr(setup, "PYTORCH_HOST", "host.invalid")
    assert setup.torch_index(card=False) == []


def test_an_index_is_looked_for_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one nothing else answers, and the ordinary build takes gigabytes more."""
    with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor() as thread:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        proxy.settimeout(60)
        looked = thread.submit(setup.reachable, "index.invalid", 60)
        asked = proxy.accept()[0]
        with asked, asked.makefile("rwb") as stream:
            assert stream.readline().startswith(b"CONNECT index.invalid:443 ")
            stream.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        assert looked.result(60) is False


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that nobody can write")
def test_a_disk_that_takes_no_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not said to be Python's own venv module, which is there."""
    closed = Path("/sys/kernel")
    monkeypatch.setattr(setup, "VENV", closed / ".venv")
    with pytest.raises(Mistake, match="/sys/kernel can't be written to"):
        setup.make_venv()


def test_pip_lines_become_phrases() -> None:
    assert setup.phrase("Collecting torch>=2.9 (from -r requirements.txt)") == "looking at torch"
    assert setup.phrase("  Downloading torch-2.15.0-cp311.whl (600 MB)") == "fetching torch"
    assert setup.phrase("Installing collected packages: a, b") == "unpacking"
    assert setup.phrase("Requirement already satisfied: pip") is None


def test_an_old_python_gets_one_sentence() -> None:
    """The entry file's first statements, run with an old version number in place of this one's."""
    source = (setup.ROOT / "studio.py").read_text().split("import argparse")[0]
    code = source.replace("sys.version_info", "OLD").replace("import sys", "import sys\nOLD = (3, 8)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "studio: Python 3.8 is too old; install Python 3.10 or newer.\n"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent with SIGINT")
def test_ctrl_c_in_the_set_up_is_one_sentence_and_nothing_is_believed(tmp_path: Path) -> None:
    """The real set-up of a copy, in an interpreter that sees no packages, stopped while it makes `.venv`."""
    shutil.copytree(setup.ROOT / "core", tmp_path / "core")
    for name in ("studio.py", "requirements.txt", "requirements-dev.txt"):
        shutil.copy2(setup.ROOT / name, tmp_path)
    bare = getattr(sys, "_base_executable", sys.executable)
    process = subprocess.Popen(
        [bare, "-S", "-E", str(tmp_path / "studio.py"), "doctor"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=300)[1]
    assert first.startswith("Setting up the studio"), first + rest
    assert (process.returncode, rest) == (130, "studio: set-up stopped; start again to complete it.\n")
    assert not list(tmp_path.glob(".venv/studio-ready*"))
