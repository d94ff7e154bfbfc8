"""The boxes in which a voice is chosen, mixed of two, and heard before a film is made.

A voice is one string (core.video.audio.voice); these boxes give its parts. Knows nothing about engines.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import gradio as gr

from core.messages import Mistake
from core.texts.letters import language_of_letters
from core.video.audio import voice
from core.video.audio.mix import as_mp3, mix
from core.video.audio.voices.engine import Voice
from tabs.shell.widgets import chooser
from tabs.shell.wiring import Page
from tabs.shell.words import static

SAMPLES = {
    "en": "The boat leaves before the sun does. Nobody waits for it, and it doesn't mind.",
    "zh": "天还没亮，小船就离开了岸边。没有人等它，它也不在意。",
}


@dataclass(frozen=True)
class Boxes:
    """Who speaks, who is mixed in and how much of them, and what plays a sample."""

    first: gr.Dropdown
    second: gr.Dropdown
    weight: gr.Slider
    listen: gr.Button
    player: gr.HTML

    @property
    def chosen(self) -> dict[str, gr.components.Component]:
        """What `joined` makes a voice of, by the names that the tab gives it."""
        return {"voice": self.first, "second_voice": self.second, "second_weight": self.weight}


def first_box() -> tuple[gr.Dropdown, gr.Button, gr.HTML]:
    """Who speaks, the button by which that is heard, and where its sound goes."""
    with gr.Row(elem_classes="st-pair st-foot"):
        first = chooser("Voice", choices(Page("en")), voice.AUTO, "voice", "Press Listen to hear it.")
        listen = gr.Button(static("Listen"), elem_id="listen", scale=0, min_width=110)
    return first, listen, gr.HTML(elem_id="voice-sample")


def second_boxes() -> tuple[gr.Dropdown, gr.Slider]:
    """A second voice, and how much of it is in the mix."""
    second = chooser("Second voice", seconds(Page("en")), "", "second-voice", "Mixed into the first one.")
    weight = gr.Slider(
        0,
        1,
        value=0.3,
        step=0.05,
        visible=False,
        label=static("Weight of the second voice"),
        info=static("0: the first alone, 1: the second alone"),
    )
    return second, weight


def choices(page: Page) -> list[tuple[str, str]]:
    """(what is shown, voice): by itself, the voices that are here, the page's language first, and none."""
    return [
        (page.say("By the topic's language"), voice.AUTO),
        *_offers(page),
        (page.say("No voice"), voice.NONE),
    ]


def seconds(page: Page) -> list[tuple[str, str]]:
    """(what is shown, voice) of those that can be mixed into another, and none."""
    return [(page.say("None"), ""), *(offer for offer in _offers(page) if voice.mixable(offer[1]))]


def _offers(page: Page) -> list[tuple[str, str]]:
    languages = sorted(SAMPLES, key=lambda language: language != page.language)
    return [(named(page, one), name) for language in languages for name, one in voice.offers(language)]


def named(page: Page, one: Voice) -> str:
    """A voice for people, such as "Heart · woman · English (US)"."""
    sex = "" if one.woman is None else page.say("woman" if one.woman else "man")
    language = page.say(voice.LANGUAGES[one.language]) + (f" ({one.region})" if one.region else "")
    return " · ".join(filter(None, (one.title, sex, language)))


def joined(first: str, second: str, weight: float | None) -> str:
    """The voice of both boxes as one string. Raises Mistake where the first can't be mixed, or the weight."""
    if not second:
        return first
    engine, _, name = second.partition(":")
    if not first.startswith(f"{engine}:"):
        raise Mistake(
            "Only voices of one kind can be mixed; choose a first voice such as {voice}.", voice=second
        )
    share = 0.3 if weight is None else weight
    if not 0 <= share <= 1:
        raise Mistake(
            "The weight is {weight}; it must be between {low:g} and {high:g}.", weight=share, low=0, high=1
        )
    return f"{first}+{name}@{share:g}"


def sample(language: str, who: str) -> str:
    """A sample sentence as a film would sound, in a player that starts by itself; nothing of nobody."""
    if who == voice.NONE:
        return ""
    speech = voice.speak(SAMPLES[language], who)
    voice.rest()
    sound = base64.b64encode(as_mp3(mix(speech.seconds, [(0.0, speech)]))).decode()
    return f"<audio controls autoplay src='data:audio/mpeg;base64,{sound}'></audio>"


def language_for(page: Page, topic: str) -> str:
    """The language of a sample: the topic's, where there is a sample in it, else the page's."""
    told = language_of_letters(topic) if topic.strip() else ""
    return told if told in SAMPLES else page.language
