"""The window's looks: a theme like warm paper with a seal-red accent, in light and dark, and the page's head.

Only system fonts and files of the studio's own: a page that is opened with no network looks the same.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes import Base
from gradio.themes.utils.colors import Color

from tabs import styles

ASSETS = Path(__file__).resolve().parent.parent / "assets"
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
    return base.set(
        body_background_fill="#f6f1e7",
        body_background_fill_dark="#1a1714",
        body_text_color="#2c2722",
        body_text_color_dark="#efe7da",
        body_text_color_subdued="#665d52",
        body_text_color_subdued_dark="#b9ad9b",
        background_fill_primary="#fffdf8",
        background_fill_primary_dark="#26221e",
        background_fill_secondary="#fbf7ee",
        background_fill_secondary_dark="#211d1a",
        block_background_fill="#fffdf8",
        block_background_fill_dark="#26221e",
        block_border_color="#e9e1d2",
        block_border_color_dark="#3d3731",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="#f6f1e7",
        block_label_background_fill_dark="#332e29",
        block_label_text_color="#4c453d",
        block_label_text_color_dark="#d5cab6",
        block_title_text_color="#332e29",
        block_title_text_color_dark="#efe7da",
        block_title_text_weight="600",
        block_info_text_color="#665d52",
        block_info_text_color_dark="#b9ad9b",
        border_color_primary="#e0d6c3",
        border_color_primary_dark="#463f38",
        input_background_fill="#fffefb",
        input_background_fill_dark="#1f1b18",
        input_border_color="#cfc3ad",
        input_border_color_dark="#574f46",
        input_border_width="1px",
        input_border_color_focus="#ad3a23",
        input_border_color_focus_dark="#eb9b87",
        input_placeholder_color="#776d60",
        input_placeholder_color_dark="#a99d88",
        button_primary_background_fill="#ad3a23",
        button_primary_background_fill_hover="#8d2d1b",
        button_primary_background_fill_dark="#e08a73",
        button_primary_background_fill_hover_dark="#eb9b87",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#26100a",
        button_secondary_background_fill="#efe7d8",
        button_secondary_background_fill_hover="#e5dac6",
        button_secondary_background_fill_dark="#3a342e",
        button_secondary_background_fill_hover_dark="#4a433b",
        button_secondary_text_color="#332e29",
        button_secondary_text_color_dark="#efe7da",
        button_large_radius="12px",
        slider_color="#ad3a23",
        slider_color_dark="#e08a73",
        checkbox_background_color_selected="#ad3a23",
        checkbox_background_color_selected_dark="#c94e35",
        link_text_color="#8d2d1b",
        link_text_color_dark="#eb9b87",
        color_accent_soft="#f9e1da",
        color_accent_soft_dark="#4a2a22",
        table_even_background_fill="#fffdf8",
        table_odd_background_fill="#fbf7ee",
        table_even_background_fill_dark="#26221e",
        table_odd_background_fill_dark="#211d1a",
        table_border_color="#e9e1d2",
        table_border_color_dark="#3d3731",
    )


def css() -> str:
    """The studio's style sheet, with the style cards' colours."""
    return "".join(file.read_text(encoding="utf-8") for file in CSS) + styles.css()


# The switches need no server: the language is a cookie that both sides read, the light a note in the browser.
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
};
(function () {
  const light = localStorage.getItem('studio-light');
  if (light) {
    const apply = () => document.body.classList.toggle('dark', light === 'dark');
    apply(); addEventListener('load', apply); setTimeout(apply, 500);
  }
})();
</script>"""
