"""A disk that is full, for tests: the system's own limit on the size of a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

posix = pytest.mark.skipif(os.name == "nt", reason="limits on a file's size are POSIX")


@contextlib.contextmanager
def room(limit: int) -> Iterator[None]:
    """No file of this process and its children may grow past `limit` bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
