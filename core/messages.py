"""What is said to a person: a sentence, and a mistake that they can mend.

Both are a literal English template with values, so that the window can say them in the person's language.
Only the standard library; knows nothing about jobs, files or the window.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from string import Formatter
from typing import Any, TypeVar

DoneT = TypeVar("DoneT")
SHOWN = 3  # names of a longer list


MAX_LINE = 4000  # characters of a line of a job's log, or of an error


NUMBER = re.compile(r"0?\d?(\.\d)?[defg%]?")  # how a template's place writes one


LONGEST_VALUE = 800  # characters of a value in a sentence


# Control signs, halves of characters and what turns the direction of writing.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")

# Of what is read from a file to be told: letters, parts, one in another.
LONGEST, MOST_PARTS, DEEPEST = 5000, 500, 6


class Mistake(Exception):
    """Input that a person can mend, said in one sentence: what is wrong and what to do.

    `template` is a literal English sentence with `{name}` places, `values` fill them; the window looks the
    template up in its word list to say it in the person's language.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        self.template = template
        self.values = {name: printable(value) for name, value in values.items()}
        super().__init__(template.format(**self.values) if values else template)

    @property
    def sentence(self) -> Sentence:
        """The same as a line for the log or a page, where nothing is raised."""
        return Sentence(self.template, **self.values)


class Sentence(str):
    """Something to tell, made as a Mistake is: a literal English template, and values for its places.

    It is its own English text; one that was read from a file is its bare template. A value may be a sentence
    too, or a tuple of them, which is listed.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Sentence:
        """The template filled with the values; both are kept, so that it can be said in another language."""
        values = {name: printable(value) for name, value in values.items()}
        filled = {name: "; ".join(v) if isinstance(v, tuple) else v for name, v in values.items()}
        return cls._made(template.format(**filled) if values else template, template, values)

    @classmethod
    def unfilled(cls, template: str, values: dict[str, object]) -> Sentence:
        """One from a file whose template is not the studio's: it may ask for a billion blanks."""
        return cls._made(template, template, values)

    @classmethod
    def _made(cls, text: str, template: str, values: dict[str, object]) -> Sentence:
        said = super().__new__(cls, text)
        said.template, said.values = template, values
        return said


def attempt(work: Callable[[], DoneT]) -> DoneT | Mistake:
    """What `work` gives, or the Mistake that it raises, for where either is shown in the same place."""
    try:
        return work()
    except Mistake as mistake:
        return mistake


def called(mistake: Mistake, path: object) -> Mistake:
    """The same, with a file called by its name alone: where an upload lies tells a person nothing."""

    def said(value: Any) -> Any:
        if isinstance(value, Sentence):
            return Sentence(value.template, **{name: said(one) for name, one in value.values.items()})
        return re.split(r"[/\\]", str(path))[-1] if str(value) == str(path) else value

    return Mistake(mistake.template, **{name: said(value) for name, value in mistake.values.items()})


def by_name(path: object, work: Callable[[], DoneT]) -> DoneT:
    """What `work` gives; a Mistake of it calls that file by its name alone."""
    done = attempt(work)
    if isinstance(done, Mistake):
        raise called(done, path)
    return done


def printable(value: object) -> object:
    """A value of a sentence as it can be shown and stored; most are so already.

    Of a name or another text, what no terminal and no file takes (control signs, bytes that are no UTF-8)
    becomes the sign for a lost one, and what is longer than `LONGEST_VALUE` is cut.
    """
    if isinstance(value, Sentence | Mistake | tuple | int | float):
        return value
    said = _CONTROLS.sub("\ufffd", str(value))
    said = said if len(said) <= LONGEST_VALUE else f"{said[:LONGEST_VALUE]}…"
    return value if said == str(value) else said


def together(parts: Sequence[Sentence]) -> Sentence:
    """Sentences (at least one) as one, with commas between."""
    return functools.reduce(lambda one, more: Sentence("{one}, {more}", one=one, more=more), parts)


def some(names: Sequence[str]) -> str:
    """The first `SHOWN` names, and how many more: "a.png, b.png, c.png (+4)"."""
    first = ", ".join(names[:SHOWN])
    return f"{first} (+{len(names) - SHOWN})" if len(names) > SHOWN else first


def as_plain(value: Any) -> Any:
    """A sentence as a mapping that JSON and YAML can hold; any other text as it is."""
    if isinstance(value, Sentence | Mistake):
        return {
            "template": value.template,
            "values": {name: as_plain(v) for name, v in value.values.items()},
        }
    if isinstance(value, tuple | list):
        return [as_plain(one) for one in value]
    return value if isinstance(value, bool | int | float) else str(value)


def from_plain(value: Any, deep: int = DEEPEST) -> Any:
    """What `as_plain` was given, or what a stranger wrote in its place: of a long text the beginning.

    A template that is none of the studio's kind is not filled (`harmless`); the window fills those alone that
    stand in its word list.
    """
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, str):
        return value[:LONGEST]
    if deep and isinstance(value, list):
        return tuple(from_plain(one, deep - 1) for one in value[:MOST_PARTS])
    if deep and isinstance(value, dict) and isinstance(value.get("template"), str):
        values, template = value.get("values"), value["template"][:LONGEST]
        inner = values.items() if isinstance(values, dict) else ()
        filled = {str(name): from_plain(one, deep - 1) for name, one in inner}
        try:
            return Sentence(harmless(template), **filled)
        except (ValueError, LookupError, TypeError, AttributeError):
            return Sentence.unfilled(template, filled)
    return "…"


def harmless(template: str) -> str:
    """A template from a file, whose places may but give a value or write a number.

    Python's own could be as wide as the memory (`{a:>300000000}`) or reach into their values (`{a.b}`).
    Raises ValueError for one that does, or that is endless.
    """
    places = [(name, spec or "") for _, name, spec, _ in Formatter().parse(template) if name is not None]
    if len(template) > MAX_LINE or not all(n.isidentifier() and NUMBER.fullmatch(s) for n, s in places):
        raise ValueError("no template of the studio's")
    return template


def as_line(text: str) -> str:
    """A line as every file and page can hold it: not endless, and without halves of characters."""
    if len(text) > MAX_LINE:
        text = f"{text[:MAX_LINE]}…"
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file that is no UTF-8
        return text.encode(errors="backslashreplace").decode()
    return text
