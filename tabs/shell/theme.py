"""The window's looks: a theme like warm paper with a seal-red accent, in light and dark, and the page's head.

Only system fonts and files of the studio's own: a page that is opened with no network looks the same.
"""

from __future__ import annotations

import gradio as gr
from gradio.themes import Base
from gradio.themes.utils.colors import Color

from core.project import ROOT
from tabs.shell.words import LANGUAGES, say

ASSETS = ROOT / "assets"
CSS = (ASSETS / "css" / "studio.css", ASSETS / "css" / "proof.css")
ICON = ASSETS / "css" / "icon.png"

# Seal paste: the red of the stamp on a painting. 600 on paper and 300 on night both read at over 4.5 : 1.
SEAL = Color(
    "#fdf3f0",
    "#f9e1da",
    "#f3c2b5",
    "#eb9b87",
    "#de7058",
    "#c94e35",
    "#ad3a23",
    "#8d2d1b",
    "#6f2518",
    "#541e15",
    "#33100a",
    name="seal",
)
PAPER = Color(
    "#fdfbf6",
    "#f6f1e7",
    "#e9e1d2",
    "#d5cab6",
    "#a99d88",
    "#80766a",
    "#665d52",
    "#4c453d",
    "#332e29",
    "#26221e",
    "#1a1714",
    name="paper",
)
SANS = (
    "system-ui",
    "Segoe UI",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "Studio Sans ZH",
    "sans-serif",
)
MONO = ("ui-monospace", "SF Mono", "Consolas", "monospace")
# What Gradio's variables are in light and in dark, by the parts of the page.
COLOURS = {
    # the page and its text
    "body_background_fill": ("#f6f1e7", "#1a1714"),
    "body_text_color": ("#2c2722", "#efe7da"),
    "body_text_color_subdued": ("#665d52", "#b9ad9b"),
    "background_fill_primary": ("#fffdf8", "#26221e"),
    "background_fill_secondary": ("#fbf7ee", "#211d1a"),
    "border_color_primary": ("#e0d6c3", "#463f38"),
    "link_text_color": ("#8d2d1b", "#eb9b87"),
    "color_accent_soft": ("#f9e1da", "#4a2a22"),
    # cards and their titles
    "block_background_fill": ("#fffdf8", "#26221e"),
    "block_border_color": ("#e9e1d2", "#3d3731"),
    "block_label_background_fill": ("#f6f1e7", "#332e29"),
    "block_label_text_color": ("#4c453d", "#d5cab6"),
    "block_title_text_color": ("#332e29", "#efe7da"),
    "block_info_text_color": ("#665d52", "#b9ad9b"),
    # boxes to write in
    "input_background_fill": ("#fffefb", "#1f1b18"),
    "input_border_color": ("#cfc3ad", "#574f46"),
    "input_border_color_focus": ("#ad3a23", "#eb9b87"),
    "input_placeholder_color": ("#776d60", "#a99d88"),
    # what is pressed
    "button_primary_background_fill": ("#ad3a23", "#e08a73"),
    "button_primary_background_fill_hover": ("#8d2d1b", "#eb9b87"),
    "button_primary_text_color": ("#ffffff", "#26100a"),
    "button_secondary_background_fill": ("#efe7d8", "#3a342e"),
    "button_secondary_background_fill_hover": ("#e5dac6", "#4a433b"),
    "button_secondary_text_color": ("#332e29", "#efe7da"),
    "slider_color": ("#ad3a23", "#e08a73"),
    "checkbox_background_color_selected": ("#ad3a23", "#c94e35"),
    # tables
    "table_even_background_fill": ("#fffdf8", "#26221e"),
    "table_odd_background_fill": ("#fbf7ee", "#211d1a"),
    "table_border_color": ("#e9e1d2", "#3d3731"),
}
SHAPES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_title_text_weight": "600",
    "input_border_width": "1px",
    "button_large_radius": "12px",
}


def theme() -> Base:
    """The window's theme; what a theme can't say stands in assets/css/studio.css."""
    base = Base(
        primary_hue=SEAL,
        secondary_hue=SEAL,
        neutral_hue=PAPER,
        font=SANS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
    )
    light = {name: colours[0] for name, colours in COLOURS.items()}
    dark = {f"{name}_dark": colours[1] for name, colours in COLOURS.items()}
    return base.set(**SHAPES, **light, **dark)


def css() -> str:
    """The studio's style sheet."""
    return "".join(file.read_text(encoding="utf-8") for file in CSS)


def notice_heads() -> str:
    """What stands over a notice, in the page's language: Gradio writes its kind there, in English.

    Not of the style sheet, which Gradio has hold within the window alone.
    """
    heads = {"error": "Please check", "warning": "Please check", "info": "Done"}
    return "\n".join(
        f':root[lang^="{language}"] .toast-title.{kind}::before {{ content: "{say(language, head)}"; }}'
        for language in LANGUAGES
        for kind, head in heads.items()
    )


# The switches need no server: the language is a cookie that both sides read, the light a note in the browser.
# `news` asks what is new of the jobs (tabs/jobs/news.py), shows it and gives the stages that they are at.
# `show` fills a panel that stands only now: a tab's parts are made when it is first turned to. A studio that
# doesn't answer is asked through Gradio once, which tells the person and waits for it.
HEAD = """<script>
window.studio = {
  language() {
    const zh = (navigator.language || 'en').startsWith('zh');
    document.cookie = 'studio_lang=' + (zh ? 'en' : 'zh') + ';path=/;max-age=31536000;samesite=lax';
    location.reload();
  },
  light() {
    const dark = document.body.classList.toggle('dark');
    localStorage.setItem('studio-light', dark ? 'dark' : 'light');
  },
  panels: {},
  show(kind) {
    const panel = document.getElementById('body-' + kind);
    if (panel && kind in this.panels) panel.innerHTML = this.panels[kind].html;
  },
  async news(kinds) {
    if (this.asking) return;
    this.asking = true;
    try {
      const root = new URL(window.gradio_config.root, location).pathname.replace(/\\/$/, '');
      const signal = AbortSignal.timeout(30000);
      const answer = await fetch(`${root}/news?seen=${this.seen || ''}`, { signal });
      if (answer.status == 204) return;
      if (!answer.ok) return ['away'];
      const { seen, panels } = await answer.json();
      Object.assign(this.panels, panels);
      Object.keys(panels).forEach(kind => this.show(kind));
      this.seen = seen;
      return kinds.map(kind => this.panels[kind]?.stage);
    } catch {
      return ['away'];
    } finally {
      this.asking = false;
    }
  },
};
(function () {
  const light = localStorage.getItem('studio-light');
  if (light) {
    const apply = () => document.body && document.body.classList.toggle('dark', light === 'dark');
    for (const moment of ['DOMContentLoaded', 'load']) addEventListener(moment, apply);
    setTimeout(apply, 500);
  }
})();
</script>"""
