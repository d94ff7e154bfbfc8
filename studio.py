#!/usr/bin/env python3
"""LoRA Studio: alone the window, with a subcommand that command.

Sets up its environment when needed (core/setup.py), then hands over. This file must parse on old Pythons, to
say that they are too old.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit("studio: Python %d.%d is too old; install Python 3.10 or newer." % sys.version_info[:2])

import argparse
import contextlib
import io
import os
import secrets
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

from core import disk, proxies, setup
from core.jobs import Runner
from core.messages import Mistake

if TYPE_CHECKING:
    from core.project import Home


def main() -> int:
    """Sets up, then runs the command; returns the exit status."""
    try:
        setup.ensure(dev="test" in sys.argv[1:2])
    except (Mistake, OSError) as error:
        print(f"studio: {disk.mistake(error) or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("studio: set-up stopped; start again to complete it.", file=sys.stderr)
        return 130
    from core import commands, terminal

    for left_out in proxies.spare():
        print(
            f"studio: {left_out} is no HTTP proxy, so the studio goes without it (or: pip install socksio)",
            file=sys.stderr,
        )
    terminal.interrupt_once()
    terminal.quiet_threads()
    return terminal.run(lambda: commands.run(sys.argv[1:], open_window))


def open_window(options: argparse.Namespace) -> int:
    """The window, on a home that no other one is open on."""
    from core.project import Home

    home = Home.default()
    with home.opened():
        return serve(home, options)


def serve(home: "Home", options: argparse.Namespace) -> int:
    """Serves the window until Ctrl-C; where others can reach it, behind a password made here, shown once."""
    from core.demo import SAMPLE
    from tabs import window
    from tabs.gate.guard import host_name
    from tabs.shell.wiring import Studio

    names = tuple(map(host_name, options.allow_host))
    root = options.root_path.rstrip("/")
    root = root if "://" in root or root.startswith("/") or not root else f"/{root}"
    project = home.sample_project(SAMPLE)
    host = options.host.strip("[]")
    proxies.spare(host)
    guarded = bool(options.share or names or root or host not in proxies.LOOPBACK)
    os.environ["GRADIO_TEMP_DIR"] = str(home.folder.resolve() / "uploads")  # else the system's folder fills
    studio = Studio(home, project, Runner(home.folder / "jobs"), login=guarded)
    password = secrets.token_urlsafe(9)

    def login(user: str, given: str) -> bool:
        return user == "studio" and secrets.compare_digest(given.encode(), password.encode())

    app = window.build(studio)
    with contextlib.redirect_stdout(io.StringIO()):  # Gradio tells of a download by hand
        _, address, _ = app.launch(
            prevent_thread_lock=True,
            **window.launch_arguments(
                studio,
                host=f"[{host}]" if ":" in host else host,
                port=free_port(host, options.port),
                share=options.share,
                auth=login if guarded else None,
                allowed=(str(home.folder.resolve() / "projects"),),
                names=names,
                root=root,
            ),
        )
    print(f"LoRA Studio is open at {address}  (Ctrl-C ends it)")
    if options.share:
        link = window.shared_at(app)
        print(f"Share link: {link}" if link else "No network, so no share link; the studio runs on here.")
    if guarded:
        print(f"Log in as studio with the password {password} (shown only now).")
    if not options.no_browser:
        webbrowser.open(address)
    try:
        threading.Event().wait()
    finally:
        studio.runner.close()
    return 0


def free_port(host: str, first: int) -> int:
    """The first port from `first` on that nothing listens on; raises Mistake where a hundred are taken.

    Neither on `host` nor on 127.0.0.1, where Gradio looks whatever the host is.
    """
    for port in range(first, first + 100):
        with contextlib.suppress(OSError, OverflowError):
            for address in {host, "127.0.0.1"}:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                socket.create_server((address, port), family=family).close()
            return port
    raise Mistake("No port from {first} on is free on {host}; choose others.", first=first, host=host)


if __name__ == "__main__":
    sys.exit(main())
