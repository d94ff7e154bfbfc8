"""The one-click styles as cards: each a title, a line about it, and a picture drawn in it.

The cards are a radio group, so that a keyboard and a screen reader know them; the pictures are put in by CSS.
A style without a picture (a person's own) shows a sky of its music's mood. Knows nothing about what a style
does.
"""

from __future__ import annotations

import base64

from core.project import ROOT
from core.settings.presets import preset_names
from core.settings.style import Style, load_style

PICTURES = ROOT / "assets" / "styles"  # assets/build/cards.py draws them

# Skies for the cards by the music's mood, dark enough below for any caption colour.
SKIES = {
    "calm": "linear-gradient(180deg,#efe9dc 0%,#cfd3cd 45%,#5b6b6b 100%)",
    "night": "linear-gradient(180deg,#1b1036 0%,#5b1e74 45%,#0b0a1e 100%)",
    "bright": "linear-gradient(180deg,#ffd9a0 0%,#ff8f5e 50%,#7c2d4a 100%)",
    "tender": "linear-gradient(180deg,#f3dfd8 0%,#d9a79c 45%,#5e3f45 100%)",
    "dream": "linear-gradient(180deg,#cfe3f1 0%,#9aa7d8 50%,#3a3a6b 100%)",
    "drive": "linear-gradient(180deg,#0c1b33 0%,#1466a8 45%,#07101f 100%)",
    "lofi": "linear-gradient(180deg,#e8c9a0 0%,#a9776a 50%,#3c2c3a 100%)",
    "playful": "linear-gradient(180deg,#d9f0b8 0%,#6cc3a4 50%,#1f5a63 100%)",
    "heroic": "linear-gradient(180deg,#f0c890 0%,#9c4a35 45%,#2a1420 100%)",
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
