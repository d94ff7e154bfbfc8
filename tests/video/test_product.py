"""Product sheets, as tables and as lines, in English and Chinese."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.messages import Mistake
from core.video.script.product import LONGEST_POINT, Product, kept, read

SOCKS = Product("Wool socks", ("no seams", "warm for 12 hours", "washable at 40 °C"), "$19.90", "hikers")
LINES = """Name: Wool socks
Points:
- no seams
- warm for 12 hours
3. washable at 40 °C
Price: $19.90
Audience: hikers
"""
PLAIN = """Wool socks

no seams
warm for 12 hours
washable at 40 °C
Price: $19.90
For: hikers
"""
ROWS = [
    ["Product", "Selling points", "Price", "Target audience"],
    ["Wool socks", "no seams; warm for 12 hours; washable at 40 °C", "$19.90", "hikers"],
]
SPREAD = [
    ["name", "point 1", "point 2", "point 3", "price", "audience"],
    ["Wool socks", "no seams", "warm for 12 hours", "washable at 40 °C", "$19.90", "hikers"],
]
BELOW = [
    ["name", "points", "price", "audience"],
    ["Wool socks", "no seams", "$19.90", "hikers"],
    ["Wool socks", "warm for 12 hours", "", ""],
    ["", "washable at 40 °C", "", ""],
]
ACROSS = [
    ["name", "Wool socks"],
    ["points", "no seams", "warm for 12 hours"],
    ["points", "washable at 40 °C"],
    ["price", "$19.90"],
    ["audience", "hikers"],
]
杯 = Product("陶瓷保温杯", ("保温12小时", "不含涂层", "一只手就能打开"), "129元", "上班族", "点击下方链接")


def written(folder: Path, content: str | list[list[str]], ending: str) -> Path:
    path = folder / f"产品{ending}"
    if isinstance(content, str) and ending != ".docx":
        path.write_text(content, encoding="utf-8")
    elif ending == ".csv":
        lines = (",".join(f'"{cell}"' for cell in row) for row in content)
        path.write_text("\n".join(lines), encoding="utf-8-sig")
    elif ending == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in content:
            book.active.append(row)
        book.save(path)
    else:
        from docx import Document

        made = Document()
        for line in str(content).splitlines():
            made.add_paragraph(line)
        made.save(str(path))
    return path


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (LINES, ".txt"),
        (LINES, ".md"),
        (LINES, ".docx"),
        (PLAIN, ".txt"),
        *((rows, ending) for rows in (ROWS, SPREAD, BELOW, ACROSS) for ending in (".csv", ".xlsx")),
    ],
)
def test_a_sheet_is_read_as_a_table_and_as_lines(tmp_path: Path, content: str, ending: str) -> None:
    assert read(written(tmp_path, content, ending)) == SOCKS


def test_a_chinese_sheet_is_read(tmp_path: Path) -> None:
    lines = (
        "产品名称：陶瓷保温杯\n卖点：保温12小时；不含涂层\n卖点2：一只手就能打开\n"
        "价格：129元\n目标人群：上班族\n行动号召：点击下方链接"
    )
    assert read(written(tmp_path, lines, ".txt")) == 杯
    rows = [
        ["名称", "卖点", "价格", "人群", "行动号召"],
        ["陶瓷保温杯", "1、保温12小时\n2、不含涂层\n3、一只手就能打开", "129元", "上班族", "点击下方链接"],
    ]
    assert read(written(tmp_path, rows, ".xlsx")) == 杯
    (tmp_path / "gbk.txt").write_bytes(lines.encode("gb18030"))
    assert replace(read(tmp_path / "gbk.txt"), notes=()) == 杯


def test_each_point_stands_once_and_what_is_not_used_is_told(tmp_path: Path) -> None:
    rows = [
        ["name", "points", "SKU"],
        ["Wool socks", "No seams; no seams.; warm", "A1"],
        ["Hat", "soft", "A2"],
        ["Scarf", "soft", "A3"],
    ]
    found = read(written(tmp_path, rows, ".csv"))
    assert (found.name, found.points) == ("Wool socks", ("No seams", "warm"))
    assert str(found.notes[0]).endswith("which aren't used: Hat, Scarf.")
    assert str(found.notes[1]) == "Not used of the sheet: SKU."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no name of a product"),
        ("price: 3", "no name of a product"),
        ("name: Socks", "no points of Socks"),
        ("name: Socks\npoints: " + ";".join(f"point{number}" for number in range(61)), "60 points at most"),
        ("name: Socks\npoints: " + "x" * (LONGEST_POINT + 1), "a point of 301 characters"),
    ],
)
def test_a_sheet_that_lacks_something_is_a_mistake(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        read(written(tmp_path, text, ".txt"))


def test_a_pasted_sheet_is_kept(tmp_path: Path) -> None:
    assert read(kept(LINES, tmp_path)) == SOCKS
    assert read(kept("\n".join("\t".join(row) for row in ROWS), tmp_path)) == SOCKS
