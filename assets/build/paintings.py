"""Our own SVG drawings, for what the icon sets lack: river-town things, full-length people, seated animals.

Works on nothing but numbers and colour strings; knows nothing about rendering, captions or scenes.
Every function returns SVG elements in a 100 × 100 box (y down), with no outer <svg>.
"""

from __future__ import annotations

from collections.abc import Callable

SKIN = "#f2c29b"
TILE = "#4a5361"
WALL = "#f4efe4"
WOOD = "#8a5a3b"


def _path(d: str, fill: str, extra: str = "") -> str:
    return f'<path d="{d}" fill="{fill}" {extra}/>'


def _stroke(d: str, color: str, width: float, extra: str = "") -> str:
    return (
        f'<path d="{d}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-linecap="round" stroke-linejoin="round" {extra}/>'
    )


def _ellipse(cx: float, cy: float, rx: float, ry: float, fill: str, extra: str = "") -> str:
    return f'<ellipse cx="{cx}" cy="{cy}" rx="{rx}" ry="{ry}" fill="{fill}" {extra}/>'


def _rect(x: float, y: float, w: float, h: float, fill: str, rx: float = 0) -> str:
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{rx}" fill="{fill}"/>'


def bridge() -> str:
    """A stone arch bridge seen from the side, with railing posts."""
    stones = "".join(
        _stroke(f"M{x} {y}h7", "#8f8a80", 0.9)
        for x, y in ((8, 66), (20, 60), (12, 74), (80, 60), (86, 70), (72, 54), (30, 53), (84, 78), (6, 82))
    )
    posts = "".join(
        _rect(x - 1.2, y - 9, 2.4, 10, "#d9d3c6", 0.6)
        for x, y in (
            (6, 61),
            (18, 53.5),
            (30, 47.5),
            (42, 44.5),
            (58, 44.5),
            (70, 47.5),
            (82, 53.5),
            (94, 61),
        )
    )
    return (
        _path("M0 64 Q50 30 100 64 V90 H80 A30 31 0 0 0 20 90 H0Z", "#b9b3a7")
        + _path("M20 90 A30 31 0 0 1 80 90 H75 A25 26 0 0 0 25 90Z", "#8f897e")
        + stones
        + posts
        + _stroke("M2 55 Q50 23 98 55", "#d9d3c6", 2.6)
        + _stroke("M0 64 Q50 30 100 64", "#e4dfd3", 3)
    )


def bridge_wood() -> str:
    """A red wooden footbridge seen from the side."""
    posts = "".join(
        _rect(x - 1.3, y - 12, 2.6, 13, "#8f2f22", 0.8)
        for x, y in ((5, 66), (23, 56), (41, 51), (59, 51), (77, 56), (95, 66))
    )
    return (
        _rect(21, 56, 4, 32, "#7a3a2a")
        + _rect(75, 56, 4, 32, "#7a3a2a")
        + _path("M0 66 Q50 36 100 66 V73 Q50 44 0 73Z", "#c8503c")
        + posts
        + _stroke("M3 55 Q50 26 97 55", "#c8503c", 2.6)
        + _stroke("M3 60 Q50 32 97 60", "#c8503c", 1.5)
    )


def _eave(cx: float, y: float, half: float, h: float, fill: str) -> str:
    """One curved roof: tips turned up, ridge at y - h."""
    return _path(
        f"M{cx - half} {y - 3} Q{cx - half * 0.55} {y - h * 0.25} {cx - half * 0.35} {y - h} "
        f"H{cx + half * 0.35} Q{cx + half * 0.55} {y - h * 0.25} {cx + half} {y - 3} "
        f"Q{cx + half * 0.8} {y + 1.5} {cx} {y + 1.5} Q{cx - half * 0.8} {y + 1.5} {cx - half} {y - 3}Z",
        fill,
    )


def pagoda(roof: str = "#3f5a63", wall: str = "#c9553d") -> str:
    """A five-storey pagoda."""
    out = _rect(49, 2, 2, 14, "#d9a441")
    for i in range(5):
        y, half = 22 + 16.5 * i, 15 + 4.2 * i
        out += _rect(50 - half * 0.62, y, half * 1.24, 13, wall)
        out += _rect(50 - half * 0.16, y + 3, half * 0.32, 9, "#5b2a22", 1)
        out += "".join(_rect(50 + s * half * 0.42 - 1, y, 2, 13, "#8f3a2b") for s in (-1, 1))
        out += _eave(50, y, half, 9, roof)
    return out + _rect(20, 97, 60, 3, "#b9b3a7")


def temple(roof: str = "#4a5d52", wall: str = "#b5483a") -> str:
    """A temple hall with a double roof on a stone base."""
    pillars = "".join(_rect(x - 1.6, 60, 3.2, 28, "#8c2f27") for x in (18, 32, 68, 82))
    return (
        _rect(8, 88, 84, 5, "#cfc8b8")
        + _rect(3, 93, 94, 6, "#b9b2a2")
        + _rect(16, 60, 68, 28, wall)
        + _rect(41, 65, 18, 23, "#4c231d")
        + _stroke("M50 65V88", "#8c5a3a", 1)
        + _rect(22, 66, 8, 12, "#e8d9a8")
        + _rect(70, 66, 8, 12, "#e8d9a8")
        + pillars
        + _eave(50, 60, 48, 16, roof)
        + _rect(30, 36, 40, 8, wall)
        + _eave(50, 36, 36, 18, roof)
        + _stroke("M37 18H63", "#2f3d36", 3)
    )


def town_house() -> str:
    """A white-walled, grey-tiled river house of two storeys."""
    panes = "".join(_stroke(f"M{x} 44v12", "#6f4a32", 0.9) for x in (27, 31, 35, 64, 68, 72))
    return (
        _rect(14, 30, 72, 68, WALL)
        + _path("M6 34 L22 14 H78 L94 34 Q50 30 6 34Z", TILE)
        + _stroke("M20 13H80", "#363d48", 3)
        + _rect(23, 44, 16, 12, "#a6754c")
        + _rect(60, 44, 16, 12, "#a6754c")
        + panes
        + _path("M8 66 L16 58 H84 L92 66Z", "#5a6472")
        + _rect(41, 70, 18, 28, WOOD)
        + _stroke("M50 70V98", "#5e3b26", 1.2)
        + _rect(20, 72, 13, 14, "#a6754c")
        + _rect(67, 72, 13, 14, "#a6754c")
        + _stroke("M26.5 72v14M20 79h13M73.5 72v14M67 79h13", "#6f4a32", 0.9)
        + _rect(10, 97, 80, 3, "#aaa396")
    )


def cottage(wall: str = "#f3e3c3", roof: str = "#b8503a") -> str:
    """A small cottage with a chimney."""
    return (
        _rect(66, 14, 9, 22, "#a0644a")
        + _rect(18, 46, 64, 52, wall)
        + _path("M8 50 L50 12 L92 50 L86 53 L50 21 L14 53Z", roof)
        + _path("M14 50 L50 18 L86 50Z", roof)
        + _rect(42, 66, 16, 32, "#7a4a2e", 2)
        + _ellipse(54.5, 83, 1.2, 1.2, "#e8c36a")
        + _rect(24, 60, 13, 14, "#9fd0e6", 1)
        + _rect(63, 60, 13, 14, "#9fd0e6", 1)
        + _stroke("M30.5 60v14M24 67h13M69.5 60v14M63 67h13", "#fff8e8", 1.4)
        + _ellipse(50, 40, 5.5, 5.5, "#9fd0e6")
        + _rect(12, 97, 76, 3, "#8fae5e")
    )


def rowboat(hull: str = "#b5753f") -> str:
    """An empty wooden rowing boat with an oar."""
    return (
        _stroke("M60 44 L92 20", "#7a5230", 2.4)
        + _path("M2 44 Q50 58 98 42 Q92 68 76 72 H26 Q10 68 2 44Z", hull)
        + _path("M2 44 Q50 58 98 42 L96 48 Q50 63 4 50Z", "#e3b277")
        + _path("M8 58 Q50 70 92 56 L90 60 Q50 74 10 62Z", "#8a5530", 'opacity=".55"')
        + _path("M60 44l-18 14 3 3 18-13z", "#7a5230")
    )


def sampan() -> str:
    """A river boat with a black woven canopy."""
    ribs = "".join(_stroke(f"M{x} 55 Q{x + 2} 36 {x + 5} 33", "#20262e", 0.9) for x in (34, 43, 52, 61))
    return (
        _stroke("M86 58 L97 22", "#7a5230", 1.8)
        + _path("M26 58 Q28 30 50 30 Q72 30 74 58Z", "#39424d")
        + ribs
        + _path("M66 58 Q68 38 63 33 Q73 38 74 58Z", "#1e242b")
        + _path("M0 48 Q12 58 50 58 Q88 58 100 46 Q94 70 78 73 H22 Q8 70 0 48Z", "#7c5437")
        + _path("M0 48 Q12 58 50 58 Q88 58 100 46 L98 52 Q86 63 50 63 Q14 63 2 53Z", "#a87a52")
    )


def sailboat(sail: str = "#fbf3e0", hull: str = "#a8452f") -> str:
    """A sailing boat with two sails."""
    return (
        _rect(48.6, 4, 2.2, 74, "#6b4a32")
        + _path("M53 7 Q84 40 88 70 H53Z", sail)
        + _path("M46 16 Q24 44 16 70 H46Z", sail)
        + _path("M53 56 Q74 55 86 60 L88 70 H53Z", "#d9764a", 'opacity=".85"')
        + _stroke("M53 30 Q62 30 68 31 M46 40 Q38 40 32 42", "#d8ccb0", 1.2)
        + _path("M50.8 3 L64 7 L50.8 11Z", "#d5402f")
        + _path("M6 76 Q50 82 96 74 Q88 96 76 97 H26 Q14 96 6 76Z", hull)
        + _path("M6 76 Q50 82 96 74 L94 80 Q50 88 8 81Z", "#f0dcb4")
    )


def junk() -> str:
    """A fishing junk with one ribbed brown sail."""
    ribs = "".join(
        _stroke(f"M{30 - 0.1 * i} {20 + 11 * i} Q54 {16 + 12 * i} {76 + i} {26 + 10 * i}", "#8a4a2c", 1.3)
        for i in range(5)
    )
    return (
        _rect(49, 3, 2.4, 76, "#5e3b26")
        + _path("M30 12 Q56 4 70 14 Q82 40 80 70 Q54 78 28 70 Q24 40 30 12Z", "#c97a45")
        + ribs
        + _path("M2 70 Q30 82 70 80 Q90 78 98 66 Q94 92 80 96 H24 Q10 92 2 70Z", "#6e4a32")
        + _path("M2 70 Q30 82 70 80 Q90 78 98 66 L97 72 Q88 83 70 85 Q28 87 4 76Z", "#9c6b45")
    )


def lamp_post() -> str:
    """An old iron street lamp."""
    return (
        _rect(48.2, 26, 3.6, 68, "#39424d")
        + _path("M40 98 L44 90 H56 L60 98Z", "#39424d")
        + _stroke("M42 34 H58", "#39424d", 2)
        + _path("M41 9 H59 L56 26 H44Z", "#ffe49a")
        + _path("M38 10 Q50 -4 62 10Z", "#39424d")
        + _stroke("M41 9 L44 26 H56 L59 9 M50 9V26", "#39424d", 1.4)
    )


def crane() -> str:
    """A standing red-crowned crane."""
    return (
        _stroke("M52 62 L50 96 M60 62 L63 80 L59 96", "#4a4440", 1.8)
        + _stroke("M46 97h9M56 97h8", "#4a4440", 1.8)
        + _path("M30 47 Q40 34 60 40 Q80 46 92 60 Q74 66 56 66 Q36 66 30 47Z", "#fdfbf5")
        + _path("M66 50 Q84 50 97 66 Q86 70 76 66 Q70 62 66 50Z", "#2e2d31")
        + _stroke("M36 48 Q26 38 32 26 Q34 18 31 12", "#fdfbf5", 6)
        + _stroke("M36 49 Q26.5 38 32 26", "#2e2d31", 5.4)
        + _ellipse(30, 11, 5, 4.2, "#fdfbf5")
        + _path("M26 9 Q30 4 34.5 8 L33 10Z", "#d8402f")
        + _path("M26 10 L8 14.5 L26 13.6Z", "#b58a3c")
        + _ellipse(28.6, 10.6, 0.9, 0.9, "#222")
        + _stroke("M44 46 Q58 46 70 54", "#ddd6c8", 1.5)
    )


def heron() -> str:
    """A grey heron, standing."""
    return (
        _stroke("M50 64 L50 96 M57 64 L58 96", "#8a7a3c", 1.7)
        + _stroke("M45 97h7M55 97h7", "#8a7a3c", 1.7)
        + _path("M32 46 Q44 36 62 44 Q80 52 90 72 Q70 70 54 68 Q34 62 32 46Z", "#8fa0b3")
        + _path("M56 48 Q74 54 92 74 Q76 74 64 66Z", "#5d6f85")
        + _stroke("M37 47 Q24 40 33 28 Q40 18 33 12", "#e8edf0", 5.4)
        + _ellipse(31.5, 11, 4.8, 3.8, "#e8edf0")
        + _path("M29 8 Q36 5 47 10 Q38 11 34 11Z", "#2f3b49")
        + _path("M28 10 L6 15 L28 14Z", "#d9a441")
        + _ellipse(30, 10.4, 0.9, 0.9, "#222")
    )


def peaks(rock: str = "#6f86a3", shade: str = "#4c6280", snow: bool = True) -> str:
    """Three steep mountains, lit from the left."""
    out = _path("M58 92 L78 40 Q82 34 86 42 L104 92Z", shade) + _path(
        "M58 92 L78 40 L82 52 L76 66 L80 92Z", rock
    )
    out += _path("M-4 92 L14 46 Q18 40 23 47 L46 92Z", shade) + _path(
        "M-4 92 L14 46 L20 58 L15 72 L20 92Z", rock
    )
    out += _path("M16 92 L44 14 Q49 7 54 15 L84 92Z", shade) + _path(
        "M16 92 L44 14 L52 30 L44 48 L54 64 L46 92Z", rock
    )
    if snow:
        out += _path("M44 14 Q49 7 54 15 L63 37 L57 34 L53 42 L48 33 L42 39 L36 36Z", "#f6f9fc")
        out += _path("M78 40 Q82 34 86 42 L90 52 L85 50 L81 56 L74 51Z", "#f6f9fc")
        out += _path("M14 46 Q18 40 23 47 L28 56 L22 55 L18 61 L10 56Z", "#f6f9fc")
    return out + _path(
        "M-6 92 Q10 84 28 89 Q48 82 66 89 Q86 84 106 92 Q104 97 96 97 H4 Q-4 97 -6 92Z", "#7fa06a"
    )


def willow() -> str:
    """A willow, its thin branches falling like a fountain."""
    out = _path("M44 98 Q49 72 45 50 Q42 34 50 24 Q57 36 55 52 Q53 74 59 98Z", "#7a5c40")
    out += (
        _ellipse(50, 22, 30, 16, "#86ad4e")
        + _ellipse(34, 24, 16, 11, "#98bf5e")
        + _ellipse(66, 23, 15, 10, "#8fb856")
    )
    for i in range(30):
        turn = (i * 11) % 30 / 29 * 2 - 1
        reach = 50 + turn * 45
        crown = 12 + 16 * abs(turn) ** 1.5
        low = (66, 84, 74, 92, 60)[i % 5] - 16 * abs(turn)
        if abs(turn) < 0.22:
            low -= 22
        color = ("#5f8f3a", "#7fae4d", "#99c463")[i % 3]
        x0 = 50 + turn * 20
        out += _stroke(f"M{x0:.1f} {crown} Q{reach:.1f} {crown + 2:.1f} {reach:.1f} {low:.0f}", color, 2.4)
        for k in range(3):
            y = crown + (low - crown) * (0.55 + 0.18 * k)
            out += _stroke(f"M{reach:.1f} {y:.1f} l{-3 if (i + k) % 2 else 3} 4", color, 1.6)
    return out


def bamboo() -> str:
    """Three stalks of bamboo with leaves."""
    out = ""
    for x, lean, color in ((34, -4, "#6fa544"), (50, 2, "#86b955"), (66, 6, "#5f9440")):
        out += _stroke(f"M{x} 99 L{x + lean} 4", color, 5)
        for y in (24, 44, 64, 84):
            xx = x + lean * (99 - y) / 95
            out += _stroke(f"M{xx - 3} {y}h6", "#47752f", 1.4)
    leaves = (
        (30, 22, -1),
        (30, 40, -1),
        (34, 58, -1),
        (52, 18, 1),
        (54, 38, 1),
        (72, 20, 1),
        (70, 44, 1),
        (72, 62, 1),
        (48, 30, -1),
        (62, 12, -1),
        (50, 62, 1),
        (30, 8, -1),
    )
    for i, (x, y, s) in enumerate(leaves):
        color = ("#5c9a3c", "#7cb850", "#4b8436")[i % 3]
        out += _path(
            f"M{x} {y} Q{x + s * 10} {y - 6} {x + s * 22} {y + 6} Q{x + s * 10} {y + 5} {x} {y}Z", color
        )
        out += _path(
            f"M{x} {y} Q{x + s * 9} {y + 4} {x + s * 15} {y + 17} Q{x + s * 4} {y + 12} {x} {y}Z", color
        )
    return out


def plum() -> str:
    """A branching plum tree in blossom."""
    out = _stroke("M48 99 Q46 74 50 60 Q54 50 50 38", "#5b4033", 6) + _stroke(
        "M50 62 Q34 52 24 34 M50 52 Q66 44 76 24 M50 40 Q44 26 46 10 M30 42 Q20 42 12 48 M66 40 Q80 42 88 50",
        "#5b4033",
        3.2,
    )
    dots = (
        (24, 34),
        (18, 24),
        (30, 22),
        (12, 48),
        (20, 44),
        (46, 10),
        (54, 16),
        (40, 20),
        (76, 24),
        (68, 16),
        (84, 20),
        (88, 50),
        (80, 42),
        (62, 34),
        (36, 36),
        (50, 30),
        (72, 34),
        (58, 24),
        (30, 30),
        (90, 32),
        (10, 36),
        (62, 8),
        (34, 10),
    )
    for i, (x, y) in enumerate(dots):
        out += _ellipse(x, y, 6.4, 5.8, ("#f4a6b8", "#f8c3cd", "#ec8aa4")[i % 3]) + _ellipse(
            x, y, 1.6, 1.6, "#fff3d6"
        )
    return out


def seated(head: str, fur: str, belly: str, tail: str = "") -> str:
    """A sitting animal, front view: our body under an icon's head.

    head is an SVG fragment drawn in a 100 × 100 box (the icon scaled); tail an SVG fragment drawn behind.
    """
    return (
        tail
        + _path("M30 96 Q22 70 36 54 Q50 44 64 54 Q78 70 70 96 Q50 102 30 96Z", fur)
        + _path("M36 56 Q50 50 64 56 Q66 70 50 82 Q34 70 36 56Z", belly)
        + _ellipse(31, 90, 11, 8, fur)
        + _ellipse(69, 90, 11, 8, fur)
        + _stroke("M43 78 V95 M57 78 V95", fur, 9)
        + _stroke("M50 80 V97", "#00000030", 1.2)
        + _ellipse(42, 96, 6.6, 3.8, fur)
        + _ellipse(58, 96, 6.6, 3.8, fur)
        + f'<g transform="translate(20 -1) scale(.6)">{head}</g>'
    )


FOX_TAIL = _path("M66 92 Q96 96 96 66 Q94 50 86 44 Q88 62 76 70 Q66 78 66 92Z", "#e0661f") + _path(
    "M96 66 Q94 50 86 44 Q87 53 84 59 Q90 62 96 66Z", "#fff1df"
)
LION_TAIL = _stroke("M68 92 Q92 92 88 66", "#d99433", 4) + _ellipse(88, 63, 5, 7, "#8a4a22")
CAT_TAIL = _stroke("M68 92 Q94 90 86 62", "#7d7f86", 7)


def person(
    robe: str,
    hair: str = "#3b2a22",
    skirt: bool = True,
    child: bool = False,
    hat: str = "",
    beard: bool = False,
    carry: str = "",
    trousers: str = "#4a5466",
    tail: str = "",
) -> str:
    """A standing person, front view, in a robe or in jacket and trousers.

    tail: "bun", "pigtails" or "" for short hair; hat: "cone", "straw" or ""; carry: an SVG fragment in front.
    """
    shoes = "#3a3030"
    if child and skirt:
        legs = _rect(42, 68, 6, 27, SKIN, 2) + _rect(52, 68, 6, 27, SKIN, 2)
        legs += _rect(40.5, 93, 8, 5, shoes, 2) + _rect(51.5, 93, 8, 5, shoes, 2)
        legs += _path("M39 50 Q50 46 61 50 L70 76 Q50 82 30 76Z", robe)
    elif skirt:
        legs = _rect(40, 90, 7.5, 8, shoes, 2) + _rect(52.5, 90, 7.5, 8, shoes, 2)
        legs += _path("M38 50 Q50 46 62 50 L69 90 Q50 95 31 90Z", robe)
        legs += _stroke("M50 58 Q51 76 50 91", "#00000022", 1.4)
    else:
        legs = _path("M40 56 H60 L60.5 94 H52 L50 68 L48 94 H39.5Z", trousers)
        legs += _path("M38 92h10.5v5.5H35.5z M51.5 92h10l2.5 5.5H51.5z", shoes)
    body = legs + _path("M36 34 Q50 28 64 34 Q67 46 63 60 Q50 64 37 60 Q33 46 36 34Z", robe)
    body += _stroke("M38 38 Q30 48 33 60", robe, 7) + _stroke("M62 38 Q70 48 67 60", robe, 7)
    body += _stroke("M40 40 Q37 48 38 56 M60 40 Q63 48 62 56", "#00000028", 1.2)
    body += _ellipse(33.5, 62, 3.2, 3.2, SKIN) + _ellipse(66.5, 62, 3.2, 3.2, SKIN)
    body += _path("M44 31 L50 42 L56 31Z", "#fbf3e6") + _stroke("M38.5 53 Q50 57 61.5 53", "#00000055", 2.4)
    body += _rect(46, 25, 8, 9, SKIN, 3)
    head = _head(hair, hat, beard, tail)
    if child:
        head = f'<g transform="translate(50 32) scale(1.35) translate(-50 -32)">{head}</g>'
        return f'<g transform="translate(11 22) scale(.78)">{body}{head}{carry}</g>'
    return body + head + carry


def _head(hair: str, hat: str, beard: bool, tail: str) -> str:
    """A face with hair, its chin at y 30."""
    behind = ""
    if tail == "bun":
        behind = _path("M37.5 17 Q35 32 40 35 H60 Q65 32 62.5 17Z", hair) + (
            "" if hat else _ellipse(50, 4.5, 6.5, 5, hair)
        )
    elif tail == "pigtails":
        behind = _ellipse(35, 23, 5, 7.5, hair) + _ellipse(65, 23, 5, 7.5, hair)
        behind += _ellipse(37.5, 17.5, 2, 2, "#d8402f") + _ellipse(62.5, 17.5, 2, 2, "#d8402f")
    out = behind + (_rect(46, 25, 8, 9, SKIN, 3) if tail == "bun" else "") + _ellipse(50, 18, 11, 12, SKIN)
    out += _path("M38.5 19 Q37 5 50 5 Q63 5 61.5 19 Q58 11 50 11.5 Q42 11 38.5 19Z", hair)
    out += _ellipse(46, 19, 1.2, 1.5, "#2b211d") + _ellipse(54, 19, 1.2, 1.5, "#2b211d")
    out += _ellipse(43, 22.5, 2, 1.3, "#ee9a83") + _ellipse(57, 22.5, 2, 1.3, "#ee9a83")
    if beard:
        out += _path("M41 22 Q50 25 59 22 Q58 36 50 43 Q42 36 41 22Z", "#eeebe4") + _stroke(
            "M46 24.5 Q50 27 54 24.5", "#c9c3b8", 1
        )
    else:
        out += _stroke("M47.5 25 Q50 27 52.5 25", "#b5573f", 1.1)
    if hat == "cone":
        out += _path("M26 15 L50 -3 L74 15 Q50 20 26 15Z", "#d9b36a") + _stroke(
            "M34 13 L50 1 M66 13 L50 1 M50 16V1", "#b58b45", 0.9
        )
    elif hat == "straw":
        out += (
            _ellipse(50, 10.5, 22, 4.6, "#e0b95e")
            + _path("M40 10 Q40 -2 50 -2 Q60 -2 60 10Z", "#e0b95e")
            + _path("M40 7 H60 V10 H40Z", "#b5473a")
        )
    return out


ROD = (
    _stroke("M30 70 L84 2", "#7a5230", 1.6)
    + _stroke("M84 2 Q92 30 90 50", "#d8d2c4", 0.7)
    + _path("M86 50 q7 5 8 12 q-8 0 -8 -12z", "#7fa3b5")
)
HOE = _stroke("M68 22 L66 96", "#8a5f3a", 2) + _path("M60 18 H76 V23 H60Z", "#8a8f96")
STICK = _stroke("M68 54 L70 97", "#7a5230", 2.2)
POLE = _stroke("M6 34 Q50 28 94 34", "#7a5230", 2) + "".join(
    _stroke(f"M{x} 34 L{x - 6} 58 M{x} 34 L{x + 6} 58", "#8a6a48", 0.8)
    + _path(f"M{x - 9} 58 H{x + 9} L{x + 6} 71 H{x - 6}Z", "#c99a5b")
    for x in (10, 90)
)


def umbrella_over(color: str) -> str:
    """An open oil-paper umbrella held over the head."""
    ribs = "".join(_stroke(f"M62 -4 Q{x} 4 {x} 12", "#00000033", 0.8) for x in (40, 52, 72, 84))
    return (
        _stroke("M66 62 L62 -4", "#6b4a32", 1.8)
        + _path("M26 13 Q34 -7 62 -6 Q90 -5 98 15 Q62 5 26 13Z", color)
        + ribs
    )


def steamer() -> str:
    """A bamboo steamer with white buns."""
    buns = "".join(
        _ellipse(x, y, 14, 11, "#fbf4e4")
        + _stroke(f"M{x - 4} {y - 7} Q{x} {y - 3} {x + 4} {y - 7}", "#d9c8a4", 1.4)
        for x, y in ((32, 44), (66, 43), (49, 38))
    )
    return (
        _stroke("M34 24 q-5 -7 0 -13 M50 20 q-5 -7 0 -13 M66 24 q-5 -7 0 -13", "#ffffffb0", 2.6)
        + _ellipse(50, 50, 44, 13, "#b98a4e")
        + buns
        + _path("M6 50 Q50 70 94 50 V74 Q90 88 50 89 Q10 88 6 74Z", "#d9ab66")
        + _path("M6 58 Q50 78 94 58 V63 Q50 83 6 63Z", "#b07f43")
        + _path("M7 77 Q50 92 93 77 L92 80 Q50 95 8 80Z", "#b07f43")
    )


def tea_cup(body: str = "#f3f1ea", band: str = "#3f76a8") -> str:
    """A porcelain cup of green tea on a saucer, steaming."""
    return (
        _stroke("M40 24 q-6 -9 0 -18 M58 24 q-6 -9 0 -18", "#ffffffc8", 3)
        + _ellipse(50, 89, 46, 8.5, "#c9c3b4")
        + _ellipse(50, 87, 46, 8, body)
        + _ellipse(50, 87, 27, 4, "#d5cfc0")
        + _rect(36, 78, 28, 9, "#ddd7c9", 3)
        + _path("M12 36 Q12 70 36 81 Q50 85 64 81 Q88 70 88 36Z", body)
        + _path("M13 46 Q50 62 87 46 L85 54 Q50 71 15 54Z", band)
        + _path("M18 52 Q22 68 36 76 Q26 74 19 62Z", "#ffffff", 'opacity=".6"')
        + _ellipse(50, 36, 38, 9.5, "#e3ddcf")
        + _ellipse(50, 37.2, 34, 7.2, "#a9b65a")
        + _ellipse(42, 36, 12, 2.2, "#c8d384")
    )


def vase(body: str = "#4f86b8") -> str:
    """A vase with three stems of blossom."""
    out = _stroke("M50 52 Q44 30 34 14 M50 52 Q52 28 52 8 M50 52 Q60 34 70 18", "#5d7f3f", 2)
    for x, y, c in (
        (34, 14, "#f08aa0"),
        (52, 9, "#f7b3bf"),
        (70, 18, "#f08aa0"),
        (42, 28, "#f7c9cf"),
        (62, 30, "#f7b3bf"),
    ):
        out += "".join(
            _ellipse(x + dx, y + dy, 4.6, 4.6, c) for dx, dy in ((-4, 0), (4, 0), (0, -4), (0, 4))
        ) + _ellipse(x, y, 2.6, 2.6, "#ffe08a")
    return (
        out
        + _path("M41 46 H59 L57 56 Q78 66 74 84 Q70 98 50 98 Q30 98 26 84 Q22 66 43 56Z", body)
        + _path("M27 76 Q50 86 73 76 L74 82 Q50 92 26 82Z", "#ffffff", 'opacity=".45"')
        + _path("M34 70 Q36 62 44 59 Q38 70 38 84 Q34 78 34 70Z", "#ffffff", 'opacity=".4"')
    )


def perfume(glass: str = "#ea6f92") -> str:
    """A bottle of perfume."""
    return (
        _rect(42, 6, 16, 16, "#c9a24a", 2)
        + _rect(45, 20, 10, 12, "#e3c475")
        + _path("M26 32 H74 Q84 34 84 46 V84 Q84 97 72 97 H28 Q16 97 16 84 V46 Q16 34 26 32Z", glass)
        + _path("M22 56 H78 V84 Q78 91 71 91 H29 Q22 91 22 84Z", "#ffffff", 'opacity=".16"')
        + _rect(34, 56, 32, 22, "#fff8ec", 1.5)
        + _stroke("M40 64H60M44 71H56", "#c9a24a", 1.8)
        + _path("M22 42 Q24 38 30 38 V84 Q22 84 22 78Z", "#ffffff", 'opacity=".55"')
    )


def windmill() -> str:
    """A windmill with four sails."""
    sails = "".join(
        f'<g transform="rotate({a} 50 34)">'
        + _rect(49, 2, 2, 32, "#6b4a32")
        + _rect(51, 3, 10, 24, "#f7efdc")
        + _stroke("M51 9h10M51 15h10M51 21h10", "#b99f78", 0.9)
        + "</g>"
        for a in (20, 110, 200, 290)
    )
    return (
        _path("M36 40 H64 L72 98 H28Z", "#e9d6b3")
        + _path("M33 42 Q50 14 67 42Z", "#a8452f")
        + _rect(44, 76, 12, 22, "#7a4a2e", 3)
        + _rect(45, 54, 10, 10, "#7fb0c9", 2)
        + sails
        + _ellipse(50, 34, 3.4, 3.4, "#4a3526")
    )


def bench() -> str:
    """A wooden park bench."""
    return (
        _rect(10, 34, 80, 7, "#a8703f", 2)
        + _rect(10, 45, 80, 7, "#b67d49", 2)
        + _rect(6, 62, 88, 7, "#a8703f", 2)
        + _rect(16, 30, 5, 62, "#4a4f57", 1)
        + _rect(79, 30, 5, 62, "#4a4f57", 1)
        + _stroke("M10 69 L8 92 M90 69 L92 92", "#4a4f57", 3.4)
    )


def gate() -> str:
    """A red wooden gate with a curved lintel."""
    return (
        _rect(20, 24, 8, 74, "#c8402c")
        + _rect(72, 24, 8, 74, "#c8402c")
        + _rect(12, 34, 76, 6, "#b23524")
        + _path("M2 10 Q50 22 98 10 L95 24 Q50 30 5 24Z", "#c8402c")
        + _path("M2 10 Q50 22 98 10 L97 15 Q50 26 3 15Z", "#2f3338")
        + _rect(17, 94, 14, 5, "#2f3338")
        + _rect(69, 94, 14, 5, "#2f3338")
        + _rect(46, 24, 8, 12, "#e3b84e")
    )


def stall(cloth: str = "#d5553f") -> str:
    """A market stall with a striped awning, fruit on the counter."""
    stripes = "".join(
        _path(f"M{10 + 20 * i} 12 H{20 + 20 * i} L{18 + 21 * i - 2} 36 H{6 + 21 * i}Z", "#fdf3df")
        for i in range(4)
    )
    fruit = "".join(
        _ellipse(x, 58, 5, 5, c)
        for x, c in (
            (20, "#e2543f"),
            (30, "#f0a63c"),
            (40, "#f0a63c"),
            (50, "#8db84c"),
            (60, "#e2543f"),
            (70, "#f2d15c"),
            (80, "#8db84c"),
        )
    )
    return (
        _rect(10, 30, 4, 68, WOOD)
        + _rect(86, 30, 4, 68, WOOD)
        + fruit
        + _rect(6, 62, 88, 6, "#a8703f")
        + _rect(10, 68, 80, 28, "#c28a54")
        + _stroke("M30 68v28M50 68v28M70 68v28", "#94633a", 1.2)
        + _path("M10 12 H90 L98 36 H2Z", cloth)
        + stripes
    )


def drawings(icon: Callable[[str], str]) -> dict[str, str]:
    """Every painting by name, as SVG elements in a 100 × 100 box.

    icon gives an icon's SVG elements scaled to a 100 × 100 box, by its key (such as "flat:fox").
    """
    umbrellas = {"red": "#d8402f", "blue": "#3f76b8", "yellow": "#eeb93c"}
    grey = "#d9d6d0"
    people = {
        "woman": person("#c8506a", tail="bun"),
        "woman2": person("#3f8f8a", hair="#6b3a22", tail="bun"),
        "woman3": person("#e0a04a", hair="#2b211d", tail="bun"),
        "man": person("#4f78a8", skirt=False),
        "man2": person("#6f8f56", hair="#5b3a26", skirt=False, trousers="#6b5a48"),
        "boy": person("#e2793f", skirt=False, child=True),
        "boy2": person("#4b9bc0", hair="#6b4226", skirt=False, child=True, trousers="#3f4a5c"),
        "girl": person("#ee8fa4", tail="pigtails", child=True),
        "girl2": person("#f0c04e", hair="#7a4526", tail="pigtails", child=True),
        "old man": person("#7a7f8c", hair=grey, beard=True, carry=STICK),
        "old man2": person("#5f7a6a", hair=grey, beard=True, skirt=False, carry=STICK),
        "old woman": person("#8a6a9a", hair=grey, tail="bun", carry=STICK),
        "old woman2": person("#6a7f9a", hair=grey, tail="bun", carry=STICK),
        "fisherman": person("#5d7f93", skirt=False, hat="cone", carry=ROD),
        "fisherman2": person("#8a7a55", skirt=False, hat="cone", beard=True, carry=ROD),
        "farmer": person("#5b8a4f", skirt=False, hat="straw", carry=HOE),
        "farmer2": person("#4f78a8", skirt=False, hat="straw", carry=HOE, trousers="#7a6248"),
        "porter": person("#a8754a", skirt=False, hat="cone", carry=POLE),
    }
    people |= {
        f"under {name}": person(robe, tail="bun", carry=umbrella_over(color))
        for (name, color), robe in zip(umbrellas.items(), ("#4f7f96", "#d98a9a", "#6d5a94"), strict=True)
    }
    animals = {
        "fox": ("#e8742a", "#fff1df", FOX_TAIL),
        "wolf": ("#8d9098", "#e6e6ea", CAT_TAIL),
        "bear": ("#8a5537", "#c99a70", ""),
        "polar-bear": ("#eef1f4", "#fbfcfd", ""),
        "panda": ("#2f3036", "#fafafa", ""),
        "koala": ("#8d9098", "#d8d9dd", ""),
        "lion": ("#e3a23f", "#f6d69a", LION_TAIL),
        "raccoon": ("#7d8088", "#c9cad0", CAT_TAIL),
        "hamster": ("#eba95f", "#fff1df", ""),
        "frog": ("#4fae4a", "#d3ecad", ""),
    }
    bodies = {
        f"{name} {source}": seated(icon(f"{source}:{name}"), fur, belly, tail)
        for name, (fur, belly, tail) in animals.items()
        for source in ("flat", "noto")
    }
    others = {
        "bridge": bridge(),
        "bridge wood": bridge_wood(),
        "pagoda": pagoda(),
        "pagoda2": pagoda("#5d4a3a", "#d9b07a"),
        "temple": temple(),
        "temple2": temple("#8a6a3a", "#c9a07a"),
        "town house": town_house(),
        "cottage": cottage(),
        "cottage2": cottage("#e6eef0", "#4f6a8a"),
        "rowboat": rowboat(),
        "rowboat2": rowboat("#5f7f8f"),
        "sampan": sampan(),
        "sailboat": sailboat(),
        "sailboat2": sailboat("#f7dca0", "#3f6a8f"),
        "junk": junk(),
        "lamp post": lamp_post(),
        "crane": crane(),
        "heron": heron(),
        "willow": willow(),
        "bamboo": bamboo(),
        "plum": plum(),
        "peaks": peaks(),
        "peaks2": peaks("#7f9a7a", "#567062", False),
        "steamer": steamer(),
        "tea cup": tea_cup(),
        "tea cup2": tea_cup("#cfe0d6", "#5d8f7a"),
        "vase": vase(),
        "perfume": perfume(),
        "windmill": windmill(),
        "bench": bench(),
        "gate": gate(),
        "stall": stall(),
    }
    return people | bodies | others
