"""What a person names is a regular file of a bounded size, and what is said of it can be shown."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from core import files
from core.images import captions
from core.messages import LONGEST_VALUE, Mistake, Sentence, printable
from core.settings.reading import read_settings
from core.texts.importing import import_texts, read_texts

ROOT = Path(__file__).resolve().parents[2]
NO_FILES = ("/dev/zero", "pipe", "folder", "gone", "a\0b", "file/below", "x" * 300)


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.timeout(20)
def test_only_regular_files_are_read(name: str, tmp_path: Path) -> None:
    """A device never ends, and a pipe that nobody writes into waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"a")
    path = tmp_path / name
    for read in (
        lambda: files.contents(path, 10),
        lambda: read_settings(path),
        lambda: captions.read_metadata(path),
    ):
        with pytest.raises(Mistake, match=r"no file|a folder, a pipe or a device|can't be read"):
            read()
    if path.name not in ("folder",):
        with pytest.raises(Mistake):
            read_texts(path)


@pytest.mark.timeout(20)
def test_a_pipe_among_dropped_texts_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "a.txt").write_text("The boat goes over the river.\n\nThe cat sleeps on the warm wall.")
    found = import_texts([tmp_path / "pipe.txt", tmp_path / "a.txt"], tmp_path / "set")
    assert len(found.samples) == 2 and "a pipe or a device" in str(found.problems[0])
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["a.txt", "train.jsonl"]


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2_000_001))
    with pytest.raises(Mistake, match=r"a is larger than 2 MB; split it"):
        files.contents(tmp_path / "a", 2_000_000)
    assert len(files.contents(tmp_path / "a", 2_000_001)) == 2_000_001


def test_a_sentence_holds_nothing_that_a_terminal_or_a_file_refuses() -> None:
    named = os.fsdecode(b"a\xff\n\x1b[31m\x07.txt")
    for said in (
        Mistake("There is no {path}.", path=Path(named)),
        Sentence("There is no {path}.", path=named),
    ):
        assert str(said) == "There is no a\ufffd\ufffd\ufffd[31m\ufffd.txt."
        str(said).encode()
    assert len(str(Mistake("{text}", text="a" * 10_000))) == LONGEST_VALUE + 1
    assert printable(3.5) == 3.5 and printable(Path("/a b")) == Path("/a b")


def test_readers_of_what_a_person_names_open_it_in_one_place() -> None:
    """Pictures have their own place; the studio's own files under assets are read by others."""
    found = set()
    for room in ("core/images", "core/texts", "core/video", "core/settings", "core/encodings.py"):
        place = ROOT / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in ("read_text", "read_bytes"):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == {
        "core/images/caption_table.py",
        "core/video/audio/voices/hibari.py",
        "core/video/audio/voices/kokoro.py",
        "core/video/picture/signs.py",
    }  # copies in the history; the voice's model; the list of the studio's own emoji
