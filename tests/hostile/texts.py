"""Hostile tables, texts, Office files, subtitles, chats, settings and styles.

Each is written with the standard library alone, so that it may be as wrong as it likes.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import pack

from tests.hostile.case import Case

N = 100_000  # signs of an adversarial text
WORDS = ("ant", "bee", "cow", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay")
LINES = [f"The boat number {word} goes over the river to the old town." for word in WORDS]
SUBTITLES = "1\n00:00:00,000 --> 00:00:01,000\n"
DIALOGUE = (
    "[Script Info]\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.00,0:00:01.00,D,,0,0,0,,"
)
ENDINGS = (".txt", ".md", ".csv", ".json", ".srt", ".ass", ".lrc", ".ttml")
DEEP_JSON = "[" * N + "]" * N
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{at}: &a{at}\n  <<: [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 12)
)
YAMLS: dict[str, bytes | str] = {
    "whole numbers as names": "1: a\n2: b\n",
    "a list as kind": "kind: [image]\n",
    "a mapping as kind": "kind: {a: b}\n",
    "a bomb of aliases": BOMB + "base_model: *a11\n",
    "a bomb of merges": MERGE_BOMB + "<<: *a11\n",
    "a value within itself": "base_model: &a [*a]\n",
    "a mapping within itself": "&a\nbase_model: *a\n",
    "deep brackets": "base_model: " + "[" * N + "]" * N,
    "deep braces": "base_model: " + "{a: " * 5000 + "}" * 5000,
    "deep indents": "".join(f"{' ' * at}a:\n" for at in range(1000)),
    "a program": "base_model: !!python/object/apply:os.system ['touch pwned']\n",
    "a program's name": "base_model: !!python/name:os.system\n",
    "an unknown tag": "base_model: !foreign x\n",
    "a date that is none": "base_model: !!timestamp 2001-99-99\n",
    "a time that is none": "base_model: !!timestamp abc\n",
    "a number that is none": "lora_rank: !!int abc\n",
    "a truth that is none": "lora_rank: !!bool abc\n",
    "a number too long": "lora_rank: !!int " + "9" * 5000 + "\n",
    "a float too large": "learning_rate: 1e99999\n",
    "no number": "learning_rate: .nan\n",
    "an endless number": "lora_rank: .inf\n",
    "a huge number": "lora_rank: " + "9" * 5000 + "\n",
    "a NUL": b"base_model: a\0b\n",
    "an escaped NUL": 'train_data_dir: "a\\0b"\n',
    "half a character": 'train_data_dir: "a\\uD83D"\n',
    "a name twice": "lora_rank: 4\nlora_rank: 8\n",
    "a list": "- a\n- b\n",
    "a number alone": "1\n",
    "several documents": "a: 1\n---\nb: 2\n",
    "a merge of nothing": "<<: nothing\n",
    "a merge of a list": "<<: [1, 2]\n",
    "a list as a name": "? [a, b]\n: x\n",
    "a set": "base_model: !!set {a, b}\n",
    "ordered pairs": "base_model: !!omap [a: 1, a: 2]\n",
    "bytes": "base_model: !!binary '//79'\n",
    "a long name": "a" * N + ": x\n",
    "a long value": "base_model: " + "a" * N + "\n",
    "a long line of words": "base_model: " + "a " * N + "\n",
    "no UTF-8": b"base_model: \xff\xfe\xff\n",
    "UTF-16": "base_model: x\n".encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "nothing": b"",
    "two megabytes": "a: b\n" * 400_000,
    "anchors": "".join(f"a{at}: &a{at} x\n" for at in range(20_000)),
    "tabs": "\tbase_model: x\n",
    "a directive": "%YAML 9.9\n---\nbase_model: x\n",
    "colours of a terminal": 'base_model: "\\e[31mred\\e]0;title\\a"\n',
    "line ends in a value": "base_model: |\n  a\n  b\n",
    "another layout": "output_dir: [a, b]\ntrain_data_dir: {a: b}\nlora_rank: [[1]]\n",
}
TABLES: dict[str, bytes | str] = {
    "a caption of three megabytes": "file_name,text\na.png," + "a" * 3_000_000,
    "a quoted caption of three megabytes": 'file_name,text\na.png,"' + "a\n" * 1_500_000 + '"',
    "quotes without end": "file_name,text\n" + 'a.png,"x\n' * 20_000,
    "a name outside": "file_name,text\n../outside/canary.txt,a boat\n/etc/passwd,a boat\na.png,a boat\n",
    "only names outside": "file_name,text\n/etc/hostname,a boat\n../../outside/canary.txt,a boat\n",
    "a name too long": f"file_name,text\n{'a' * 5000},a boat\na.png,a boat\n",
    "a name with NUL": b"file_name,text\na\0.png,a boat\na.png,a boat\n",
    "a name of line ends": 'file_name,text\n"a\n\nb.png",a boat\na.png,a boat\n',
    "a name of colours": "file_name,text\n\x1b[31ma.png,a boat\na.png,a \x1b]0;boat\x07\n",
    "devices": "file_name,text\n/dev/zero,a boat\n/dev/stdin,a boat\na.png,a boat\n",
    "a million columns": "file_name,text" + "," * 1_000_000 + "\na.png,a boat\n",
    "half a million rows": "file_name,text\n" + "a.png,a\n" * 500_000,
    "the same name often": "file_name,text\n" + "".join(f"a.png,a boat {at}\n" for at in range(10_000)),
    "formulas": "file_name,text\na.png,=cmd|'/c calc'!A1\n",
    "only a header": "file_name,text\n",
    "a separator": "sep=\n",
    "controls": b"file_name,text\n" + bytes(range(32)) * 100,
    "UTF-32": "file_name,text\na.png,a boat\n".encode("utf-32"),
    "half a character": b"file_name,text\na.png,a \xf0\x9f\x98 boat\n",
    "misread": "file_name,text\n" + "a.png," + "ä¸­æ–‡" * 1000 + "\n",
    "a focus of no numbers": "file_name,focus,text\na.png,nan inf,a boat\n",
    "a focus of many numbers": "file_name,focus,text\na.png," + "1 " * 50_000 + ",a boat\n",
    "an Excel workbook": b"PK\x03\x04" + bytes(100),
}
ROWS: dict[str, str] = {
    "deep": DEEP_JSON,
    "a number too long": '{"file_name": "a.png", "text": ' + "9" * 5000 + "}",
    "a list as a name": '{"file_name": ["a"], "text": "a boat"}',
    "nothing in it": "[]\n{}\nnull\n1\n",
    "a name of a number": '{"file_name": 1, "text": {"a": 1}}',
    "values without end": "{}" * 500_000,
    "no numbers": '{"file_name": "a.png", "focus": [NaN, Infinity], "text": NaN}',
    "a long line": json.dumps({"file_name": "a.png", "text": "a" * 3_000_000}),
}
CHATS: dict[str, str] = {
    "deep": DEEP_JSON,
    "deep in a record": '{"messages":' + "[" * N + "]" * N + "}",
    "deep objects": '{"a":' * N + "1" + "}" * N,
    "a number too long": '{"topic": "a", "reply": ' + "9" * 5000 + "}",
    "a number too large": '{"topic": "a", "reply": 1e99999}',
    "turns that are none": '{"messages": [1, null, "a", [], {"role": []}, {"role": {}, "content": 1}]}',
    "roles that are lists": '{"messages": [{"role": ["user"], "content": ["a", {"text": ["b"]}]}]}',
    "a history that is none": '{"prompt": "a", "response": "b", "history": [[1, [2]], 3, {"a": 1}]}',
    "chosen of anything": '{"prompt": "a", "chosen": [1, {"content": null}], "rejected": 1}',
    "values without end": "{}" * 500_000,
    "a list of a million": "[" + ",".join(["1"] * 1_000_000) + "]",
    "one line of eleven megabytes": json.dumps({"topic": "a", "reply": "a b " * 2_750_000}),
    "a string without end": '{"topic": "' + "a" * N,
    "half characters": '{"topic": "\\ud83d", "reply": "\\ud83d\\u0000 a boat goes home"}',
    "commas": "[" + "," * N + "]",
    "names of anything": '{"' + "a" * N + '": 1, "": {"": []}}',
    "only thoughts": '{"messages": [{"role": "assistant", "content": "<think>a b c"}]}\n' * 20,
    "another's mark": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}
ENTITIES = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 10))
CAPTIONED: dict[str, tuple[str, str]] = {
    "times too large.srt": ("", "99999999999:99:99,999 --> 99999999999:99:99,999\nhello there you\n"),
    "times backwards.srt": ("", "00:00:09,000 --> 00:00:01,000\nhello there you\n" * 20),
    "a hundred thousand cues.srt": ("", (SUBTITLES + "hello there you\n\n") * 100_000),
    "cues without a text.vtt": ("WEBVTT\n\n", "00:00:00.000 --> 00:00:01.000\n\n" * 5000),
    "settings of a cue.vtt": ("WEBVTT\n\n", "00:00:00.000 --> 00:00:01.000 " + "a:b " * 20_000 + "\nhello\n"),
    "voices.vtt": ("WEBVTT\n\n", "00:00:00.000 --> 00:00:01.000\n" + "<v " + " " * N + "x\n"),
    "times in a row.lrc": ("", "[00:01]" * 20_000 + "hello there you\n"),
    "times too large.lrc": ("", "[" + "9" * 400 + ":00]hello\n[9:" + "9" * 400 + "]hello\n"),
    "no events.ass": ("", "[Script Info]\n"),
    "a wrong format.ass": ("", DIALOGUE.replace("Text", "Nothing") + "hello there you\n"),
    "tags.ass": ("", DIALOGUE + "{\\p1}" * 20_000 + "hello\n"),
    "times that are none.ass": ("", DIALOGUE.replace("0:00:00.00", "a:b:c") + "hello there you\n"),
    "many styles.ass": ("", "[V4+ Styles]\n" + "Style: a,b\n" * 5000 + DIALOGUE + "hello\n"),
    "no XML.ttml": ("", "hello there you\n"),
    "deep.ttml": ("", "<tt><body>" + "<div>" * 50_000 + "a" + "</div>" * 50_000 + "</body></tt>"),
    "a bomb.ttml": (
        "",
        f"<!DOCTYPE t [{ENTITIES}]><tt><body><p begin='0s' end='1s'>&a9;</p></body></tt>",
    ),
    "a file of the disk.ttml": (
        "",
        '<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        "<tt><body><p begin='0s' end='1s'>&a;</p></body></tt>",
    ),
    "times that are none.ttml": ("", "<tt><body><p begin='x' end='1e999s'>a</p></body></tt>"),
    "open tags.smi": ("<SAMI><BODY>", "<SYNC Start=1><P>" * 20_000),
    "times that are none.smi": ("<SAMI><BODY>", "<SYNC Start=x><P>a<SYNC Start=-1><P>b"),
    "a wrong header.sbv": ("", "0:00:00.000,0:00:0x.000\nhello there you\n" * 10),
}
XML = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def long_texts(count: int) -> dict[str, str]:
    """Texts of about `count` signs in which some pattern may look for the same from each of them."""
    return {
        "blanks": "a" + " " * count + "b",
        "blanks in tags": " <b>" * (count // 4) + "x",
        "invisible blanks": " \u200b" * (count // 2) + "#a",
        "line ends": "\n " * (count // 2) + "a",
        "a heading of blanks": "# " + " " * count + "#a",
        "hashtags": "#a" * (count // 2) + "!",
        "a hashtag without end": "#" + "中" * count,
        "an address of commas": "www." + "," * count + "a b",
        "open tags": "<a" * (count // 2),
        "open comments": "<!--" * (count // 4),
        "open braces": "{" * count,
        "open brackets": "[" * count,
        "links": "[a](" * (count // 4),
        "fences": "```x\n" * (count // 5),
        "stars": "*a " * (count // 3),
        "a name and blanks": "Anna" + " " * count + "x",
        "a time and blanks": "00:00" + " " * count + "x",
        "a time of digits": "0" * count + ":00:00,000 --> 00:00:01,000\nhello there you",
        "digits": "1" * count,
        "times": "00:00 -" * (count // 7),
        "quotes": '"' * count,
        "escaped quotes": '[{"a":"' + '\\"' * (count // 2),
        "quotes in commas": '"x\n' + 'a,""b\n' * (count // 6),
        "ats": "a@" * (count // 2),
        "thoughts": "<think>" * (count // 7),
        "answers": "</think>" * (count // 8),
        "questions": "Q: a\n" * (count // 5),
        "misread": "â€™" * (count // 3),
        "controls": "a\x1b[31m\x07 b" * (count // 9),
        "accents": "e" + "\u0301" * count,
        "one word": "a" * count,
        "right to left": "\u202e" * count,
    }


def cases(folder: Path, seed: int) -> Iterator[Case]:
    """All cases; `seed` chooses what the random ones are."""
    yield from itertools.chain(
        _long(folder), _settings(folder), _styles(folder), _metadata(folder), _chats(folder),
        _subtitles(folder), _documents(folder), _workbooks(folder), _places(folder), _changed(folder, seed),
    )  # fmt: skip


def _write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return path


def _long(folder: Path) -> Iterator[Case]:
    """Long texts that some pattern may take the square of, each under several endings in turn."""
    for at, (name, text) in enumerate(long_texts(N).items()):
        for ending in {ENDINGS[at % len(ENDINGS)], ".txt"}:
            opening = DIALOGUE if ending == ".ass" else SUBTITLES if ending == ".srt" else ""
            path = _write(folder / "long" / f"{at}{ending}", opening + text)
            yield Case(f"{name}, as {ending}", ("texts", str(path)))


def _settings(folder: Path) -> Iterator[Case]:
    for at, (name, text) in enumerate(YAMLS.items()):
        path = _write(folder / "settings" / f"{at}.yaml", text)
        yield Case(f"settings: {name}", ("train", "--config", str(path), "--preflight"))
    good = str(_write(folder / "settings" / "good.yaml", "kind: text\n"))
    for name, change in {
        "a bomb": "target_modules=[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a], [*b,*b,*b,*b,*b,*b]]",
        "deep brackets": f"target_modules={'[' * 5000}{']' * 5000}",
        "a date": "target_modules=[!!timestamp 2001-99-99]",
        "no number": "learning_rate=nan",
        "no name": "=1",
        "a device": "train_data_path=/dev/zero",
        "a long value": f"base_model={'a' * N}",
        "bytes of a name": f"train_data_path={os.fsdecode(b'/tmp/x%c' % 255)}",
    }.items():
        yield Case(f"a change: {name}", ("train", "--config", good, "--preflight", change))


def _styles(folder: Path) -> Iterator[Case]:
    style = "name: x\ntitle: {en: x}\nabout: {en: x}\n"
    for at, (name, text) in enumerate(
        {
            "a title that is a text": "name: x\ntitle: x\nabout: y\n",
            "titles by number": "name: x\ntitle: {1: x}\nabout: {2: [y]}\n",
            "an endless pause": style + "pause: .inf\n",
            "a colour that is none": style + "caption_color: '#zzzzzz'\n",
            "a LoRA elsewhere": style + "lora: ../../../etc/passwd\n",
            "a font elsewhere": style + "caption_font: ../../../etc/passwd\n",
            "a bomb": BOMB + style,
            "a list": "[]\n",
            "a long tone": style + f"tone: {'a ' * 5000}\n",
        }.items()
    ):
        path = _write(folder / "styles" / f"{at}.yaml", text)
        arguments = ("--topic", "a boat", "--style", str(path), "--text-base", str(folder / "gone"))
        yield Case(f"a style: {name}", ("write", *arguments))


def _metadata(folder: Path) -> Iterator[Case]:
    """Caption files beside one small picture, through the checks before a training."""
    for at, (name, text) in enumerate([*TABLES.items(), *ROWS.items()]):
        place = folder / "captions" / str(at)
        _write(place / "a.png", _picture(at))
        _write(
            place / ("metadata.csv" if name in TABLES and text is TABLES[name] else "metadata.jsonl"), text
        )
        yield Case(f"captions: {name}", ("train", "--config", _image_settings(place), "--preflight"))
    place = folder / "captions" / "beside"
    _write(place / "a.png", _picture(1))
    _write(place / "a.txt", "a boat " * 500_000)
    yield Case(
        "captions: a text of three megabytes beside",
        ("train", "--config", _image_settings(place), "--preflight"),
    )
    place = folder / "captions" / "links"
    _write(place / "a.png", _picture(2))
    (place / "b.png").unlink(missing_ok=True)
    (place / "b.png").symlink_to("/etc/hostname")
    yield Case("captions: a link outside", ("train", "--config", _image_settings(place), "--preflight"))


def _image_settings(place: Path, more: str = "") -> str:
    text = f"kind: image\ntrain_data_dir: {place}\noutput_dir: {place}/out\n{more}"
    return str(_write(place.with_name(f"{place.name}.yaml"), text))


def _chats(folder: Path) -> Iterator[Case]:
    for at, (name, text) in enumerate(CHATS.items()):
        path = _write(folder / "chats" / f"{at}.jsonl", text)
        yield Case(f"a chat: {name}", ("texts", str(path)))
        if at % 3 == 0:
            path = _write(folder / "chats" / f"{at}" / "train.jsonl", text)
            yield Case(f"a finished set: {name}", ("texts", str(path.parent)))


def _subtitles(folder: Path) -> Iterator[Case]:
    for name, (opening, text) in CAPTIONED.items():
        yield Case(f"subtitles: {name}", ("texts", str(_write(folder / "subtitles" / name, opening + text))))


def _documents(folder: Path) -> Iterator[Case]:
    """Word documents."""
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    cell = "<w:tc>{}<w:p><w:r><w:t>a boat goes home</w:t></w:r></w:p></w:tc>"
    wide = cell.format('<w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr>')
    tall = cell.format("<w:tcPr><w:vMerge/></w:tcPr>")
    bodies: dict[str, str] = {
        "a hundred and fifty thousand paragraphs": "".join(
            paragraph.format(f"boat {at}") for at in range(150_000)
        ),
        "empty paragraphs": "<w:p/>" * 150_000,
        "one long paragraph": paragraph.format("a boat goes home " * 100_000),
        "a cell over two billion columns": f"<w:tbl><w:tr>{wide}</w:tr></w:tbl>",
        "cells over all rows": f"<w:tbl>{f'<w:tr>{tall}</w:tr>' * 5000}</w:tbl>",
        "tables in tables": "<w:tbl><w:tr><w:tc>" * 80 + "</w:tc></w:tr></w:tbl>" * 80,
        "deep": "<w:p>" * 50_000 + "</w:p>" * 50_000,
        "a wrong style": '<w:p><w:pPr><w:pStyle w:val=""/></w:pPr></w:p>' * 20,
        "numbers that are none": '<w:p><w:pPr><w:numPr><w:ilvl w:val="x"/></w:numPr></w:pPr></w:p>',
        "nothing": "",
    }
    for at, (name, body) in enumerate(bodies.items()):
        yield _office(folder, f"{at}.docx", f"a document: {name}", _docx(body.encode()))
    entities = b'<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    lol = f"<!DOCTYPE w [{ENTITIES}]>".encode()
    said = paragraph.format("&a;").encode()
    yield _office(folder, "entity.docx", "a document: a file of the disk", _docx(said, entities))
    yield _office(
        folder, "lol.docx", "a document: a bomb of entities", _docx(said.replace(b"&a;", b"&a9;"), lol)
    )
    body = _docx(paragraph.format("a boat").encode())
    yield _office(folder, "elsewhere.docx", "a document: names outside", body | {"../../../pwned": b"x"})
    yield _office(
        folder, "bomb.docx", "a document: 300 MB of nothing", body | {"word/a.xml": bytes(300_000_000)}
    )
    many = body | {f"word/{at}.xml": b"" for at in range(12_000)}
    yield _office(folder, "many.docx", "a document: twelve thousand files", many)
    yield _office(folder, "none.docx", "a document: no document in it", {"a.txt": b"x"})
    whole = _zip(body)
    for at, (name, raw) in enumerate(
        {
            "cut": whole[: len(whole) // 2],
            "its end alone": whole[-22:],
            "sizes that lie": _lying(body),
            "behind a program": b"MZ" + bytes(5000) + whole,
            "another ending": b"\xd0\xcf\x11\xe0" + bytes(600),
            "empty": b"",
        }.items()
    ):
        yield Case(f"a document: {name}", ("texts", str(_write(folder / "office" / f"raw{at}.docx", raw))))


def _workbooks(folder: Path) -> Iterator[Case]:
    """Excel workbooks."""

    def row(number: object, *cells: str) -> str:
        return f'<row r="{number}">{"".join(cells)}</row>'

    def cell(place: str, words: str = "a boat goes home") -> str:
        return f'<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>'

    last = (row(at, cell(f"XFD{at}")) for at in range(1, 20_001))
    many = (row(at, cell(f"A{at}", f"boat {at}")) for at in range(1, 100_001))

    sheets: dict[str, str] = {
        "a cell in row two billion": row(1, cell("A1")) + row(2_000_000_000, cell("A2000000000")),
        "rows out to the last column": "".join(last),
        "a column that is none": row(1, cell("ZZZZZZ1")),
        "a place that is none": row(1, cell("??")),
        "a row that is none": row("x", cell("A1")),
        "a hundred thousand rows": "".join(many),
        "a shared text that isn't": row(1, '<c r="A1" t="s"><v>99</v></c>'),
        "a date that is none": row(1, '<c r="A1" t="d"><v>x</v></c>'),
        "a number that is none": row(1, '<c r="A1"><v>x</v></c>'),
        "a number too long": row(1, f'<c r="A1"><v>{"9" * 5000}</v></c>'),
        "rows backwards": row(5, cell("A5")) + row(1, cell("A1")),
        "deep": "<row>" * 50_000 + "</row>" * 50_000,
        "long words": row(1, cell("A1", "a boat " * 500_000)),
    }
    for at, (name, rows) in enumerate(sheets.items()):
        yield _office(folder, f"{at}.xlsx", f"a workbook: {name}", _xlsx(rows))
    wide = '<dimension ref="A1:XFD1048576"/>'
    yield _office(folder, "wide.xlsx", "a workbook: a size that lies", _xlsx("", before=wide))
    sheets_of_it = _xlsx(row(900_000, cell("A900000")), sheets=300)
    yield _office(folder, "many.xlsx", "a workbook: three hundred sheets", sheets_of_it)
    yield _office(
        folder, "bomb.xlsx", "a workbook: 300 MB of blanks", _xlsx("") | {"xl/styles.xml": b" " * 300_000_000}
    )
    yield _office(folder, "none.xlsx", "a workbook: no workbook in it", {"a.txt": b"x"})
    yield Case(
        "a workbook: cut", ("texts", str(_write(folder / "office" / "cut.xlsx", _zip(_xlsx(""))[:200])))
    )
    for ending in (".odt", ".ods", ".pdf", ".doc", ".epub"):
        path = _write(folder / "office" / f"a{ending}", _zip({"content.xml": bytes(200_000_000)}))
        yield Case(f"another office's file, {ending}", ("texts", str(path)))


def _office(folder: Path, name: str, about: str, parts: Mapping[str, bytes]) -> Case:
    return Case(about, ("texts", str(_write(folder / "office" / name, _zip(parts)))))


def _zip(parts: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def _lying(parts: Mapping[str, bytes]) -> bytes:
    """An archive whose files are larger than it says."""
    whole = _zip(dict(parts) | {"word/document.xml": bytes(50_000_000)})
    return whole.replace(pack("<I", 50_000_000), pack("<I", 1000))


def _docx(body: bytes, before: bytes = b"") -> dict[str, bytes]:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return {
        "[Content_Types].xml": _types({"/word/document.xml": kind}),
        "_rels/.rels": _relations({"officeDocument": "word/document.xml"}),
        "word/document.xml": XML + before + b'<w:document xmlns:w="%s"><w:body>' % WORD.encode() + body
        + b"</w:body></w:document>",
    }  # fmt: skip


def _xlsx(rows: str, before: str = "", sheets: int = 1) -> dict[str, bytes]:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml."
    numbers = range(1, sheets + 1)
    listed = "".join(f'<sheet name="s{at}" sheetId="{at}" r:id="r{at}"/>' for at in numbers)
    book = f'<workbook xmlns="{SHEET}" xmlns:r="{DOCUMENT}"><sheets>{listed}</sheets></workbook>'
    links = "".join(
        f'<Relationship Id="r{at}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in numbers
    )
    sheet = f'<worksheet xmlns="{SHEET}">{before}<sheetData>{rows}</sheetData></worksheet>'
    types = {"/xl/workbook.xml": f"{kind}sheet.main+xml"}
    types |= {f"/xl/worksheets/sheet{at}.xml": f"{kind}worksheet+xml" for at in numbers}
    return {
        "[Content_Types].xml": _types(types),
        "_rels/.rels": _relations({"officeDocument": "xl/workbook.xml"}),
        "xl/workbook.xml": XML + book.encode(),
        "xl/_rels/workbook.xml.rels": XML
        + f'<Relationships xmlns="{LINKS}">{links}</Relationships>'.encode(),
        **{f"xl/worksheets/sheet{at}.xml": XML + sheet.encode() for at in numbers},
    }


def _types(parts: Mapping[str, str]) -> bytes:
    said = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in parts.items())
    rels = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    )
    xml = '<Default Extension="xml" ContentType="application/xml"/>'
    return XML + f'<Types xmlns="{OFFICE_TYPES}">{rels}{xml}{said}</Types>'.encode()


def _relations(parts: Mapping[str, str]) -> bytes:
    said = "".join(
        f'<Relationship Id="r{at}" Type="{DOCUMENT}/{kind}" Target="{name}"/>'
        for at, (kind, name) in enumerate(parts.items())
    )
    return XML + f'<Relationships xmlns="{LINKS}">{said}</Relationships>'.encode()


def _places(folder: Path) -> Iterator[Case]:
    """Names of files: pipes, devices, folders, links, bytes that are no UTF-8, controls of a terminal."""
    place = folder / "places"
    _write(place / "texts" / "a.txt", "\n\n".join(LINES))
    pipe = place / "pipe.txt"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    for path in ("/dev/zero", "/dev/stdin", pipe, place / "gone.txt", place / "a.txt" / "b", "x" * 300, "/"):
        yield Case(f"texts at {str(path)[:40]}", ("texts", str(path)))
        yield Case(f"settings at {str(path)[:40]}", ("train", "--config", str(path), "--preflight"))
        pictures = place / "pictures"
        _write(pictures / "a.png", _picture(3))
        quoted = json.dumps(str(path))
        name = _image_settings(pictures, f"metadata_path: {quoted}\n")
        named = str(_write(place / f"{abs(hash(str(path)))}.yaml", Path(name).read_bytes()))
        yield Case(f"captions at {str(path)[:40]}", ("train", "--config", named, "--preflight"))
    odd = {
        "no UTF-8": b"a\xff.txt",
        "colours": b"a\x1b[31m.txt",
        "line ends": b"a\nb.txt",
        "a direction": "a\u202etxt.txt".encode(),
        "the longest name": b"a" * 251 + b".txt",
    }
    for name, said in odd.items():
        inside = os.fsencode(place / f"odd {name}")
        os.makedirs(inside, exist_ok=True)
        with open(inside + b"/" + said, "w") as file:
            file.write("\n\n".join(LINES))
        yield Case(f"a text with a name of {name}", ("texts", os.fsdecode(inside)))
        yield Case(f"a text named with {name}", ("texts", os.fsdecode(inside + b"/" + said)))
        settings = _write(
            place / f"odd {name}.yaml", f"kind: text\ntrain_data_path: {json.dumps(os.fsdecode(inside))}\n"
        )
        yield Case(f"a training of a name of {name}", ("train", "--config", str(settings), "--preflight"))
        _write(place / f"odd pictures {name}" / "a.png", _picture(4))
        with open(
            os.fsencode(place / f"odd pictures {name}") + b"/" + said.replace(b".txt", b".png"), "wb"
        ) as picture:
            picture.write(_picture(5))
        chosen = _image_settings(place / f"odd pictures {name}")
        yield Case(f"a picture with a name of {name}", ("train", "--config", chosen, "--preflight"))
    links = place / "links"
    _write(links / "a.txt", "\n\n".join(LINES))
    for name, target in {
        "b.txt": "/etc/passwd",
        "c.txt": "c.txt",
        "d.txt": "/dev/zero",
        "e.txt": "nowhere",
    }.items():
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(target)
    yield Case("texts: links outside, in a circle, to a device, to nothing", ("texts", str(links)))
    (links / "sub").mkdir(exist_ok=True)
    (links / "sub" / "train.jsonl").unlink(missing_ok=True)
    (links / "sub" / "train.jsonl").symlink_to("/etc/passwd")
    yield Case("texts: a finished set that is a link outside", ("texts", str(links / "sub")))


def _changed(folder: Path, seed: int) -> Iterator[Case]:
    """Good files with some bytes changed, cut out or repeated."""
    chance = random.Random(seed)
    rows = [{"topic": f"boat {at}", "reply": line} for at, line in enumerate(LINES)]
    row = "".join(
        f'<row r="{at}"><c r="A{at}" t="inlineStr"><is><t>{line}</t></is></c></row>'
        for at, line in enumerate(LINES, 1)
    )
    good = {
        "txt": "\n\n".join(LINES).encode(),
        "csv": ("topic,reply\n" + "\n".join(f'boat,"{line}"' for line in LINES)).encode(),
        "jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "srt": "".join(f"{SUBTITLES}{line}\n\n" for line in LINES).encode(),
        "ass": (DIALOGUE + "\n".join(LINES)).encode(),
        "docx": _zip(_docx("".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in LINES).encode())),
        "xlsx": _zip(_xlsx(row)),
    }
    for ending, whole in good.items():
        for at in range(4):
            raw = bytearray(whole)
            for _ in range(chance.randint(1, 20)):
                place = chance.randrange(len(raw))
                change = chance.choice(
                    (bytes([chance.randrange(256)]), b"", bytes(raw[place : place + 50]) * 3)
                )
                raw[place : place + 1] = change
            path = _write(folder / "changed" / f"{at}.{ending}", bytes(raw))
            yield Case(f"a changed {ending}, {at}", ("texts", str(path)))


def _picture(number: int) -> bytes:
    """A small PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([number * 9 % 256, 90, 150]) * 32) * 32
    head = pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
