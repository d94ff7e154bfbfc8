"""What is posted with a film: its cover, and the words beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from core.settings.base import Settings
from core.settings.marks import PartedBy

SCENE = Field(max_length=40, description="the scene whose picture is the cover, by its id; empty: the first")
SECOND = Field(ge=0, le=36000, description="second of the film that is the cover, in place of a scene")
WORDS = Field(max_length=300, description="the cover's words; empty: the title; a dash: none")
TITLE = Field(max_length=200, description="the post's title; empty: made of the film's")
DESCRIPTION = Field(max_length=5000, description="the post's text; empty: made of the film's words")
HASHTAGS = Field(max_length=30, description="the post's hashtags; empty: made of the film's words")


class Post(Settings):
    """What is posted with a film; what is empty is made of the film's title and words."""

    cover_scene: Annotated[str, SCENE] = ""
    cover_second: Annotated[float | None, SECOND] = None
    cover_words: Annotated[str, WORDS] = ""
    title: Annotated[str, TITLE] = ""
    description: Annotated[str, DESCRIPTION] = ""
    hashtags: Annotated[tuple[str, ...], PartedBy(" "), HASHTAGS] = ()


class PostSettings(Settings):
    """Makes a finished film ready to post: cover, text, and a zip with all of it."""

    video: Path = Field(description="the finished film, mp4, as `compose` left it with what stands beside it")
    cover_scene: Annotated[str | None, SCENE] = None
    cover_second: Annotated[float | None, SECOND] = None
    cover_words: Annotated[str | None, WORDS] = None
    title: Annotated[str | None, TITLE] = None
    description: Annotated[str | None, DESCRIPTION] = None
    hashtags: Annotated[tuple[str, ...], PartedBy(" "), HASHTAGS] = ()
    write: bool = Field(
        False, description="have the language model write title, text and hashtags, where it is large enough"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="another number gives another text")
