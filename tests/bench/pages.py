"""What open pages cost a training that runs beside them, and how long a page waits for its answer.

    python -m tests.bench.pages [--rounds 4] [--seconds 20] [--port 7989] [--check]

A process of its own serves the window and trains the sample's pictures with the quick preset. Arms of 0, 1,
5 and 40 open pages take turns; each figure is the median of the rounds, a round's slow-down is against its
own arm without pages. A page here is what an open one in a browser asks for, over HTTP, from one light
process: the session's heartbeat, what is new of the jobs each second, and, where a job's stage has changed,
Gradio's event that refreshes the buttons. `--check` opens Chromium's page beside such a page and compares
what both ask: the addresses, the headers, how often. The server's CPU is that of its Python threads without
the training's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import math
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core import device

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ARMS = (0, 1, 5, 40)
SETTLE_S = 4.0
ASK_S = 1.0
HEADERS = {
    "accept": "*/*",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "en-US",
    "connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "same-origin",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
}
STREAM = {"accept": "text/event-stream"}
NOTHING: dict[str, str] = {}


# The studio's side: a process of its own that answers lines on its standard input.


def serve(home: Path, port: int) -> None:
    """Serves the window, trains, and answers `look` and `turn` on standard input until that ends."""
    from core.demo import SAMPLE, TRIGGER
    from core.images.label import label
    from core.jobs import Runner
    from core.lora.train import train
    from core.progress import Job
    from core.project import Home
    from core.settings import data, presets, reading, training
    from tabs import window
    from tabs.shell.wiring import Studio

    place = Home(home)
    project = place.sample_project(SAMPLE)
    studio = Studio(place, project, Runner(home / "jobs"))
    app = window.build(studio)
    with contextlib.redirect_stdout(sys.stderr):
        _, address, _ = app.launch(
            prevent_thread_lock=True, **window.launch_arguments(studio, port=port, allowed=(str(home),))
        )
    wanted = training.training(
        {
            **reading.read_yaml(presets.preset("training", "image-quick")),
            "train_data_dir": project.images(),
            "trigger": TRIGGER,
            "output_dir": project.new_run("pages"),
            "lora_dir": project.loras(),
            "epochs": 1000,
            "save_steps": 100_000,
        }
    )
    steps = 0

    def training() -> Job:
        nonlocal steps
        yield from label(data.LabelSettings(pictures=project.images(), trigger=TRIGGER))
        for progress in train(wanted):
            if progress.loss is not None:
                steps += 1
            yield progress

    studio.runner.submit("image", "Image LoRA", training)
    while steps < 10:
        time.sleep(0.2)
    print(address, flush=True)
    for asked in sys.stdin:
        if asked.strip() == "turn":  # a job that waits: each page's buttons change
            studio.runner.submit("merge", "Merge", lambda: iter(()))
        print(json.dumps({"at": time.monotonic(), "cpu": served_cpu(), "steps": steps}), flush=True)
        steps = 0


def served_cpu() -> float:
    """CPU seconds so far of this process's Python threads but the training's and the one that asks."""
    seconds = 0.0
    for thread in threading.enumerate():
        if thread.name not in ("jobs", "MainThread"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                spent = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]
                seconds += int(spent) / 1e9
    return seconds


# The pages' side.


@dataclass
class Asked:
    """What pages asked for: each request with its headers; the polls' times, in s; Gradio's events."""

    requests: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    refreshes: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass
class Connection:
    """One kept connection of a page, as a browser keeps them."""

    port: int
    asked: Asked
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = NOTHING
    ) -> dict[str, str]:
        """Sends a request and reads the answer's head; `:status` is among its headers."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        address = f"http://127.0.0.1:{self.port}"
        own = {"host": address[7:], **HEADERS, "referer": f"{address}/"} | headers
        if body:
            own |= {"content-type": "application/json", "content-length": str(len(body)), "origin": address}
        self.asked.requests.append((method, path, tuple(sorted(own))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in own.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name
        }
        return {":status": head[0].split()[1], **found}

    async def whole(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = NOTHING
    ) -> Any:
        """A request's answer, read whole, as JSON; None where it has no content."""
        head = await self.ask(method, path, body, headers)
        assert head[":status"] in ("200", "204"), f"{head[':status']} for {path}"
        if head[":status"] == "204":
            return None
        assert self.reader is not None
        got = await self.reader.readexactly(int(head["content-length"]))
        return json.loads(gzip.decompress(got) if head.get("content-encoding") == "gzip" else got)

    def close(self) -> None:
        """Ends it, as a closed page's browser does."""
        if self.writer is not None:
            self.writer.close()


@dataclass
class SimulatedPage:
    """An open page after its load."""

    port: int
    asked: Asked
    refresh_by: dict[str, dict[str, int]]
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:11])
    stages: dict[str, str] = field(default_factory=dict)

    async def live(self) -> None:
        """Asks until it is cancelled."""
        beat, polls = Connection(self.port, self.asked), Connection(self.port, self.asked)
        due, seen = time.monotonic() + random.random() * ASK_S, ""
        try:
            await beat.ask("GET", f"/gradio_api/heartbeat/{self.session}", headers=STREAM)
            while True:
                due += ASK_S * max(0, math.ceil((time.monotonic() - due) / ASK_S))  # none while it waits
                await asyncio.sleep(due - time.monotonic())
                due += ASK_S
                started = time.monotonic()
                told = await polls.whole("GET", f"/news?seen={seen}")
                self.asked.answers.append(time.monotonic() - started)
                for kind, panel in (told or {"panels": {}})["panels"].items():
                    if panel["stage"] != self.stages.get(kind):
                        self.stages[kind] = panel["stage"]
                        self.asked.refreshes.append(asyncio.create_task(self.refresh(kind)))
                seen = told["seen"] if told else seen
        finally:
            beat.close()
            polls.close()

    async def refresh(self, kind: str) -> None:
        """Gradio's event that gives a panel's buttons, through its queue."""
        joins, answers = Connection(self.port, self.asked), Connection(self.port, self.asked)
        try:
            event = {"data": [None], "event_data": self.stages[kind], "session_hash": self.session}
            body = json.dumps(event | self.refresh_by[kind]).encode()
            await joins.whole("POST", "/gradio_api/queue/join?", body, {"x-gradio-user": "app"})
            where = f"/gradio_api/queue/data?session_hash={self.session}"
            await answers.ask("GET", where, headers=STREAM | {"content-type": "application/json"})
            assert answers.reader is not None
            await answers.reader.readuntil(b"close_stream")
        finally:
            joins.close()
            answers.close()


@contextlib.asynccontextmanager
async def opened(
    port: int, pages: int, asked: Asked, refresh_by: dict[str, dict[str, int]]
) -> AsyncIterator[None]:
    """That many pages, open within it. An error of one of them is raised when it ends."""
    live = [asyncio.create_task(SimulatedPage(port, asked, refresh_by).live()) for _ in range(pages)]
    try:
        yield
    finally:
        for page in live:
            page.cancel()
        for ended in await asyncio.gather(*live, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def refreshing(port: int) -> dict[str, dict[str, int]]:
    """Which of the window's events refreshes a kind's buttons, and what triggers it."""
    config = await Connection(port, Asked()).whole("GET", "/config")
    ids = {str(one["props"].get("elem_id")): one["id"] for one in config["components"]}
    stages = {ids[name]: name.removeprefix("stage-") for name in ids if name.startswith("stage-")}
    return {
        stages[target]: {"fn_index": one["id"], "trigger_id": target}
        for one in config["dependencies"]
        for target, _ in one["targets"]
        if target in stages
    }


class Served:
    """The process that serves and trains, from its first steps on."""

    def __init__(self, home: str, port: int) -> None:
        command = [sys.executable, "-m", "tests.bench.pages", "--serve", home, "--port", str(port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, what: str = "look") -> dict[str, Any]:
        """Time, the server's CPU seconds so far, and the training's steps since the last call."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return json.loads(self._line())


@dataclass
class Measured:
    """One arm in one round."""

    rate: float
    cpu: float
    own_cpu: float
    polls: int
    waits: list[float]


async def measure(
    served: Served, port: int, pages: int, seconds: float, refresh_by: dict[str, dict[str, int]]
) -> Measured:
    """Steps a second, the server's and this process's share of a core, and answers with `pages` open."""
    asked = Asked()
    async with opened(port, pages, asked, refresh_by):
        await asyncio.sleep(SETTLE_S)
        await asyncio.gather(*asked.refreshes)  # what a page asks once it has been loaded
        before, own, polls = await asyncio.to_thread(served.tell), time.process_time(), len(asked.answers)
        await asyncio.sleep(seconds)
        after, own = await asyncio.to_thread(served.tell), time.process_time() - own
    took = after["at"] - before["at"]
    return Measured(
        rate=after["steps"] / took,
        cpu=(after["cpu"] - before["cpu"]) / took,
        own_cpu=own / took,
        polls=len(asked.answers) - polls,
        waits=asked.answers[polls:],
    )


async def compare(served: Served, port: int, rounds: int, seconds: float) -> None:
    """All arms in turn, in another order each round; prints a row an arm."""
    refresh_by = await refreshing(port)
    found: dict[int, list[Measured]] = {pages: [] for pages in ARMS}
    for number in range(rounds):
        for pages in ARMS[number % len(ARMS) :] + ARMS[: number % len(ARMS)]:
            found[pages].append(await measure(served, port, pages, seconds, refresh_by))
            print(f"round {number + 1}, {pages} pages: {found[pages][-1].rate:.2f} steps/s", file=sys.stderr)
    print(
        "| pages | steps/s | slower by | a poll's CPU, ms | answer, median ms | 95 % | these pages' own CPU |"
    )
    print("|---|---|---|---|---|---|---|")
    for pages, arm in found.items():
        alone = found[0]
        rate = statistics.median(one.rate for one in arm)
        slower = 1 - statistics.median(one.rate / none.rate for one, none in zip(arm, alone, strict=True))
        row = f"| {pages} | {rate:.2f} | {slower:.1%} |"
        if pages:
            cpu = statistics.median(
                (one.cpu - none.cpu) * seconds / one.polls for one, none in zip(arm, alone, strict=True)
            )
            waits = sorted(wait for one in arm for wait in one.waits)
            own = statistics.median(one.own_cpu for one in arm)
            most = waits[int(0.95 * len(waits))]
            row += f" {cpu * 1e3:.2f} | {statistics.median(waits) * 1e3:.1f} | {most * 1e3:.1f} | {own:.1%} |"
        print(row)


def told(request: tuple[str, str, tuple[str, ...]]) -> tuple[str, str, tuple[str, ...]]:
    """A request without what differs from page to page, the names of its headers sorted."""
    method, path, headers = request
    path = re.sub(r"(heartbeat/|session_hash=|seen=)[\w-]*", r"\1…", path)
    return method, path, tuple(sorted(name for name in headers if not name.startswith(":")))


async def check(served: Served, port: int, seconds: float) -> None:
    """Chromium's page and one of ours, for the same time: what each asked, side by side."""
    from playwright.async_api import Request, async_playwright

    refresh_by, asked, real = await refreshing(port), Asked(), []

    async def note(request: Request) -> None:
        path = request.url.removeprefix(served.address.rstrip("/"))
        real.append((request.method, path, tuple(await request.all_headers())))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await (await browser.new_context(locale="en-US")).new_page()
        page.on("request", note)
        await page.goto(served.address)
        await page.locator("#tab-image-button").click(timeout=120_000)
        await page.wait_for_selector("#stop-image", timeout=120_000)
        await page.wait_for_timeout(5000)
        async with opened(port, 1, asked, refresh_by):
            await asyncio.sleep(SETTLE_S)
            await asyncio.gather(*asked.refreshes)
            real.clear()
            first = len(asked.requests)
            await asyncio.sleep(seconds / 2)
            await asyncio.to_thread(served.tell, "turn")
            await asyncio.sleep(seconds / 2)
            ours, theirs = (Counter(map(told, one)) for one in (asked.requests[first:], real.copy()))
        await browser.close()
    for request in sorted(ours.keys() | theirs.keys()):
        method, path, headers = request
        counts = f"{theirs[request]:4} Chromium's, {ours[request]:4} ours"
        print(f"{counts}: {method} {path} ({len(headers)} headers)")
    pairs = [sorted((ours[one], theirs[one])) for one in ours | theirs]
    if any(few == 0 or few < 0.8 * many - 1 for few, many in pairs):
        sys.exit("a simulated page asks for something else")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=7989)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.port)
        return
    print(f"{device.describe()}; load {psutil.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home:
        served = Served(home, asked.port)
        try:
            run = (
                check(served, asked.port, asked.seconds)
                if asked.check
                else compare(served, asked.port, asked.rounds, asked.seconds)
            )
            asyncio.run(run)
        finally:
            served.process.kill()
            served.process.wait()


if __name__ == "__main__":
    main()
