"""A film's phrases as files of subtitles: SubRip, and Advanced SubStation with its karaoke marks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from core.texts.letters import WIDE
from core.video.picture.captions import PLACES
from core.video.picture.lettering import Look, caption_area
from core.video.picture.phrasing import Phrase
from core.video.picture.typesetting import line_text

FAMILIES = {
    "sans": ("Nunito", "Noto Sans SC"),
    "serif": ("Lora", "Noto Serif SC"),
    "hand": ("Patrick Hand",) * 2,
}


def srt(shown: Sequence[Phrase]) -> str:
    """The phrases as SubRip text, times at their milliseconds."""
    from pysubs2 import SSAEvent, SSAFile, make_time

    file = SSAFile()
    file.events = [
        SSAEvent(make_time(s=phrase.start), make_time(s=phrase.end), phrase.text) for phrase in shown
    ]
    return file.to_string("srt", keep_ssa_tags=True).removesuffix("\n")  # what looks like tags was said


def ass(shown: Sequence[Phrase], look: Look, width: int, height: int) -> str:
    """The phrases as an .ass file in the film's look, each word with its karaoke mark."""
    from pysubs2 import Alignment, Color, SSAEvent, SSAFile, SSAStyle, make_time

    def color(hexed: str) -> Color:
        return Color(*(int(hexed[at : at + 2], 16) for at in (1, 3, 5)))

    area, left = caption_area(width, height), look.back == "bar"
    columns = {"top": (Alignment.TOP_LEFT, Alignment.TOP_CENTER)}
    columns |= {"middle": (Alignment.MIDDLE_LEFT, Alignment.MIDDLE_CENTER)}
    at = columns.get(look.place, (Alignment.BOTTOM_LEFT, Alignment.BOTTOM_CENTER))[0 if left else 1]
    free = (1 - PLACES[look.place] if look.place in ("lower", "bottom") else PLACES[look.place]) * (
        area.bottom - area.top
    )
    edge = area.top if look.place == "top" else height - area.bottom
    wide = any(WIDE.search(phrase.text) for phrase in shown)
    file = SSAFile()
    file.info |= {"PlayResX": f"{width}", "PlayResY": f"{height}", "WrapStyle": "2"}
    file.styles["Default"] = SSAStyle(
        fontname=FAMILIES[look.font][wide],
        fontsize=look.size * min(width, height) / 1080,
        primarycolor=color(look.accent if look.show == "fill" else look.color),
        secondarycolor=color(look.color),
        borderstyle=3 if look.back in ("box", "bar") else 1,
        alignment=at,
        marginl=area.left,
        marginr=width - area.right,
        marginv=0 if look.place == "middle" else round(edge + free),
    )
    file.events = [
        SSAEvent(make_time(s=phrase.start), make_time(s=phrase.end), karaoke(phrase)) for phrase in shown
    ]
    return file.to_string("ass")


def karaoke(phrase: Phrase) -> str:
    """A phrase's lines with the hundredths of a second that each word takes until the next one."""
    words = phrase.words
    starts = [phrase.start, *(word.start for word in words[1:]), words[-1].end]
    taken = iter(round(100 * (after - now)) for now, after in itertools.pairwise(starts))
    lines = []
    for line in phrase.lines:
        texts = [word.text for word in line]
        # What stands between two words on a line belongs to the one before.
        ends = [len(line_text(texts[: at + 1])) for at in range(len(texts))]
        whole, at, parts = line_text(texts), 0, []
        for number, end in enumerate(ends):
            stop = end if number == len(ends) - 1 else whole.index(texts[number + 1], end)
            said = whole[at:stop].replace("\\", "⧵").replace("{", "（").replace("}", "）")
            parts.append(f"{{\\k{max(0, next(taken))}}}{said}")
            at = stop
        lines.append("".join(parts))
    return "\\N".join(lines)
