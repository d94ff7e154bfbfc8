"""The window's words in English and Chinese.

English is the key, `zh.yaml` holds the Chinese for it: static texts go to the browser through gr.I18n, which
shows them in its language; sentences made in Python (progress, mistakes) are looked up by their template.
Knows nothing about what a text means or where it stands.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import gradio as gr
import yaml
from gradio.i18n import I18nData
from starlette.requests import Request

from core.project import ROOT

COOKIE = "studio_lang"
LANGUAGES = {"en": "English", "zh": "中文"}


@cache
def chinese() -> dict[str, str]:
    """English text or template → Chinese."""
    return yaml.safe_load((ROOT / "tabs" / "zh.yaml").read_text(encoding="utf-8"))


def _key(text: str) -> str:
    # Dots and braces mean something in the browser's message keys, so the text itself can't be one.
    return "t" + hashlib.sha256(text.encode()).hexdigest()[:12]


def static(text: str) -> Any:
    """A fixed text that the browser shows in its own language; plain English where no Chinese is known."""
    return I18nData(_key(text)) if text in chinese() else text


def catalogue() -> gr.I18n:
    """All fixed texts for `launch(i18n=…)`; templates with places are Python's to fill."""
    fixed = {text: said for text, said in chinese().items() if "{" not in text}
    return gr.I18n(
        en={_key(text): text for text in fixed}, zh={_key(text): said for text, said in fixed.items()}
    )


def say(language: str, text: str, /, **values: object) -> str:
    """A text or template in `language` (`en` or `zh`), its places filled; English where it is unknown.

    Only the studio's own templates, which all stand in the word list, are filled: another comes from a file.
    """
    template = chinese().get(text, text) if language == "zh" else text
    return template.format(**values) if values and text in chinese() else template


def language_of(request: gr.Request | Request | None) -> str:
    """The page's language: its own switch's cookie, else the browser's first choice."""
    if request is None:
        return "en"
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


# Names that are too short, or too much a programmer's, to stand beside a slider.
NAMES = {
    "ai_label": "AI label",
    "early_stop": "Stop early",
    "ema": "Average of the weights",
    "fps": "Frame rate",
    "holdout": "Held-out share",
    "look_share": "Time for looks",
    "lr_scheduler": "Learning rate's course",
    "max_length": "Longest row",
    "reg_data_dir": "Regularisation pictures",
    "reg_weight": "Regularisation weight",
    "seeds": "Pictures of each prompt",
    "steps": "Drawing steps",
    "tags": "Tags a picture",
    "task": "Kind of texts",
    "train_text_encoder": "Train the text encoder too",
    "validate_steps": "Steps between looks",
}


def label(name: str) -> str:
    """A setting's name as people read it: `lora_rank` → `LoRA rank`."""
    if name in NAMES:
        return NAMES[name]
    words = (
        name.replace("_", " ").replace("lora", "LoRA").replace("snr", "SNR").replace(" lr", " learning rate")
    )
    return words[0].upper() + words[1:]
