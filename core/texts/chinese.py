"""Where one Chinese word ends and the next begins, by jieba's dictionary."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

from core.bases.places import cache_folder


def dictionary() -> Any:
    """A jieba tokenizer to oneself, to which words may be added.

    Its table lies in our cache: by itself it takes whatever lies in the shared /tmp, where anybody may put
    another one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for pkg_resources where that is
        import jieba

    jieba.setLogLevel(logging.WARNING)
    made = jieba.Tokenizer()
    made.tmp_dir = str(cache_folder())
    return made


@functools.cache
def usual() -> Any:
    """The tokenizer as it comes; nobody adds words to it."""
    return dictionary()
