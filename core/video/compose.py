"""Makes one video: settles how, writes or reads the storyboard, speaks, draws, renders, checks.

The order of events stands here, and what passes between the steps is plain data, so that each can be done
again by itself. What a step is stands in its own module; what it made is kept (core.kept), so that a film
that was stopped, or changed, is only gone on with.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

from core import kept
from core.progress import Progress
from core.project import replacing, unused, write_atomic
from core.settings.style import Style, styled
from core.settings.video import ComposeSettings, FilmSettings, WriteSettings
from core.video import assembly, covering, drawing, posting, publish_check, report, speaking, timing, titling
from core.video.drawing import Drawn, Plan
from core.video.picture.subtitles import ass, srt
from core.video.places import Places
from core.video.post import review
from core.video.post.finding import Finding
from core.video.render import pieces
from core.video.render.film import Film
from core.video.render.render import missing, render
from core.video.script.write import checked_style, script, sized
from core.video.storyboard import file as storyboard_file
from core.video.storyboard.board import Storyboard
from core.video.timing import Course


def compose(settings: ComposeSettings) -> Iterator[Progress]:
    """Makes the video; the last report's `result` is its path. Nothing there already is overwritten.

    Raises Mistake for a topic, style, storyboard, LoRA or base that can't be used, before anything is drawn.
    """
    places = Places(unused(settings.output))
    board, asked = begun(settings)
    style = styled(asked)
    written = board is not None
    course = Course(timing.expected(asked, written))
    yield Progress("Preparing", text=timing.line(asked, written))
    if board is None:
        checked_style(settings)
        assembly.check(asked, style)
        board = yield from course.part("script", script(settings, style))
    titling.check(board.film)
    speaking.check(board)  # what is wrong with a voice, picture or LoRA is said before anything is made
    plans = drawing.plans(board, style)
    own = (
        settings.storyboard is not None and places.beside("storyboard.yaml") == settings.storyboard.absolute()
    )
    if not own:
        storyboard_file.write(board, places.beside("storyboard.yaml"))
    yield from film(board, style, plans, places, course)
    timing.remember(asked, {part: course.seconds[part] for part in course.whole})
    yield Progress("Done", picture=places.beside("cover.png"), result=places.video)


def begun(settings: ComposeSettings) -> tuple[Storyboard | None, WriteSettings]:
    """The storyboard to film, where there is one already; and what is asked for, by it or by the settings.

    Options that were given beside a storyboard go before its own. Raises Mistake where it can't be read.
    """
    if settings.storyboard is None:
        return None, sized(settings)
    board = storyboard_file.read(settings.storyboard)
    given = {
        name: getattr(settings, name) for name in settings.model_fields_set & {*FilmSettings.model_fields}
    }
    film = board.film.model_copy(update=given)
    board = board.model_copy(update={"film": film})
    return board, described(board)


def described(board: Storyboard) -> WriteSettings:
    """A storyboard as what would be asked for to write one like it, for what is told before it is filmed."""
    words = [speaking.expected(scene, board) for scene in board.scenes]
    seconds = min(600.0, max(3.0, sum(words) + len(words) * board.pause))
    return WriteSettings(
        **board.film.model_dump(), topic=board.topic or "film", scenes=len(board.scenes), seconds=seconds
    )


def film(
    board: Storyboard, style: Style, plans: Sequence[Plan], places: Places, course: Course
) -> Generator[Progress, None, None]:
    """Makes the video of a storyboard whose pictures are settled, with all that stands beside it."""
    speeches = yield from course.part("voice", speaking.spoken(board, style))
    drawn = yield from course.part("frames", drawing.drawn(plans), len(drawing.missing(plans)) == len(plans))
    shown_beside(drawn, board, places)
    made, phrases = yield from course.part("sound", assembly.assembled(board, style, speeches, drawn, plans))
    left = missing(every := pieces.cut(made, "final"))
    new = left == every
    yield from course.part("enlarging", assembly.enlarged(made, left, board, style, drawn, plans), new)
    written = partial(
        report.write,
        places.beside("report.json"),
        places.video.name,
        board,
        style,
        plans,
        drawn,
        made.seconds,
        course.seconds,
    )
    with replacing(places.video) as part:  # it appears last of all: after a kill it is whole or made anew
        yield from course.part("rendering", render(made, part), new)
        yield from course.part("check", checked(made, part))
        write_atomic(places.srt, srt(phrases))
        write_atomic(places.ass, ass(phrases, assembly.look(style), made.width, made.height))
        written()
    at = covering.scene_of(board)
    yield from course.part("cover", covered(board, style, places, (plans[at], drawn[at])))
    measured = None
    if made.sound is not None:
        measured = yield from course.part("loudness", listened(places))
        written(measured)
    finished = review.Finished(board, style, made, phrases, places.video, measured)
    found = yield from course.part("review", reviewed(finished))
    written(measured, found)
    kept.trim(kept.folder(), kept.limit())


def shown_beside(drawn: Sequence[Drawn], board: Storyboard, places: Places) -> None:
    """Copies the drawn pictures into the folder scenes, under the scenes' names."""
    folder = places.beside("scenes")
    for scene, one in zip(board.scenes, drawn, strict=True):
        if one.prompt:
            with contextlib.suppress(FileNotFoundError), replacing(folder / f"{scene.id}.png") as part:
                shutil.copyfile(one.path, part)  # unless it was trimmed by another film this moment


def checked(film: Film, video: Path) -> Generator[Progress, None, None]:
    """Reads the finished video again. Raises RuntimeError where it isn't as promised."""
    yield Progress("Checking the video")
    wrong = publish_check.problems(
        video, film.width, film.height, film.fps, film.seconds, film.sound is not None
    )
    if wrong:
        raise RuntimeError(f"the finished video is not what was promised: {', '.join(wrong)}")


def covered(
    board: Storyboard, style: Style, places: Places, made: tuple[Plan, Drawn]
) -> Generator[Progress, None, None]:
    """Makes the cover and the post's words, beside the video."""
    yield Progress("Making the cover", result=places.video)
    covering.covered(board, style, places, made)
    posting.words_beside(board, places)


def listened(places: Places) -> Generator[Progress, None, tuple[float, float] | None]:
    """The video's loudness and true peak."""
    yield Progress("Measuring the loudness", picture=places.beside("cover.png"), result=places.video)
    return publish_check.loudness(places.video)


def reviewed(film: review.Finished) -> Generator[Progress, None, list[Finding]]:
    """What should be mended before the film is posted, each told as it is found."""
    found = yield from review.findings(film)
    for one in found:
        yield Progress("Looking through the film", text=one.line, result=film.video)
    return found
