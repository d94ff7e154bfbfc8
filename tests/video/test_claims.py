"""What a line claims: numbers with units, points and denials, in English and Chinese."""

from __future__ import annotations

import pytest

from core.video.script.claims import invented, numbers, says, touches


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It keeps tea warm for 12 hours.", {("12", "hour")}),
        ("Twelve hours, twenty-four days", {("12", "hour"), ("24", "day")}),
        ("two hundred and five grams", {("205", "gram")}),
        ("$1,299.50 or 1299.5 dollars", {("1299.5", "$")}),
        ("￥129，就是129元", {("129", "¥")}),
        ("20% off, 20 percent, ２０％", {("20", "%")}),
        ("保温12小时，十二小时", {("12", "小")}),
        ("一百二十三克，两万件，百分之二十", {("123", "克"), ("20000", "件"), ("20", "%")}),
        ("the one you need, 一起来", set()),
        ("half price, twice as warm, a dozen", {("0.5", "price"), ("2", "a"), ("12", "")}),
        ("the X200", {("200", "")}),
    ],
)
def test_numbers_are_found_in_digits_and_words(text: str, found: set[tuple[str, str]]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("line", "sheet", "wrong"),
    [
        ("Warm for twelve hours.", "12 hours", set()),
        ("Warm for 12 days.", "12 hours", {("12", "day")}),
        ("Only $12.", "12 hours", {("12", "$")}),
        ("Only 129 today.", "price: 129", set()),
        ("Only $129.", "price: 129", {("129", "$")}),
        ("Only 129 dollars.", "price: $129", set()),
        ("5-star tea, 10% off", "tea", {("5", "star"), ("10", "%")}),
        ("只要99元", "价格：129元", {("99", "¥")}),
    ],
)
def test_a_number_of_something_else_is_invented(line: str, sheet: str, wrong: set) -> None:
    assert invented(line, sheet) == wrong


def test_a_point_is_said_with_its_words_its_numbers_and_its_denials() -> None:
    assert says("Tea that stays warm for 12 hours.", "warm for 12 hours")
    assert not says("Tea that stays warm for hours.", "warm for 12 hours")
    assert not says("Tea that stays warm.", "not warm")
    assert not says("Full of sugar.", "no sugar") and says("There is no sugar in it.", "no sugar")
    assert says("它保温12小时，放心出门。", "保温12小时") and not says("它很保温。", "保温12小时")
    assert says("真的很轻。", "轻") and not says("真的很好。", "轻")
    assert not says("含糖。", "不含糖") and says("不含糖，放心喝。", "不含糖")


def test_half_of_a_point_touches_it_unless_its_words_are_from_elsewhere() -> None:
    assert touches("A lid that never leaks.", "leak-proof lid")
    assert not touches("A wool sock.", "wool that breathes", "wool socks")
