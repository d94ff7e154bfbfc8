"""A product's sheet: its name, its points, price and audience, as a table or as lines `name: value`.

Works on documents; knows nothing about what is made of them. Headings are English or Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.messages import Mistake, some
from core.texts import document
from core.texts.records import key
from core.texts.speech import one_line

MOST_POINTS, LONGEST_POINT, LONGEST_NAME = 60, 300, 120
_NAMES = {
    "name": "name product product_name item title 名称 名字 品名 产品 商品 产品名 产品名称 商品名 商品名称",
    "points": "points point selling_points selling_point features feature benefits benefit highlights usp "
    "卖点 产品卖点 商品卖点 核心卖点 特点 要点 亮点 功能 优势",
    "price": "price cost costs 价格 售价 定价 价 单价 到手价 活动价 优惠价",
    "audience": "audience target target_audience customers buyers for who 人群 受众 目标人群 适用人群 "
    "适合人群 目标用户 用户",
    "action": "call_to_action cta action 行动号召 号召 行动 引导 引导语 购买方式 下单方式",
}
FIELDS = {name: field for field, names in _NAMES.items() for name in names.split()}
_LABELLED = re.compile(r"([^:：]{1,30})[:：] ?(.*)")
_BULLET = re.compile(r"[-*•●·▪‣–—✓✔☑→①-⑳ ]*(?:\d{1,2}(?:[.)] |[、）] ?))?")
_BETWEEN = re.compile(r"[\n；;|•●▪‣]|(?<=\S)[①-⑳]")
Pair = tuple[str, str]  # a field of `FIELDS`, or what else stood before a colon; what is said of it


@dataclass(frozen=True)
class Product:
    """What a sheet says: a name, and each point once; the rest is empty where it says nothing of it.

    notes: what of the sheet isn't used, and what was mended to read it.
    """

    name: str
    points: tuple[str, ...]
    price: str = ""
    audience: str = ""
    action: str = ""
    notes: tuple[Mistake, ...] = ()

    @property
    def words(self) -> str:
        """All that it says."""
        return "\n".join((self.name, *self.points, self.price, self.audience, self.action))


def read(path: Path) -> Product:
    """The product of a sheet: text, Markdown, Word, csv or xlsx; of several the first.

    Raises Mistake where it can't be read, or lacks a name or points.
    """
    found = document.read(path)
    products = list(_products([pair for piece in found.pieces for pair in _pairs(piece)]))
    if not products:
        raise Mistake("{path} has no name of a product; write a line such as name: Wool socks.", path=path)
    first = products[0]
    if not first.points:
        raise Mistake(
            "{path} has no points of {name}; write a line such as points: light; warm; washable.",
            path=path,
            name=first.name,
        )
    if len(first.points) > MOST_POINTS or len(first.name) > LONGEST_NAME:
        raise Mistake(
            "{path} is too long for a pitch; leave {most} points at most, and a name of {length} characters.",
            path=path,
            most=MOST_POINTS,
            length=LONGEST_NAME,
        )
    for part in (*first.points, first.price, first.audience, first.action):
        if len(part) > LONGEST_POINT:
            raise Mistake(
                "{path} has a point of {count} characters; part it into points of {most} at most.",
                path=path,
                count=len(part),
                most=LONGEST_POINT,
            )
    others = [product.name for product in products[1:]]
    left = Mistake(
        "{path} holds other products too, which aren't used: {names}.", path=path, names=some(others)
    )
    return replace(first, notes=(*found.notes, *([left] if others else []), *first.notes))


def kept(text: str, folder: Path) -> Path:
    """A pasted sheet as a new file in `folder`, which `read` reads; returns its path."""
    return document.kept(text, folder, "product")


def _pairs(piece: document.Piece) -> list[Pair]:
    if isinstance(piece, str):
        return list(_of_lines(piece.split("\n")))
    if isinstance(piece, document.Cues):
        return list(_of_lines([line for cue in piece.cues for line in cue.text.split("\n")]))
    return list(_of_rows(piece))


def _field(label: str) -> str:
    """The field that a heading names, `point 2` too; "" for any other."""
    bare = re.sub(r"_?\d+$", "", key(re.sub(r"[（(].*|[#*]", "", label)))
    return FIELDS.get(bare, "")


def _of_lines(lines: Sequence[str]) -> Iterator[Pair]:
    """Lines `name: value`; those without a name go on with the field before them, at first with the name."""
    now = ""
    for line in map(one_line, lines):
        bare = line.lstrip("#").strip()
        said = _BULLET.sub("", bare, count=1)
        labelled = _LABELLED.fullmatch(said)
        field = _field(labelled[1]) if labelled else _field(bare)
        if field:
            now = field
            said = labelled[2] if labelled else ""
        elif labelled and now != "points":
            yield labelled[1], labelled[2]
            continue
        if said:
            yield now or "name", said
        if said and now in ("", "name", "price", "audience"):
            now = "points"


def _of_rows(rows: Sequence[Sequence[str]]) -> Iterator[Pair]:
    """A table's cells: a product a row below a row of headings, or a heading and its value a row."""
    header = [_field(cell) for cell in rows[0]] if rows else []
    down = sum(bool(row) and bool(_field(row[0])) for row in rows)
    if "name" in header and (len({*header} - {""}) > 1 or down < 2):
        for row in rows[1:]:
            for field, label, cell in zip(header, rows[0], row, strict=False):
                yield field or label, cell
        return
    for row in rows:
        cells = [cell for cell in row if cell.strip()]
        if cells:
            label, *values = cells
            yield _field(label) or label, "\n".join(values)


def _products(pairs: Sequence[Pair]) -> Iterator[Product]:
    """Pairs as products, each from its name on; a name that comes again goes on with its product."""
    groups: list[dict[str, list[str]]] = []
    others: list[str] = []
    for field, said in pairs:
        if not said.strip():
            continue
        if field not in _NAMES:
            others.append(field)
            continue
        if not groups or (field == "name" and groups[-1].get("name", [said]) != [said]):
            groups.append({})
        held = groups[-1].setdefault(field, [])
        held += [said] if said not in held else []
    left = Mistake("Not used of the sheet: {names}.", names=some(list(dict.fromkeys(others))))
    for group in groups:
        if "name" in group:
            single = {
                field: one_line(" ".join(group.get(field, []))) for field in _NAMES if field != "points"
            }
            notes = (left,) if others else ()
            yield Product(points=tuple(_points(group.get("points", []))), notes=notes, **single)


def _points(said: Sequence[str]) -> list[str]:
    """Each point once, without its bullet or number."""
    found: dict[str, str] = {}
    for part in _BETWEEN.split("\n".join(said)):
        point = _BULLET.sub("", one_line(part), count=1).strip()
        if re.search(r"\w", point):
            found.setdefault(point.casefold().rstrip(".。!！"), point)
    return list(found.values())
