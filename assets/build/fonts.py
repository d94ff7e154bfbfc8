"""Makes assets/fonts from the openly licensed fonts that the npm packages of Fontsource carry.

The Latin, Cyrillic and Vietnamese parts of a font come as separate files; they are merged into one TrueType
file. The Chinese fonts (7,333 characters) stay WOFF2, which Pillow's wheels read, at half the size.

    npm pack @fontsource/nunito @fontsource/lora @fontsource/patrick-hand
    npm pack @fontsource/noto-sans-sc @fontsource/noto-serif-sc
    python assets/build/fonts.py FOLDER_OF_THE_TGZ_FILES

Needs `fonttools` and `brotli`; the studio itself does not.
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

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
    for record in joined["name"].names:
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = name.replace(" ", "") if record.nameID == 6 else name
    joined.save(whole)
    return whole.getvalue()


def main(folder: Path) -> None:
    """Writes every font and its licence into assets/fonts."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, (package, weight, scripts) in LATIN.items():
        parts = [read(folder, package, f"files/{package}-{part}-{weight}-normal.woff2") for part in scripts]
        (TARGET / name).write_bytes(merged(parts, f"Studio {Path(name).stem}"))
    for name, (package, cut) in CHINESE.items():
        data = read(folder, package, f"files/{package}-chinese-simplified-{cut}-normal.woff2")
        (TARGET / name).write_bytes(data)
    for package in sorted({spec[0] for spec in LATIN.values()} | {spec[0] for spec in CHINESE.values()}):
        (TARGET / f"LICENSE-{package}.txt").write_bytes(read(folder, package, "LICENSE"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
