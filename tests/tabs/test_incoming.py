"""Uploads on the disk: what is old goes, what is in use stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.messages import Mistake
from tabs.gate import incoming
from tabs.gate.incoming import KEPT_S, MB, STRAY_S, UNUSED_S, Uploads, names_an_address


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path / "uploads", {}, [])


def put(uploads: Uploads, name: str, size: int = 10) -> Path:
    path = uploads.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_what_nobody_touched_for_a_day_goes(uploads):
    path, now = put(uploads, "hash/a.png"), time.time()
    assert uploads.sweep(now + KEPT_S - 60, KEPT_S) == {str(path): 10}
    os.utime(path, (1, 1))  # a copy has its original's time; that it was made now counts
    assert uploads.sweep(now + 60, KEPT_S) == {str(path): 10}
    assert uploads.sweep(now + KEPT_S + 60, KEPT_S) == {} and list(uploads.folder.iterdir()) == []


def test_what_broken_uploads_left_goes_and_what_arrives_stays(uploads):
    left, now = put(uploads, "tmpleft"), time.time()
    with uploads.arrival("a", 10, now - 5 * STRAY_S):
        assert uploads.sweep(now, KEPT_S) == {str(left): 10}  # it may be the one that arrives
    assert uploads.sweep(now + STRAY_S / 2, KEPT_S) == {str(left): 10}
    assert uploads.sweep(now + 2 * STRAY_S, KEPT_S) == {}


def test_uploads_that_arrive_at_once_count_together(uploads, monkeypatch):
    monkeypatch.setattr(incoming, "ONE_GUEST_MB", 3)
    with uploads.arrival("a", 2 * MB, 1.0):
        with uploads.arrival("b", 2 * MB, 1.0):
            pass
        with pytest.raises(Mistake, match="3 MB are allowed"), uploads.arrival("a", 2 * MB, 1.0):
            pass
    with uploads.arrival("a", 2 * MB, 1.0):
        pass


def test_room_is_made_only_of_what_is_unused(uploads, monkeypatch):
    monkeypatch.setattr(incoming, "ALL_MB", 1)
    path, now = put(uploads, "hash/a.png", MB), time.time()
    with pytest.raises(Mistake, match="holds 1 MB of everybody"):
        uploads.make_room("a", 10, now + UNUSED_S - 60)
    assert path.exists()
    uploads.make_room("a", 10, now + UNUSED_S + 60)
    assert not path.exists()


def test_a_part_of_the_disk_stays_free(uploads, monkeypatch):
    monkeypatch.setattr(incoming, "SPARE_MB", 1 << 40)
    with pytest.raises(Mistake, match="free on the studio's disk"):
        uploads.make_room("a", 10, time.time())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"data": [[{"path": "https://x"}]]}', True),
        (b'{"data": [[{"path": "HTTP://x"}]]}', True),
        (b'{"data": [[{"path": "\\u0068ttp://x"}]]}', True),
        (b'{"data": [[{"\\u0070ath": "http://x"}]]}', True),
        (b'{"data": ["see https://x for the path"]}', False),
        (b'{"data": [{"path": "/a/b.png", "url": "http://127.0.0.1:7860/gradio_api/file=/a/b.png"}]}', False),
        (b"[" * 100_000 + b"http", False),
        (b"http no json", False),
    ],
)
def test_a_files_address_on_the_net_is_found(body, found):
    assert names_an_address(body) is found
