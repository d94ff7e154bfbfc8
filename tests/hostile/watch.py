"""What a process does that it may not: told by Python's audit events, a line for each into a file.

Sees what Python code and C extensions do through Python's own calls, not what a library opens by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
}
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
# What the studio itself starts: the process that renders strangers' chat templates.
OWN_PROGRAM = [sys.executable, "-m", "core.texts.rendering"]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Of the system, what libraries look into: never a folder in which anything private stands.
SYSTEM = (
    *(
        "/usr",
        "/lib",
        "/lib64",
        "/opt",
        "/sys",
        "/proc/self",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/mounts",
    ),
    *("/dev/null", "/dev/urandom", "/etc/ssl", "/etc/fonts", "/etc/mime.types", "/etc/localtime"),
    *("/etc/os-release", "/etc/ld.so.cache", "/etc/debian_version", "/etc/nsswitch.conf"),
)


def forbid(own: Sequence[Path], known: Sequence[Path], into: int) -> None:
    """From now on writes a line into the open file `into` for all this process does besides its work.

    Its work is to read and write in the folders `own`, and to read in `known` and what `SYSTEM` names. There
    is no network. It can't be undone: for a process that ends soon.
    """
    mine = tuple(os.path.abspath(path) for path in own)
    readable = (*mine, *SYSTEM, *(os.path.abspath(path) for path in known))
    quiet = False

    def tell(line: str) -> None:
        os.write(into, (line.encode("utf-8", "backslashreplace").replace(b"\n", b"\\n") + b"\n"))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal quiet
        if quiet:
            return
        quiet = True  # what the hook itself does is not looked at
        try:
            if event == "open" and not isinstance(arguments[0], int):
                writes = bool((arguments[2] or 0) & WRITING)
                path = os.path.abspath(os.fsdecode(arguments[0]))
                if not _below(path, mine if writes else readable):
                    tell(f"{'writes' if writes else 'reads'} {path}")
            elif event in CHANGES:
                paths = [
                    os.path.abspath(os.fsdecode(one)) for one in arguments[:2] if isinstance(one, str | bytes)
                ]
                for path in paths[-1:] if event in ("os.link", "os.symlink") else paths:
                    if not _below(path, mine):
                        tell(f"changes {path} ({event})")
            elif event in PROGRAMS and list(arguments[1:2]) != [OWN_PROGRAM]:
                tell(f"starts a program: {str(arguments)[:200]}")
            elif event in NETWORK:
                tell(f"asks the network: {str(arguments)[:200]}")
        finally:
            quiet = False
        if event in NETWORK:
            raise OSError("there is no network here")

    sys.addaudithook(hook)


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders) or (
        path == "/dev/null"
    )
