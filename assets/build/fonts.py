"""Makes assets/fonts from the openly licensed fonts that the npm packages of Fontsource carry.

The Latin, Cyrillic and Vietnamese parts of a font come as separate files; they are merged into one TrueType
file. The Chinese fonts (7,333 characters) stay WOFF2, which Pillow's wheels read, at half the size. Of the
emoji, those that several signs make up together, such as flags, get a code of their own each, so that a
library which puts no signs together draws them too: line n of emoji.txt lists what U+F0000 + n stands for.

    npm pack @fontsource/nunito @fontsource/lora @fontsource/patrick-hand @fontsource/noto-emoji
    npm pack @fontsource/noto-sans-sc @fontsource/noto-serif-sc
    python assets/build/fonts.py FOLDER_OF_THE_TGZ_FILES

Needs `fonttools` and `brotli`; the studio itself does not.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "fonts"
LATIN = {
    "sans.ttf": ("nunito", "800", ("latin", "latin-ext", "cyrillic", "vietnamese")),
    "serif.ttf": ("lora", "700", ("latin", "latin-ext", "cyrillic", "vietnamese")),
    "hand.ttf": ("patrick-hand", "400", ("latin", "latin-ext", "vietnamese")),
}
CHINESE = {
    "sans-zh.woff2": ("noto-sans-sc", "700"),
    "serif-zh.woff2": ("noto-serif-sc", "600"),
}
EMOJI = ("noto-emoji", "700")
TOGETHER = 0xF0000  # the code of the first sign that several make up
TONES = re.compile("[\U0001f3fb-\U0001f3ff]")  # of skin; letters of one ink don't show them
TAGS = range(0xE0000, 0xE0080)


def read(folder: Path, package: str, member: str) -> bytes:
    """One file out of a package's .tgz."""
    (archive,) = folder.glob(f"fontsource-{package}-[0-9]*.tgz")
    with tarfile.open(archive) as tar:
        file = tar.extractfile(f"package/{member}")
        assert file is not None, member
        return file.read()


def merged(parts: list[bytes], name: str) -> bytes:
    """TrueType bytes of several subsets of one font; of a character in two of them the first counts.

    The result is called `name`: the licence reserves a font's own name for what its authors made.
    """
    from fontTools import subset
    from fontTools.merge import Merger
    from fontTools.ttLib import TTFont

    seen: set[int] = set()
    files: list[str | io.BytesIO] = []
    for data in parts:
        font = TTFont(io.BytesIO(data))
        new = set(font.getBestCmap()) - seen
        seen |= new
        options = subset.Options(layout_features=["kern", "mark", "ccmp"], notdef_outline=True, hinting=False)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=new)
        cutter.subset(font)
        font.flavor = None
        out = io.BytesIO()
        font.save(out)
        out.seek(0)
        files.append(out)
    whole = io.BytesIO()
    joined = Merger().merge(files)
    rename(joined, name)
    joined.save(whole)
    return whole.getvalue()


def rename(font: Any, name: str) -> None:
    """Calls a font otherwise than its authors call theirs."""
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = name.replace(" ", "") if record.nameID == 6 else name


def emoji(data: bytes) -> tuple[bytes, str]:
    """WOFF2 bytes of an emoji font without its rules, and the text of emoji.txt: see above.

    Rules that end in a sign's own picture, as those for tones of skin do, need none: who reads a text takes
    its first sign then.
    """
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(data))
    plain = {code: glyph for code, glyph in font.getBestCmap().items() if code > 0xA0 and code not in TAGS}
    codes = {glyph: code for code, glyph in reversed(font.getBestCmap().items())}
    made: dict[str, set[str]] = {}
    for table in font["GSUB"].table.LookupList.Lookup[0].SubTable:
        for first, rules in table.ligatures.items():
            for rule in rules:
                text = "".join(chr(codes[glyph]) for glyph in (first, *rule.Component))
                made.setdefault(rule.LigGlyph, set()).add(TONES.sub("", text))
    shown = {*plain.values()}
    lines = sorted((sorted(texts), glyph) for glyph, texts in made.items() if codes.get(glyph) not in plain)
    lines = [(texts, glyph) for texts, glyph in lines if glyph not in shown]
    together = {TOGETHER + number: glyph for number, (_, glyph) in enumerate(lines)}
    for table in font["cmap"].tables:
        if table.format == 12:
            table.cmap = plain | together
    font["cmap"].tables = [table for table in font["cmap"].tables if table.format == 12]
    del font["GSUB"]
    options = subset.Options(notdef_outline=True, hinting=False)
    options.drop_tables += ["vhea", "vmtx", "STAT"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=plain | together)
    cutter.subset(font)
    rename(font, "Studio emoji")
    font.flavor = "woff2"
    whole = io.BytesIO()
    font.save(whole)
    return whole.getvalue(), "".join(f"{' '.join(texts)}\n" for texts, _ in lines)


def main(folder: Path) -> None:
    """Writes every font and its licence into assets/fonts."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, (package, weight, scripts) in LATIN.items():
        parts = [read(folder, package, f"files/{package}-{part}-{weight}-normal.woff2") for part in scripts]
        (TARGET / name).write_bytes(merged(parts, f"Studio {Path(name).stem}"))
    for name, (package, cut) in CHINESE.items():
        data = read(folder, package, f"files/{package}-chinese-simplified-{cut}-normal.woff2")
        (TARGET / name).write_bytes(data)
    font, together = emoji(read(folder, EMOJI[0], f"files/{EMOJI[0]}-emoji-{EMOJI[1]}-normal.woff2"))
    (TARGET / "emoji.woff2").write_bytes(font)
    (TARGET / "emoji.txt").write_text(together, encoding="utf-8")
    packages = {spec[0] for fonts in (LATIN, CHINESE) for spec in fonts.values()} | {EMOJI[0]}
    for package in sorted(packages):
        (TARGET / f"LICENSE-{package}.txt").write_bytes(read(folder, package, "LICENSE"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
