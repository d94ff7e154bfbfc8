"""The one-click styles as cards: each a title, a line about it, and a picture drawn in it.

The cards are a radio group, so that a keyboard and a screen reader know them; the pictures are put in by CSS.
A style without a picture (a person's own) shows a sky of its music's mood. Knows nothing about what a style
does.
"""

from __future__ import annotations

import base64

from core.settings import ROOT, Style, load_style, preset_names

PICTURES = ROOT / "assets" / "styles"  # assets/build/cards.py draws them

# Skies for the cards by the music's mood, dark enough below for any caption colour.
SKIES = {
    "calm": "linear-gradient(180deg,#efe9dc 0%,#cfd3cd 45%,#5b6b6b 100%)",
    "night": "linear-gradient(180deg,#1b1036 0%,#5b1e74 45%,#0b0a1e 100%)",
    "bright": "linear-gradient(180deg,#ffd9a0 0%,#ff8f5e 50%,#7c2d4a 100%)",
    "none": "linear-gradient(180deg,#d9d4cb 0%,#8c867c 50%,#3b3732 100%)",
}


def all_styles() -> list[Style]:
    """The styles under presets/styles, the quiet ones first."""
    return sorted(
        (load_style(name) for name in preset_names("styles")), key=lambda s: (s.music != "calm", s.name)
    )


def first() -> str | None:
    """The style chosen at first."""
    return next((style.name for style in all_styles()), None)


def choices(language: str) -> list[tuple[str, str]]:
    """(card's text, name): the title on the first line, what it is on the next."""
    return [
        (f"{style.title.get(language, style.name)}\n{style.about.get(language, '')}", style.name)
        for style in all_styles()
    ]


def background(style: Style) -> str:
    """A card's background in CSS: the style's picture, darker at the foot for the title, or a sky."""
    picture = PICTURES / f"{style.name}.jpg"
    if not picture.is_file():
        return SKIES[style.music]
    data = base64.b64encode(picture.read_bytes()).decode()
    return f"url(data:image/jpeg;base64,{data}) 50% 60%/cover"


def css() -> str:
    """A picture for each card."""
    return "".join(
        f"#style label:has(input[value='{style.name}'])::before{{background:{background(style)};}}"
        f"#style label:has(input[value='{style.name}'])::after{{color:{style.caption_color};}}"
        for style in all_styles()
    )
