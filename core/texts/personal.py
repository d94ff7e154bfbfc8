"""Finds personal data in texts and masks it: e-mail addresses, phone numbers, ID-card and bank-card numbers.

Numbers are checked (the check digits of ID and bank cards, the phone number's plan by libphonenumber), so
that years, prices, hours and order numbers stay. Knows nothing about samples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EMAIL, ID_CARD, BANK_CARD, PHONE = "email", "id_card", "bank_card", "phone"
MASKS = {EMAIL: "[email]", ID_CARD: "[ID number]", BANK_CARD: "[card number]", PHONE: "[phone]"}
REGIONS = ("CN", "US")  # whose national numbers are known; others are found with their +country code

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", re.ASCII)
_ID_CARD = re.compile(r"(?<![\dA-Za-z])\d{6}[ -]?\d{8}[ -]?\d{3}[\dXx](?![\dA-Za-z])", re.ASCII)
_DIGITS = re.compile(r"(?<![\d.,])\d(?:[ -]?\d){12,18}(?![\d.,]*\d)", re.ASCII)
_MANY_DIGITS = re.compile(r"\d(?:[^\w:,;!?\n]{0,4}\d){6}")  # as a phone number has; the matcher takes long
# Visa, Mastercard, American Express, JCB, UnionPay and Maestro, by their first digits and lengths.
_ISSUED = re.compile(r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|35\d{14}|6\d{15,18}")


@dataclass(frozen=True)
class Personal:
    """A piece of personal data: what it is (a key of MASKS), and its place in the text."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Personal]:
    """Personal data in a text, in order; pieces don't overlap."""
    found: list[Personal] = []
    for kind, spans in ((EMAIL, _emails), (ID_CARD, _id_cards), (BANK_CARD, _bank_cards), (PHONE, _phones)):
        for start, end in spans(text):
            if all(end <= one.start or one.end <= start for one in found):
                found.append(Personal(kind, start, end))
    return sorted(found, key=lambda one: one.start)


def mask(text: str) -> str:
    """The text with a mask in the place of each piece of personal data."""
    for one in reversed(find(text)):
        text = text[: one.start] + MASKS[one.kind] + text[one.end :]
    return text


def _emails(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _EMAIL.finditer(text)]


def _id_cards(text: str) -> list[tuple[int, int]]:
    """Chinese resident identity numbers: 18 digits with a birth date and a check digit (GB 11643)."""
    from stdnum.cn import ric

    return [match.span() for match in _ID_CARD.finditer(text) if ric.is_valid(re.sub("[ -]", "", match[0]))]


def _bank_cards(text: str) -> list[tuple[int, int]]:
    """13 to 19 digits of a known issuer whose check digit is right (Luhn, ISO/IEC 7812-1)."""
    from stdnum import luhn

    plain = ((match, re.sub("[ -]", "", match[0])) for match in _DIGITS.finditer(text))
    return [match.span() for match, said in plain if _ISSUED.fullmatch(said) and luhn.is_valid(said)]


def _phones(text: str) -> list[tuple[int, int]]:
    if not _MANY_DIGITS.search(text):
        return []
    import phonenumbers

    return [
        (match.start, match.end)
        for region in REGIONS
        for match in phonenumbers.PhoneNumberMatcher(text, region)
    ]
