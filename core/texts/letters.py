"""Which signs are Chinese, Japanese or Korean: the one place for their ranges, as insides of `[…]`.

And which script, and so nearly which language, a text is in; what follows from it is for those who ask.
"""

from __future__ import annotations

import re

HAN = r"\u3400-\u9fff\uf900-\ufaff"  # Chinese characters, of Japanese too
KANA = r"\u3040-\u30ff"
HANGUL = r"\uac00-\ud7af"

HAN_SIGN = re.compile(f"[{HAN}]")
IDEOGRAPH = re.compile(f"[{KANA}{HAN}]")  # of scripts without spaces
SYLLABLE = re.compile(f"[{HANGUL}]")
DENSE = re.compile(f"[{KANA}{HAN}{HANGUL}]")  # of which one sign says about as much as a short word
WIDE = re.compile(rf"[\u2e80-\u2fff\u3100-\u33ff{KANA}{HAN}{HANGUL}]")  # radicals and signs in frames too

SCRIPTS = {
    "ja": f"[{KANA}]",
    "zh": f"[{HAN}]",
    "ko": rf"[{HANGUL}\u1100-\u11ff]",
    "ru": r"[\u0400-\u052f]",
    "ar": r"[\u0600-\u06ff\u0750-\u077f]",
    "he": r"[\u0590-\u05ff]",
    "el": r"[\u0370-\u03ff]",
    "th": r"[\u0e00-\u0e7f]",
    "hi": r"[\u0900-\u0dff]",
}  # by the language that it most often writes, ISO 639-1


def language_of_letters(text: str) -> str:
    """The language, of `SCRIPTS`, whose signs are a quarter of a text's letters at least; else `en`."""
    letters = re.findall(r"[^\W\d_]", text)
    for language, signs in SCRIPTS.items():
        if letters and len(re.findall(signs, text)) * 4 >= len(letters):
            return language
    return "en"
