"""Past scripts, subtitles and chat data as text samples: cleaned, with a topic each, in the creator's words.

Reads txt, md, csv, json and jsonl (alpaca, sharegpt, OpenAI messages), srt and vtt in the encodings that
people's programs write. What is dropped is told; a file is read, never changed. Knows nothing about models.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.encodings import decoded, table
from core.jobs import Mistake
from core.project import file_hash, unused, write_atomic
from core.texts.samples import TextSample, topic_of, without_near_duplicates, write_samples

TRAIN_FILE = "train.jsonl"
LEAST_SAMPLES = 8
LEAST_WORDS = 3
PASSAGE_WORDS = 45
LONGEST_WORDS = 120
PAUSE = 2.0
OTHER_DOCUMENTS = (".docx", ".doc", ".pdf", ".rtf", ".odt", ".xlsx", ".xls", ".pages", ".epub")

_TOPIC_NAMES = "topic prompt instruction input question title user 主题 标题 问题"
_REPLY_NAMES = (
    "reply narration response output completion answer text script content assistant 文案 正文 回答"
)
TOPIC_COLUMNS, REPLY_COLUMNS = _TOPIC_NAMES.split(), _REPLY_NAMES.split()

Pair = tuple[str, str]
"""(topic, reply); the topic is "" where the source has none."""


@dataclass(frozen=True)
class TextSet:
    """Samples in the order of their sources; `problems` say what was left out."""

    samples: tuple[TextSample, ...]
    problems: tuple[Mistake, ...]


def read_texts(path: Path) -> TextSet:
    """The samples of a file, or of a folder: its `train.jsonl` where it has one, else every text file in it.

    Raises Mistake where there is nothing to read, or fewer than `LEAST_SAMPLES` samples.
    """
    if path.is_dir():
        files = [path / TRAIN_FILE] if (path / TRAIN_FILE).is_file() else text_files(path)
        if not files:
            raise Mistake(
                "The folder {path} holds no texts; put .txt, .srt, .csv or .jsonl files in it.", path=path
            )
    elif path.is_file():
        files = [path]
    else:
        raise Mistake("There is no text file or folder {path}; check the name.", path=path)
    found = read_files(files, strict=len(files) == 1)
    if not found.samples:
        raise Mistake(
            "{path} holds no text to learn from; write at least {least}, with a blank line between them.",
            path=path,
            least=LEAST_SAMPLES,
        )
    if len(found.samples) < LEAST_SAMPLES:
        raise Mistake(
            "{path} holds only {count} usable texts; write at least {least}, with a blank line between them.",
            path=path,
            count=len(found.samples),
            least=LEAST_SAMPLES,
        )
    return found


def read_files(files: Iterable[Path], strict: bool = False) -> TextSet:
    """The samples of some files, without too short ones and near-duplicates, however few they are.

    An unreadable file is a problem of the set; with `strict` it is a Mistake instead.
    """
    problems: list[Mistake] = []
    samples: list[TextSample] = []
    for file in files:
        try:
            samples += read_file(file)
        except Mistake as mistake:
            if strict:
                raise
            problems.append(mistake)
    long_enough = [sample for sample in samples if words(sample.reply) >= LEAST_WORDS]
    kept = without_near_duplicates(long_enough)
    if short := len(samples) - len(long_enough):
        problems.append(
            Mistake("Left out, as shorter than {least} words: {count}.", least=LEAST_WORDS, count=short)
        )
    if twice := len(long_enough) - len(kept):
        problems.append(Mistake("Left out, as nearly the same as another: {count}.", count=twice))
    return TextSet(kept, tuple(problems))


def text_files(folder: Path) -> list[Path]:
    """All files under a folder that may hold texts, by name; hidden ones are passed over."""
    known = (*READERS, *OTHER_DOCUMENTS)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix.lower() in known
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def read_file(path: Path) -> list[TextSample]:
    """The cleaned samples of one file, each with a topic. Raises Mistake where it can't be read."""
    if path.suffix.lower() in OTHER_DOCUMENTS:
        raise Mistake(
            "{name} is of a kind that the studio can't open; save it as plain text (.txt).", name=path.name
        )
    read = READERS.get(path.suffix.lower(), _plain)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Mistake("{path} can't be read ({reason}).", path=path, reason=error.strerror) from None
    utf_16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in raw[:4096] and not utf_16:
        raise Mistake("{name} is not text, whatever its ending says; save it as plain text.", name=path.name)
    pairs = ((one_line(clean(topic)), flowing(clean(reply))) for topic, reply in read(path, decoded(raw)))
    return [TextSample(topic or topic_of(reply), reply, path.name) for topic, reply in pairs if words(reply)]


def words(text: str) -> float:
    """Length of a text in words; a Chinese, Japanese or Korean character counts 0.6."""
    dense = len(_DENSE.findall(text))
    return dense * 0.6 + len(re.findall(r"[^\W_]+(?:['’][^\W_]+)?", _DENSE.sub(" ", text)))


def one_line(text: str) -> str:
    """A text on one line, without doubled spaces."""
    return " ".join(text.split())


def flowing(text: str) -> str:
    """Lines as running text: spaces between words, a comma between Chinese lines that end without a mark."""
    whole = ""
    for line in filter(None, map(one_line, text.split("\n"))):
        if not whole or (not whole[-1].isascii() and not _DENSE.match(whole[-1])):
            whole += line if _DENSE.match(line) or not whole else f" {line}"
        else:
            whole += f"，{line}" if _DENSE.match(whole[-1]) and _DENSE.match(line) else f" {line}"
    return whole


_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_RUBBISH = (
    (re.compile(r"[\u200b-\u200d\u2060\ufeff\ufffd\x00-\x08\x0b-\x1f]"), ""),
    (re.compile(r"[\u00a0\u3000\t]"), " "),
    (re.compile(rf"(?m)^[ \t]*[\[(<]?{_CLOCK}[\])>]?\s*(?:-->?|–|—)\s*[\[(<]?{_CLOCK}[\])>]?.*$"), ""),
    (re.compile(rf"[\[(<]{_CLOCK}[\])>]"), ""),
    (re.compile(rf"(?m)^[ \t]*(?:{_DATE},?\s+)?{_CLOCK}(?:\s*[AaPp][Mm])?\s*[-:：]?\s+"), ""),
    (re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"'）)】\]]+?(?=[,.;:!?，。]*(?:[\s<>\"'）)】\]]|$))"), ""),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}\b"), ""),
    (re.compile(r"(?s)</?[A-Za-z][^<>]{0,200}>|<!--.{0,2000}?-->|\{\\[^}]{0,200}\}"), ""),
    (re.compile(r"[♪♫🎵🎶]+"), ""),
    (re.compile(r"(?i)[\[(（【](?:music|applause|laughter|laughs|cheering|silence|inaudible|音乐|掌声|笑声)[^\])）】]{0,20}"
                r"[\])）】]"), ""),
    (re.compile(r"(?:\s*[#＃][\w·-]+)+\s*$"), ""),
)  # fmt: skip


def clean(text: str) -> str:
    """Spoken words alone: no timestamps, tags, addresses, sound notes or hashtags; lines kept."""
    for pattern, instead in _RUBBISH:
        text = pattern.sub(instead, text)
    text = html.unescape(text)
    lines = [one_line(line) for line in text.split("\n")]
    text = re.sub(r"\n{2,}", "\n", "\n".join(lines))
    return re.sub(r" +([,.!?;:，。！？；：])", r"\1", text).strip()


# Plain text and Markdown


_HEADED = re.compile(r"(?i)^(?:topic|title|prompt|主题|标题)\s*[:：]\s*(.+)$")


def _plain(path: Path, text: str) -> Iterator[Pair]:
    """A blank line parts samples; where there is none, each line is one. `Topic: …` may open a sample."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
    if len(blocks) == 1:
        lines = [line.strip() for line in blocks[0].split("\n") if line.strip()]
        blocks = lines if _one_a_line(lines) else [" ".join(lines)]
    for block in blocks:
        yield from _block(block)


def _one_a_line(lines: Sequence[str]) -> bool:
    """True where lines are texts of their own; a text wrapped at some column breaks inside its sentences."""
    ended = sum(1 for line in lines if re.search(r"[.!?…。！？~”\"']$", line))
    return len(lines) >= 2 and (ended >= 0.7 * len(lines) or all(_DENSE.search(line) for line in lines))


def _block(block: str, topic: str = "") -> Iterator[Pair]:
    first, _, rest = block.partition("\n")
    if (headed := _HEADED.match(first)) and rest.strip():
        topic, block = headed[1], rest.strip()
    if words(block) <= LONGEST_WORDS:
        yield topic, block
    else:
        yield from ((topic, passage) for passage in passages(sentences(block)))


def _markdown(path: Path, text: str) -> Iterator[Pair]:
    """Paragraphs under their nearest heading, their topic; code, tables and front matter are dropped."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"(?ms)^(```|~~~).*?^\1\s*$", "", text)
    text = re.sub(r"!\[[^\]]{0,300}\]\([^)]{0,2000}\)", "", text)
    text = re.sub(r"\[([^\]]{1,300})\]\([^)]{0,2000}\)", r"\1", text)
    text = re.sub(r"(\*\*|__|~~|`)(.{1,300}?)\1", r"\2", text)
    text = re.sub(r"(?<!\w)([*_])(\S.{0,300}?\S|\S)\1(?!\w)", r"\2", text)
    topic = ""
    for block in re.split(r"\n\s*\n|(?m:(?<=\n)(?=#{1,6}\s))", text):
        lines = block.strip().split("\n")
        if heading := re.match(r"#{1,6}\s+(.+?)\s*#*$", lines[0]):
            topic, lines = heading[1], lines[1:]
        lines = [re.sub(r"^\s*(?:>+|[-*+]|\d+[.)])\s+", "", line) for line in lines]
        body = "\n".join(line for line in lines if not re.fullmatch(r"\s*(?:\|.*|[-*_=\s]*)", line))
        if body.strip():
            yield from _block(body.strip(), topic)


# Subtitles


@dataclass(frozen=True)
class _Cue:
    start: float
    end: float
    text: str


_TIMES = re.compile(
    r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)


def _subtitles(path: Path, text: str) -> Iterator[Pair]:
    """Spoken passages: cues joined until a pause of `PAUSE` seconds or enough whole sentences."""
    spoken: list[str] = []
    parts: list[str] = []
    last_end = 0.0
    for cue in _cues(text):
        if parts and cue.start - last_end > PAUSE:
            spoken += _spoken(parts)
            parts = []
        parts.append(cue.text)
        last_end = cue.end
    spoken += _spoken(parts)
    return (("", passage) for passage in spoken)


def _spoken(parts: Sequence[str]) -> list[str]:
    text = flowing("\n".join(parts))
    return passages(sentences(f"{text}。" if text and _DENSE.match(text[-1]) else text))


def _cues(text: str) -> list[_Cue]:
    """Cues in the file's order; lines that rolling captions repeat from the cue before are dropped."""
    found: list[_Cue] = []
    before: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().split("\n")
        at = next((index for index, line in enumerate(lines[:3]) if _TIMES.search(line)), None)
        if at is None:
            continue
        match = _TIMES.search(lines[at])
        assert match is not None
        numbers = [int(part or 0) for part in match.groups()]
        said = [
            one
            for one in (one_line(clean(re.sub(r"<[^<>]{0,200}>", "", line))) for line in lines[at + 1 :])
            if one
        ]
        fresh = [line.lstrip(">-– ") for line in said if line not in before]
        before = said
        if fresh:
            found.append(_Cue(_seconds(numbers[:4]), _seconds(numbers[4:]), " ".join(fresh)))
    return found


def _seconds(numbers: Sequence[int]) -> float:
    hours, minutes, seconds, thousandths = numbers
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def sentences(text: str) -> list[str]:
    """Sentences with their marks, in order; a closing quotation mark stays with its sentence."""
    parts = re.split(
        r"(?<=[。！？…])(?![”’」』。！？…])|(?<=[.!?…][”’\"')])\s+|(?<=[.!?…])\s+|(?<=[。！？][”’」』])",
        one_line(text),
    )
    return [part.strip() for part in parts if part and part.strip()]


def passages(parts: Sequence[str]) -> list[str]:
    """Sentences joined to passages of about `PASSAGE_WORDS` words, the last not left shorter than a third.

    A sentence longer than two passages (subtitles without marks) is cut between words.
    """
    pieces = [piece for part in parts for piece in _cut(part)]
    found: list[str] = []
    for piece in pieces:
        room = found and words(found[-1]) + words(piece) <= PASSAGE_WORDS
        if room:
            found[-1] = _glued(found[-1], piece)
        else:
            found.append(piece)
    if len(found) > 1 and words(found[-1]) < PASSAGE_WORDS / 3:
        last = found.pop()
        found[-1] = _glued(found[-1], last)
    return found


def _glued(left: str, right: str) -> str:
    return left + right if _DENSE.match(right[0]) and not left[-1].isascii() else f"{left} {right}"


def _cut(sentence: str) -> list[str]:
    if words(sentence) <= 2 * PASSAGE_WORDS:
        return [sentence]
    tokens = re.findall(r"\S+\s*" if not _DENSE.search(sentence) else r"[^，,；;]+[，,；;]?", sentence)
    pieces, piece = [], ""
    for token in tokens:
        if piece and words(piece) + words(token) > PASSAGE_WORDS:
            pieces.append(piece.strip())
            piece = ""
        piece += token
    return [*pieces, piece.strip()]


# Tables and JSON


def _rows(path: Path, text: str) -> Iterator[Pair]:
    """A prompt and a reply column by their usual names; two columns without a known name, or one of texts."""
    try:
        rows, _ = table(text)
    except csv.Error as error:
        raise Mistake(
            "{path} is no table ({reason}); save it as CSV UTF-8.", path=path, reason=error
        ) from None
    if not rows:
        return
    header = [cell.strip().casefold() for cell in rows[0]]
    topic_at = next((header.index(name) for name in TOPIC_COLUMNS if name in header), None)
    reply_at = next((header.index(name) for name in REPLY_COLUMNS if name in header), None)
    if reply_at is None:
        if topic_at is not None or len(header) > 2:
            raise Mistake(
                "{path} has no column with the texts; name its columns topic and reply in the first line.",
                path=path,
            )
        topic_at, reply_at = (0, 1) if len(header) == 2 else (None, 0)
    else:
        rows = rows[1:]
    for row in rows:
        if reply_at < len(row):
            cells = row[reply_at:] if reply_at == len(header) - 1 else [row[reply_at]]
            yield (row[topic_at] if topic_at is not None else ""), ", ".join(cells)


def _json(path: Path, text: str) -> Iterator[Pair]:
    """A JSON array, or an object that holds one."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        yield from _jsonl(path, text)
        return
    if isinstance(values, dict):
        lists = [value for value in values.values() if isinstance(value, list)]
        single = any(name in values for name in ("messages", "conversations", *REPLY_COLUMNS))
        values = [values] if single or not lists else lists[0]
    for number, value in enumerate(values if isinstance(values, list) else [values], 1):
        yield from _said(path, number, value)


def _jsonl(path: Path, text: str) -> Iterator[Pair]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                raise Mistake(
                    "Line {line} of {path} is not JSON; each line must be one object.", line=number, path=path
                ) from None
            yield from _said(path, number, value)


ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "model": "assistant"}


def _said(path: Path, number: int, value: Any) -> list[Pair]:
    """(topic, reply) pairs of one record: messages, conversations, or named fields (alpaca and the like)."""
    if isinstance(value, str):
        return [("", value)]
    turns = value.get("messages") or value.get("conversations") if isinstance(value, dict) else None
    if isinstance(turns, list):
        return _turns(turns)
    if isinstance(value, dict):
        fields = {str(key).casefold(): text for key, text in value.items() if isinstance(text, str)}
        reply = next((fields[name] for name in REPLY_COLUMNS if fields.get(name)), "")
        topic = next((fields[name] for name in TOPIC_COLUMNS if fields.get(name)), "")
        if fields.get("instruction") and fields.get("input"):
            topic = f"{fields['instruction']}: {fields['input']}"
        if reply:
            return [(topic, reply)]
    raise Mistake(
        "Record {number} of {path} is no sample; it needs messages, or an instruction and an output.",
        number=number,
        path=path,
    )


def _turns(turns: Sequence[Any]) -> list[Pair]:
    pairs: list[Pair] = []
    asked = ""
    for turn in turns:
        if not isinstance(turn, dict):
            continue
        role = ROLES.get(str(turn.get("role") or turn.get("from")).casefold())
        text = turn.get("content") or turn.get("value") or ""
        if isinstance(text, list):
            text = " ".join(part.get("text", "") for part in text if isinstance(part, dict))
        if role == "user":
            asked = str(text)
        elif role == "assistant":
            pairs.append((asked, str(text)))
            asked = ""
    return pairs


READERS: dict[str, Callable[[Path, str], Iterable[Pair]]] = {
    ".txt": _plain,
    ".md": _markdown,
    ".markdown": _markdown,
    ".csv": _rows,
    ".tsv": _rows,
    ".json": _json,
    ".jsonl": _jsonl,
    ".srt": _subtitles,
    ".vtt": _subtitles,
}


def import_texts(sources: Iterable[Path], folder: Path) -> TextSet:
    """Adds sources (files, or folders of them) to a project's text set and returns the whole set.

    Sources are copied, never changed; `train.jsonl` keeps what it holds and gains the new samples. Raises
    Mistake where a source doesn't exist or nothing usable was found; few samples are no mistake here.
    """
    files: list[Path] = []
    for source in sources:
        if not source.exists():
            raise Mistake("There is no file or folder {path}; check the name.", path=source)
        files += text_files(source) if source.is_dir() else [source]
    train = folder / TRAIN_FILE
    before = read_file(train) if train.is_file() else []
    new = read_files(files)
    whole = without_near_duplicates([*before, *new.samples])
    if not whole:
        raise Mistake(
            "There is no text to learn from in these files; {problems}",
            problems=" ".join(map(str, new.problems)),
        )
    folder.mkdir(parents=True, exist_ok=True)
    present = {file_hash(path) for path in folder.iterdir() if path.is_file()}
    for file in files:
        if file_hash(file) not in present and file.resolve() != train.resolve():
            write_atomic(unused(folder / file.name), file.read_bytes())
    write_samples(train, whole)
    return TextSet(whole, new.problems)
