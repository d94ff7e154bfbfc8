"""A studio of tiny real parts: six pictures and ten texts, random models, a window in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw

from core.bases import places, smollm2
from core.jobs import Runner
from core.project import Home, Project
from tabs.shell.wiring import Studio

CHROMIUM = "/usr/bin/chromium"
DESKTOP = {"width": 1280, "height": 900}
TIMEOUT_MS = 180_000  # a page that answers in 50 ms may wait long where several test runs share two cores
WORDS = {
    "object": ["boat", "bridge", "tea"],
    "setting": ["river", "town"],
    "time": ["day", "night"],
    "weather": ["clear", "snow"],
}
TOPICS = ("a boat", "a bridge", "tea", "a street", "rain", "a lamp", "a cat", "an old man", "snow", "a gate")


def fill(project: Project) -> Project:
    """Six small pictures and ten texts."""
    for number in range(6):
        picture = Image.new("RGB", (64, 96), (240 - 20 * number, 230, 200 + 8 * number))
        ImageDraw.Draw(picture).ellipse((8 + number, 20, 44, 60 + number), fill=(60, 60 + 20 * number, 70))
        picture.save(project.images() / f"scene {number + 1}.png")
    lines = [
        {
            "messages": [
                {"role": "user", "content": topic},
                {
                    "role": "assistant",
                    "content": f"{topic.capitalize()} waits by the river. House {n} does not mind.",
                },
            ]
        }
        for n, topic in enumerate(TOPICS)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (project.texts() / "narration.jsonl").write_text(text, encoding="utf-8")
    return project


def make_studio(folder: Path) -> Studio:
    """A studio with one filled project; its folder's name has a space, Chinese and an emoji."""
    home = Home(folder / "my 工作室 🎬")
    return Studio(home, fill(home.project("river-town")), Runner(home.folder / "jobs"))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """A studio of its own for a test that needs no window."""
    return make_studio(tmp_path)


@contextlib.contextmanager
def launched(studio: Studio, **how) -> Iterator[SimpleNamespace]:
    """The window over real HTTP until the block ends: `url`, `studio`, `app`; `how` as in `launch_arguments`.

    There is no network here for the tunnel of `share=True`; all else is as with it.
    """
    from tabs import window

    home = studio.home.folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_HOME", str(home))
        patch.setenv("GRADIO_TEMP_DIR", str(home / "uploads"))
        app = window.build(studio)
        arguments = window.launch_arguments(studio, port=None, allowed=(str(home / "projects"),), **how)
        app.launch(**arguments | {"share": False}, prevent_thread_lock=True)
        app.share = arguments["share"]
        yield SimpleNamespace(url=app.local_url, studio=studio, app=app)
        for state in studio.runner.active():
            studio.runner.stop(state.id)
        app.close(verbose=False)


def random_labeller(folder: Path) -> Path:
    """An open_clip labeller with random weights in the embedded one's layout."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    vision = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    text = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {
        "model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocabulary.json").write_text(json.dumps(WORDS), encoding="utf-8")
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**config["model_cfg"]).state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A folder like assets/models with tiny ones in it."""
    models = tmp_path_factory.mktemp("embedded")
    random_labeller(models / "labeller")
    shutil.copytree(tiny_base, models / "base")
    return models


@pytest.fixture(scope="module")
def served(
    embedded: Path, tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """The window at work, one for a module: `url`, `studio`; sizes and models tiny, all else as shipped."""
    from tabs.compose import videos

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "MODELS", embedded)
        patch.setattr(smollm2, "converted", lambda: tiny_llm)
        patch.setitem(videos.SIZES, "9:16", (108, 192))
        with launched(make_studio(tmp_path_factory.mktemp("served"))) as window:
            yield window


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Debian's Chromium without a screen and without a network of its own."""
    if not os.path.exists(CHROMIUM):
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-background-networking",
                "--host-resolver-rules=MAP *.test 127.0.0.1",
            ],
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def opening(browser, served):
    """`with opening(**context) as page`: the window in a fresh context, once it stands."""

    @contextlib.contextmanager
    def opened(**context):
        with browser.new_context(**({"viewport": DESKTOP, "locale": "en-US"} | context)) as fresh:
            page = fresh.new_page()
            page.problems = []
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(served.url)
            page.wait_for_selector("#start-label")
            yield page

    return opened


@pytest.fixture
def visit(opening):
    """`visit(**context)` opens the window until the test ends."""
    with contextlib.ExitStack() as pages:
        yield lambda **context: pages.enter_context(opening(**context))


@pytest.fixture
def page(visit):
    """A desktop page on the window, its errors collected in `page.problems`."""
    return visit()
