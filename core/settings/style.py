"""The craft of a film - voice, captions, motion, transitions, music - and the one-click styles that bring it.

A film may want something of it otherwise than its style: each setting stands here once, with its bounds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from core.messages import printable
from core.settings.base import Settings
from core.settings.fields import truth
from core.settings.marks import COUNTED
from core.settings.presets import preset
from core.settings.reading import load

COLOR = "^#[0-9a-fA-F]{6}$"
VOICE_SPEED = Field(ge=0.5, le=2.0, description="speaking rate, 1: the voice's own")
VOICE_PITCH = Field(ge=-6, le=6, description="pitch shift in semitones")
CAPTION_FONT = Field(pattern="^(sans|serif|hand)$", description="the captions' letters: sans, serif or hand")
CAPTION_SIZE = Field(ge=32, le=120, description="caption height in pixels at 1080 wide")
CAPTION_COLOR = Field(pattern=COLOR, description="caption colour")
CAPTION_ACCENT = Field(pattern=COLOR, description="spoken word's colour")
CAPTION_BACK = Field(
    pattern="^(outline|box|bar|none)$", description="what lies behind a caption: outline, box, bar or none"
)
CAPTION_SHOW = Field(
    pattern="^(mark|fill|word|plain)$",
    description="how the spoken word is told: marked, filled as it is said, one word at a time, or plain",
)
CAPTION_PLACE = Field(
    pattern="^(top|middle|lower|bottom)$", description="where captions stand: top, middle, lower or bottom"
)
CAPTION_LINES = Field(ge=1, le=3, description="lines of a caption at most")
# Ready looks: what each wants of the captions otherwise than the style.
CAPTION_LOOKS: dict[str, dict[str, str | int]] = {
    "outline": {"back": "outline", "show": "mark", "place": "bottom"},
    "box": {"back": "box", "show": "mark", "place": "bottom"},
    "karaoke": {"back": "outline", "show": "fill", "size": 76},
    "pop": {"back": "outline", "show": "word", "place": "middle", "size": 108},
    "two-line": {"back": "outline", "show": "plain", "lines": 2, "size": 56},
    "one-line": {"back": "box", "show": "fill", "lines": 1, "size": 60},
    "top-title": {"back": "outline", "show": "plain", "place": "top", "size": 84},
    "lower-third": {"back": "bar", "show": "plain", "place": "lower", "size": 54},
    "none": {},
}
CAPTION_LOOK = Field(
    pattern=f"^({'|'.join(CAPTION_LOOKS)})$",
    description="a ready look of the captions, in place of the style's",
)
MOTION = Field(ge=0, le=0.3, description="how far a frame moves or zooms, share of its side")
TRANSITIONS = ("cut", "fade", "slide", "zoom", "whip", "wipe", "flash")
TRANSITION = Field(
    pattern=f"^({'|'.join(TRANSITIONS)})$",
    description="how a scene follows another: cut, fade, slide, zoom, whip, wipe or flash",
)
TRANSITION_SECONDS = Field(ge=0, le=2, description="length of a transition, in seconds; 0: a cut")
ON_BEAT = Field(description="scenes begin on a beat of the music, a little later than they would")
MOODS = ("calm", "night", "bright", "tender", "dream", "drive", "lofi", "playful", "heroic")  # assets/music
MUSIC = Field(pattern=f"^({'|'.join(MOODS)}|none)$", description="the music's mood")
MUSIC_VOLUME = Field(ge=0, le=1, description="music's loudness against the voice's, 0 to 1")
MUSIC_START = Field(ge=0, le=36000, description="second at which the music begins")
MUSIC_FADE = Field(ge=0, le=20, description="seconds in which the music fades at the film's end")
TITLE_SHOWN = Field(
    pattern="^(none|over|card)$",
    description="a title at the start: none, over the first scene, or on a card before it",
)
TITLE_LOOK = Field(
    pattern="^(rule|band|frame)$",
    description="how the title and the end card look: a rule under their words, a band, or a frame",
)
TITLE_SECONDS = Field(ge=0.5, le=10, description="seconds that the title stands")
END_CARD = Field(description="a card after the last scene, with the music under it")
END_WORDS = Field(max_length=200, description="the end card's words; default: thanks, in the film's language")
END_LINK = Field(max_length=300, description="an address that the end card shows as a QR code")
END_SECONDS = Field(ge=1, le=20, description="seconds that the end card stands")


class Craft(Settings):
    """A film's style, and what the film wants otherwise; None: as the style has it."""

    style: Annotated[str, COUNTED] = Field(
        "ink-wash", description="one-click style: a name under presets/styles, or a YAML file"
    )
    voice_speed: Annotated[float | None, VOICE_SPEED] = None
    voice_pitch: Annotated[float | None, VOICE_PITCH] = None
    caption_look: Annotated[str | None, CAPTION_LOOK] = None
    caption_font: Annotated[str | None, CAPTION_FONT] = None
    caption_size: Annotated[int | None, CAPTION_SIZE] = None
    caption_color: Annotated[str | None, CAPTION_COLOR] = None
    caption_accent: Annotated[str | None, CAPTION_ACCENT] = None
    caption_back: Annotated[str | None, CAPTION_BACK] = None
    caption_show: Annotated[str | None, CAPTION_SHOW] = None
    caption_place: Annotated[str | None, CAPTION_PLACE] = None
    caption_lines: Annotated[int | None, CAPTION_LINES] = None
    motion: Annotated[float | None, MOTION] = None
    transition: Annotated[str | None, TRANSITION] = None
    transition_seconds: Annotated[float | None, TRANSITION_SECONDS] = None
    on_beat: Annotated[bool | None, ON_BEAT] = None
    music: Annotated[str | None, MUSIC] = None
    music_volume: Annotated[float | None, MUSIC_VOLUME] = None
    music_start: Annotated[float | None, MUSIC_START] = None
    music_fade: Annotated[float | None, MUSIC_FADE] = None
    title_shown: Annotated[str | None, TITLE_SHOWN] = None
    title_words: str = Field("", max_length=200, description="the title's words; default: the film's topic")
    title_look: Annotated[str | None, TITLE_LOOK] = None
    title_seconds: Annotated[float | None, TITLE_SECONDS] = None
    end_card: Annotated[bool | None, END_CARD] = None
    end_words: Annotated[str | None, END_WORDS] = None
    end_link: Annotated[str | None, END_LINK] = None
    end_picture: Path | None = Field(None, description="a picture on the end card, such as a logo")
    end_seconds: Annotated[float | None, END_SECONDS] = None

    @model_validator(mode="before")
    @classmethod
    def _once_said_whether_there_is_music(cls, values: Any) -> Any:
        """A storyboard of before a film could choose it says yes, the style's, or no."""
        said = truth(values.get("music")) if isinstance(values, dict) else None
        return values if said is None else {**values, "music": None if said else "none"}


class Style(Settings):
    """A one-click style: look, tone, voice, captions and pace of a video."""

    name: str = Field(description="the style's name on the command line")
    title: dict[str, str] = Field(description="the name shown, by language: en and zh")
    about: dict[str, str] = Field(description="one line shown below it, by language")
    card: str = Field("", description="what the style's card shows, as assets/build/cards draws it")
    look: str = Field("", description="words put into every frame's prompt")
    lora: str = Field("", description="the starter image LoRA it brings, a file under assets/loras")
    lora_weight: float = Field(1.0, ge=0, le=2, description="that LoRA's weight")
    text_lora: str = Field("", description="the starter text LoRA it brings, a folder under assets/loras")
    tone: str = Field("", description="how the narration should sound, told to the language model")
    beats: str = Field(
        "", description="how a film goes on from scene to scene, told to a model that plans it"
    )
    ending: str = Field("", description="words of the last scene's kind: a wish, a call to action")
    voice_speed: Annotated[float, VOICE_SPEED] = 1.0
    voice_pitch: Annotated[float, VOICE_PITCH] = 0.0
    caption_font: Annotated[str, CAPTION_FONT] = "sans"
    caption_size: Annotated[int, CAPTION_SIZE] = 64
    caption_color: Annotated[str, CAPTION_COLOR] = "#ffffff"
    caption_accent: Annotated[str, CAPTION_ACCENT] = "#ffd166"
    caption_back: Annotated[str, CAPTION_BACK] = "outline"
    caption_show: Annotated[str, CAPTION_SHOW] = "mark"
    caption_place: Annotated[str, CAPTION_PLACE] = "bottom"
    caption_lines: Annotated[int, CAPTION_LINES] = 2
    pause: float = Field(0.5, ge=0, le=3, description="silence between scenes, in seconds")
    motion: Annotated[float, MOTION] = 0.08
    transition: Annotated[str, TRANSITION] = "fade"
    transition_seconds: Annotated[float, TRANSITION_SECONDS] = 0.4
    on_beat: Annotated[bool, ON_BEAT] = False
    music: Annotated[str, MUSIC] = "calm"
    music_volume: Annotated[float, MUSIC_VOLUME] = 0.25
    music_start: Annotated[float, MUSIC_START] = 0.0
    music_fade: Annotated[float, MUSIC_FADE] = 1.6
    title_shown: Annotated[str, TITLE_SHOWN] = "none"
    title_look: Annotated[str, TITLE_LOOK] = "rule"
    title_seconds: Annotated[float, TITLE_SECONDS] = 2.5
    end_card: Annotated[bool, END_CARD] = False
    end_words: Annotated[str, END_WORDS] = ""
    end_link: Annotated[str, END_LINK] = ""
    end_seconds: Annotated[float, END_SECONDS] = 4.0

    @model_validator(mode="before")
    @classmethod
    def _seconds_once_called_transition(cls, values: Any) -> Any:
        """A style of before there were several kinds gives a cross-fade's seconds under `transition`."""
        if isinstance(values, dict) and re.fullmatch(r"\d+(\.\d*)?|\.\d+", str(values.get("transition"))):
            values = {"transition_seconds": values["transition"], **values, "transition": "fade"}
        return values

    @field_validator("lora", "text_lora", "caption_font")
    @classmethod
    def _of_the_studio(cls, value: str) -> str:
        """A style brings what lies under assets, no file of anywhere else."""
        if re.search(r"[/\\]", value):
            raise ValueError(f"{printable(value)} is no LoRA or font of the studio's; give the name of one")
        return value


def load_style(name: str) -> Style:
    """A one-click style by its name or its YAML file. Raises Mistake where there is none."""
    return load(Style, preset("styles", name))


def styled(film: Craft) -> Style:
    """A film's style, with what the film wants otherwise. Raises Mistake where there is no such style.

    Whoever gives words for a title, or anything for an end card, wants it shown.
    """
    style = load_style(film.style)
    wanted = {name: getattr(film, name) for name in Craft.model_fields if name in Style.model_fields}
    own = {name: value for name, value in wanted.items() if value is not None}
    look = {
        f"caption_{what}": value for what, value in CAPTION_LOOKS.get(film.caption_look or "", {}).items()
    }
    shown: dict[str, Any] = {}
    if film.title_words.strip() and style.title_shown == "none":
        shown["title_shown"] = "over"
    if film.end_words or film.end_link or film.end_picture:
        shown["end_card"] = True
    return style.model_copy(update=look | shown | own)
