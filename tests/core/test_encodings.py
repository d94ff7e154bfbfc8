"""Bytes of unknown encoding and tables of unknown separator."""

import pytest

from core.encodings import decoded, table

CHINESE = "鱼在河里游，小镇的早晨。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_chinese(encoding):
    assert decoded(f"file,text\r\n1.png,{CHINESE}\r".encode(encoding)) == f"file,text\n1.png,{CHINESE}\n"


def test_rare_characters_and_a_marked_gb18030():
    text = "\ufeff𠮷野家 🦊 𪚥龘"
    assert decoded(text.encode("gb18030")) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("text", ["Café à Zürich, naïve élan", "Ça coûte 5 €", "señor Müller's “résumé”"])
def test_western(text):
    assert decoded(text.encode("cp1252")) == text


def test_damaged_utf8_does_not_raise():
    assert "fox" in decoded("a fox 🦊".encode()[:-1])
    assert decoded(b"") == ""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables(separator):
    text = f'a{separator}b\n\n"x{separator}""y"""{separator}"two\nlines"\n'
    assert table(text) == ([["a", "b"], [f'x{separator}"y"', "two\nlines"]], separator)
    assert table(f"sep={separator}\na{separator}b\n") == ([["a", "b"]], separator)


def test_empty_table():
    assert table("\n \n") == ([], ",")
