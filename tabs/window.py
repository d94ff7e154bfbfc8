"""The window: header, four tabs, one watch that keeps their job panels true.

`build(studio)` makes it, `launch_arguments(...)` says how it is served. Heavy libraries are loaded by the
jobs, so it opens in the time that gradio itself takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from tabs.compose import styles
from tabs.compose import tab as compose
from tabs.gate.frontpage import FrontPage
from tabs.gate.guard import Guard
from tabs.gate.incoming import ONE_FILE_MB, Incoming
from tabs.jobs import news, queue
from tabs.jobs import panel as jobs_panel
from tabs.label import tab as label
from tabs.shell import header, theme
from tabs.shell.wiring import Studio
from tabs.shell.words import catalogue, static
from tabs.train import image_tab, text_tab

TABS = (
    ("label", "Label", label),
    ("image", "Image LoRA", image_tab),
    ("text", "Text LoRA", text_tab),
    ("compose", "Compose", compose),
)


def build(studio: Studio) -> gr.Blocks:
    """The whole window as a Blocks app, not yet served."""
    with gr.Blocks(title="LoRA Studio", analytics_enabled=False, fill_width=True) as window:
        around = header.build(studio, window, queue.KINDS)
        panels = []
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            for name, title, tab in TABS:
                with gr.Tab(static(title), id=name, elem_id=f"tab-{name}", render_children=True) as here:
                    panels.append(tab.build(studio, replace(around, shown=(here.select,))))
        for (panel, *_), (following, _, _) in zip(panels, TABS[1:], strict=False):
            panel.onward.click(
                lambda name=following: gr.update(selected=name),
                outputs=[tabs],
                api_visibility="private",
                show_progress="hidden",
            )
        jobs_panel.keep_watch(around, [one for made in panels for one in made], window.load)
    return _quiet(window.queue(api_open=False, max_size=64, default_concurrency_limit=8))


def _quiet(window: gr.Blocks) -> gr.Blocks:
    """The window with a queue that looks for work 20 times a second, as Gradio's own does on Windows.

    Elsewhere that looks a thousand times, and a hundred for progress of its own kind, which nothing here
    shows: 4 % of a core with nobody there.
    """
    window._queue.sleep_when_free, window._queue.progress_update_sleep_when_free = 0.05, 1.0
    return window


def launch_arguments(
    studio: Studio,
    host: str = "127.0.0.1",
    port: int | None = 7860,
    share: bool = False,
    auth: Callable[[str, str], bool] | None = None,
    allowed: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    root: str = "",
) -> dict[str, Any]:
    """Keyword arguments for `build(studio).launch(...)`; `allowed` folders may be shown (the home folder).

    `names` (see `guard.host_name`) are those by which a proxy is asked for the window, `root` is the path or
    whole address at which it serves it. `auth(user, password)` is asked at login; `share=True`, names or a
    root without it is a programming error.
    """
    behind_proxy = bool(share or names or root)
    assert auth is not None or not behind_proxy, "a shared window needs a login"

    @asynccontextmanager
    async def guarded(app: Any) -> AsyncIterator[None]:
        """Puts the guard before all else: a middleware given to Gradio stands behind those that it adds."""
        app.middleware_stack = Guard(app.middleware_stack, host, share, names, root, login=auth is not None)
        yield

    return {
        "server_name": host,
        "server_port": port,
        "share": share,
        "auth": auth,
        "root_path": root or None,
        "allowed_paths": list(allowed),
        "theme": theme.theme(),
        "css": theme.css() + styles.css(),
        "favicon_path": theme.ICON,
        "i18n": catalogue(),
        "ssr_mode": False,
        "strict_cors": True,
        "run_history": False,
        "enable_monitoring": False,
        "pwa": True,
        "footer_links": [],
        "max_file_size": f"{ONE_FILE_MB}mb",
        "show_error": False,
        "quiet": True,
        "app_kwargs": {
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
            "lifespan": guarded,
            "routes": [news.route(studio)],
            "middleware": [
                Middleware(Incoming, folder=get_upload_folder(), behind_proxy=behind_proxy),
                Middleware(FrontPage),
            ],
        },
    }


def shared_at(window: gr.Blocks) -> str | None:
    """The share link after `launch(share=True)`; None where there is no network to make one."""
    return window.share_url
