"""JSON and JSON Lines (alpaca, sharegpt, OpenAI messages, DPO, named fields) as (topic, text) pairs.

Of a talk, each answer is a sample; its question keeps the turns before it, shortened, as many as chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.encodings import json_values
from core.messages import Mistake
from core.settings.data import TextCleaning
from core.texts.reasoning import FIELDS, spoken
from core.texts.records import REPLIES, Found, Record, cleaned, key, named, not_learnt, text_of, thinks
from core.texts.speech import one_line

TALKS = ("messages", "conversations", "conversation")
USER, ASSISTANT, SYSTEM = "user", "assistant", "system"
_SIDES = {
    USER: "user human customer client buyer 用户 客户 顾客 买家",
    ASSISTANT: "assistant gpt model bot chatgpt shop seller agent 客服 店主 卖家 商家",
    SYSTEM: "system developer",
}
ROLES = {name: role for role, names in _SIDES.items() for name in names.split()}
EARLIER_LETTERS = 120  # of an earlier turn that is kept before a question


def objects(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """JSON of any layout, and JSON Lines. Raises Mistake where it is no JSON."""
    yield from cleaned(path, _records(path, text, choices), choices)


def as_they_stand(path: Path, text: str, choices: TextCleaning) -> Iterator[Found]:
    """The objects of a finished set, neither cleaned nor split. Raises Mistake where it is no JSON."""
    records = _records(path, text, choices)
    yield from ((record.topic, record.reply) for record in records)
    yield from not_learnt(path, records)


def _records(path: Path, text: str, choices: TextCleaning) -> list[Record]:
    """Each value's records; one without an answer stands for what is left out. Raises where none has one."""
    try:
        values = [value for _, value in json_values(text)]
    except json.JSONDecodeError as fault:
        raise Mistake(
            "Line {line} of {path} is not JSON ({reason}); mend it there, or save the file anew.",
            line=fault.lineno,
            path=path,
            reason=fault.msg,
        ) from None
    if len(values) == 1 and isinstance(values[0], dict):
        values = _records_within(values[0])
    records = [record for value in values for record in _said(value, choices.earlier_turns)]
    if records and not any(record.reply for record in records):
        if any(record.thought for record in records):
            raise Mistake(
                "{path} holds a model's reasoning and no answers; add what it said after that.", path=path
            )
        raise Mistake(
            "Record {number} of {path} is no sample; it needs messages, or an instruction and an output.",
            number=1,
            path=path,
        )
    return records


def _records_within(value: dict[str, Any]) -> list[Any]:
    """The records that an object holds in a list, as exports do; itself where it is one."""
    lists = [one for one in value.values() if isinstance(one, list)]
    single = any(name in value for name in TALKS) or any(text_of(value.get(name)) for name in REPLIES)
    return [value] if single or not lists else lists[0]


def _said(value: Any, kept: int) -> list[Record]:
    """The records of a value: one for each answer of a talk, one of named fields or of a bare text."""
    if not isinstance(value, dict):
        return [named({"text": value})] if isinstance(value, str) else [Record()]
    fields = {key(name): said for name, said in value.items()}
    system = bool(text_of(fields.get(SYSTEM)))
    turns = next((fields[name] for name in TALKS if isinstance(fields.get(name), list)), None)
    chosen = fields.get("chosen")
    if isinstance(chosen, list):  # DPO: a whole talk, or the turn that ends one
        turns = chosen if len(chosen) > 1 else [*(turns or [_turn(USER, named(fields).topic)]), *chosen]
    elif turns is not None and chosen:
        turns = [*turns, _turn(ASSISTANT, text_of(chosen))]
    if turns is not None:
        return _answers(turns, kept, system)
    record = named(fields)
    history = fields.get("history")
    pairs = history if isinstance(history, list) else []
    earlier = [spoken(text_of(said)) for pair in pairs if isinstance(pair, list) for said in pair]
    return [replace(_after(earlier, record, kept), system=system)]


def _turn(role: str, said: str) -> dict[str, str]:
    return {"role": role, "content": said}


def _answers(turns: Sequence[Any], kept: int, system: bool) -> list[Record]:
    """A record for each answer of a talk; what one side says in several messages is one turn of it."""
    talk: list[tuple[str, str]] = []
    thought = False
    for turn in turns:
        if not isinstance(turn, dict):
            continue
        who = key(turn.get("role") or turn.get("from"))
        role = ROLES.get(who)
        written = text_of(turn.get("content") or turn.get("value"))
        said = spoken(written)
        thought = thought or said != written or who in FIELDS or thinks(turn)
        if role == SYSTEM:
            system = system or bool(said)
        elif role and said and talk and talk[-1][0] == role:
            talk[-1] = (role, f"{talk[-1][1]}\n{said}")
        elif role and said:
            talk.append((role, said))
    records = []
    for at, (role, answer) in enumerate(talk):
        if role == ASSISTANT:
            *earlier, topic = [said for _, said in talk[:at]] or [""]
            records.append(_after(earlier, Record(topic, answer, whole=True), kept))
    first, *others = records or [Record()]
    return [replace(first, system=system, thought=thought), *others]


def _after(earlier: Sequence[str], record: Record, kept: int) -> Record:
    """A record with the last `kept` questions and answers before its topic, between dashes."""
    turns = [turn for turn in earlier if turn]
    left = max(0, len(turns) - 2 * kept)
    topic = " — ".join([*map(_short, turns[left:]), record.topic])
    return replace(record, topic=topic, left=left, whole=record.whole or bool(turns))


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= EARLIER_LETTERS else f"{text[:EARLIER_LETTERS].rsplit(' ', 1)[0]}…"
