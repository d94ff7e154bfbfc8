"""Personal data is found and masked; numbers that only look like it stay."""

import pytest

from core.texts.personal import BANK_CARD, EMAIL, ID_CARD, PHONE, find, mask


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("Write to anna.b+shop@tea-house.co.uk today.", EMAIL, "Write to [email] today."),
        ("邮箱abc@qq.com，谢谢", EMAIL, "邮箱[email]，谢谢"),
        ("电话13812345678加微信", PHONE, "电话[phone]加微信"),
        ("call 138 1234 5678 now", PHONE, "call [phone] now"),
        ("座机010-6552 9988", PHONE, "座机[phone]"),
        ("call (415) 555-2671 or so", PHONE, "call [phone] or so"),
        ("London: +44 20 7946 0958.", PHONE, "London: [phone]."),
        ("身份证11010519491231002X。", ID_CARD, "身份证[ID number]。"),
        ("110105 19491231 002x", ID_CARD, "[ID number]"),
        ("card 4111 1111 1111 1111, please", BANK_CARD, "card [card number], please"),
        ("卡号6222020000000000125", BANK_CARD, "卡号[card number]"),
    ],
)
def test_found_and_masked(text, kind, masked):
    assert [one.kind for one in find(text)] == [kind]
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "From 1998 to 2024, and again in 2015-2019.",
        "On 2024-01-02 at 12:30:45, or 12-31-2023.",
        "It costs ¥1299.00, $1,234,567.89 or 100000000 in all.",
        "At 10:30 we took 5,000 steps of 3.14159265 m.",
        "订单号 2024112300012345，快递 202411230001。",
        "身份证110105194912310021不对。",  # a wrong check digit
        "card 4111 1111 1111 1112",  # a wrong check digit
        "ISBN 978-7-302-12345-6, server 192.168.1.100",
        "scores 88-92-95 and 7 8 9; 1949 1978 2008",
        "me @ home, @anna, 5@ 3",
    ],
)
def test_what_only_looks_like_it(text):
    assert find(text) == []
    assert mask(text) == text


def test_several_in_one_text_do_not_overlap():
    text = "a@b.cn 13812345678 4111111111111111 11010519491231002X"
    assert [one.kind for one in find(text)] == [EMAIL, PHONE, BANK_CARD, ID_CARD]
    assert mask(text) == "[email] [phone] [card number] [ID number]"
