"""Makes a finished film ready to post: its cover, its words, and a zip with all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from core.files import contents
from core.messages import Mistake, Sentence, attempt
from core.progress import Progress
from core.project import write_atomic
from core.settings.post import Post, PostSettings
from core.settings.reading import make
from core.settings.style import styled
from core.texts.engine import opened, writes_storyboards
from core.video import covering
from core.video.places import Places
from core.video.post import bundle, finding, wording
from core.video.post.finding import Action, Finding
from core.video.script.write import settled
from core.video.storyboard import edit, file
from core.video.storyboard.board import Storyboard
from core.video.storyboard.draft import Draft

MOST_REPORT = 20_000_000  # bytes


def post(settings: PostSettings) -> Iterator[Progress]:
    """Makes cover, words and zip of a finished film anew; the last report's `result` is the zip.

    What is given goes into the storyboard, as a step that can be undone. Raises Mistake where the film or its
    storyboard can't be used.
    """
    places = Places(settings.video.absolute())
    if not places.video.is_file():
        raise Mistake("There is no film {path}; make it first.", path=settings.video)
    path, board = storyboard_of(places), board_of(places)
    given = {
        name: value for name in Post.model_fields if (value := getattr(settings, name)) not in (None, ())
    }
    if settings.cover_scene:
        edit.place(board, settings.cover_scene)
        given = {"cover_second": None} | given
    for one in read_findings(places):
        yield Progress("Looking through the film", text=one.line)
    if settings.write:
        who = file.read(path).film  # as it is chosen now
        given = (yield from _written(board.model_copy(update={"film": who}), settings.seed)) | given
    if given:
        kept(path, **given)
    yield Progress("Making the cover")
    board = board_of(places)
    covering.covered(board, styled(board.film), places)
    yield Progress("Packing")
    yield Progress("Done", picture=places.beside("cover.png"), result=packed(places))


def mended(places: Places, action: Action) -> Storyboard:
    """The film's storyboard after what mends something. Raises Mistake where its scene is gone."""
    return _change(storyboard_of(places), action.done)


def chosen(places: Places, name: str, value: Any) -> Storyboard:
    """Puts one value of its post into a film's storyboard; makes cover or words beside the film anew.

    Words that are as they would be made anyway count as not chosen; a scene chosen for the cover goes before
    a second. Raises Mistake for a value that it can't have.
    """
    plain = wording.plain(board_of(places))
    if name == "hashtags":
        value = wording.tags(tuple(str(value or "").replace("#", " ").split()))
    given = {name: value}
    if name in ("title", "description", "hashtags") and value == getattr(plain, name):
        given = {name: () if name == "hashtags" else ""}
    if name == "cover_scene":
        given["cover_second"] = None
    kept(storyboard_of(places), **given)
    board = board_of(places)
    if name.startswith("cover"):
        covering.covered(board, styled(board.film), places)
    else:
        words_beside(board, places)
    return board


def storyboard_of(places: Places) -> Path:
    """The storyboard that a film was made of, beside it. Raises Mistake where there is none."""
    beside, folder = places.beside("storyboard.yaml"), places.video.with_name("storyboard.yaml")
    path = beside if beside.is_file() else folder
    if not path.is_file():
        raise Mistake("There is no storyboard beside {path}; make the film again.", path=places.video.name)
    return path


def board_of(places: Places) -> Storyboard:
    """The storyboard that a film was made of, as its report has it, with what is posted as it is chosen now.

    Where the report is gone, or names what is no longer there, the storyboard beside the film.
    """
    now = file.read(storyboard_of(places))
    made = attempt(lambda: make(Storyboard, read_report(places).get("storyboard") or {}, "report.json"))
    if isinstance(made, Mistake) or len(bundle.materials(made)) < len(bundle.materials(made, gone=True)):
        return now
    return made.model_copy(update={"post": now.post})


def kept(path: Path, **fields: Any) -> Storyboard:
    """Puts something of its post into a storyboard's file; returns the storyboard."""

    def change(board: Storyboard) -> Storyboard:
        values = {name: getattr(board.post, name) for name in Post.model_fields}
        return edit.named(board, post=make(Post, {**values, **fields}, edit.STORYBOARD))

    return _change(path, change)


def _change(path: Path, how: Callable[[Storyboard], Storyboard]) -> Storyboard:
    """Changes a storyboard's file; in a film's own folder as a step that can be undone."""
    if path.name == "storyboard.yaml":
        return Draft(path.parent).change(how)
    file.write(board := how(file.read(path)), path)
    return board


def _written(board: Storyboard, seed: int) -> Generator[Progress, None, dict[str, Any]]:
    """What the language model writes; nothing where it is too small to be asked."""
    yield Progress("Loading the language model")
    film = settled(board.film)
    engine = opened(film.text_base, film.text_model, film.text_lora)
    try:
        if not writes_storyboards(engine):
            small = Sentence(
                "The language model is too small to write a post, so it is made of the film's own words; "
                "choose a larger one."
            )
            yield Progress("Writing the post", text=small)
            return {}
        return (yield from wording.written(board, engine, seed))
    finally:
        engine.close()


def words_beside(board: Storyboard, places: Places) -> Path:
    """Writes the post's words beside the film; returns their path."""
    return write_atomic(places.beside("post.txt"), wording.words(board).text)


def packed(places: Places) -> Path:
    """The zip with all of a film, its words as the storyboard has them now. Raises Mistake."""
    board = board_of(places)
    parts = {
        "video.mp4": places.video,
        "cover.png": places.beside("cover.png"),
        "video.srt": places.srt,
        "video.ass": places.ass,
        "post.txt": words_beside(board, places),
    }
    return bundle.bundled(places.beside("post.zip"), parts, board, places.beside("report.json"))


def read_report(places: Places) -> dict[str, Any]:
    """A film's report. Raises Mistake where there is none, or it is damaged."""
    path = places.beside("report.json")
    if not path.is_file():
        raise Mistake("There is no report beside {path}; make the film again.", path=places.video.name)
    try:
        values = json.loads(contents(path, MOST_REPORT))
    except (ValueError, RecursionError) as error:
        raise Mistake("{path} can't be read ({reason}).", path=path, reason=error) from None
    return values if isinstance(values, dict) else {}


def read_findings(places: Places) -> list[Finding]:
    """What was found in a film; nothing where its report is gone, or of before films were looked at."""
    report = attempt(lambda: read_report(places))
    return [] if isinstance(report, Mistake) else finding.read(report.get("findings"))
