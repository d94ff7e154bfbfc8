"""Composes one video from a topic: plans and writes the script, speaks, draws, renders, checks.

The order of events stands here, and what passes between the steps is plain data, so that each can be done
again by itself. What a step is stands in its own module.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from core import basemodels, device
from core.jobs import Progress, Sentence, Steps
from core.lora import formats
from core.lora.artist import Sampling, sampling
from core.project import file_hash, lineage, replacing, unused, write_atomic
from core.settings import ROOT, ComposeSettings, Style, load_style
from core.video import check, cover, frames, motion, music, script, sound, storyboard, timing, voice
from core.video.captions import Captions, Look, Phrase, phrases, shifted, srt
from core.video.enlarge import enlarge
from core.video.render import Film, aigc, render, shots_for
from core.video.storyboard import Storyboard
from core.video.timing import Course
from core.video.typesetting import missing
from core.video.write import LEAD, TAIL, write

MOST_STRETCH = 0.9  # seconds by which a pause may grow to reach the length asked for
LEAST_SECONDS = 3.0  # what the platforms take
LABEL = "AI生成 · AI-generated"
LORAS = ROOT / "assets" / "loras"


@dataclass(frozen=True)
class Places:
    """Where a video and what belongs to it stand.

    `video.mp4` has its folder to itself: cover.png, storyboard.yaml, report.json, scenes/. Any other name
    goes before theirs, so that several videos can share a folder.
    """

    video: Path

    def beside(self, name: str) -> Path:
        """The path of something that belongs to the video."""
        stem = self.video.stem
        return self.video.with_name(name if stem == "video" else f"{stem}.{name}")

    @property
    def srt(self) -> Path:
        """The subtitles, where players look for them."""
        return self.video.with_suffix(".srt")


@dataclass(frozen=True)
class Timeline:
    """When everything happens, in seconds: scenes start, voices start, the film ends."""

    starts: tuple[float, ...]
    spoken: tuple[float, ...]
    seconds: float


def compose(settings: ComposeSettings) -> Iterator[Progress]:
    """Makes the video; the last report's `result` is its path. Nothing there already is overwritten.

    Raises Mistake for a topic, style, LoRA or base that can't be used, before anything is drawn.
    """
    style = load_style(settings.style)
    script.check_topic(settings.topic, settings.text_base, settings.voice)
    loras = chosen_loras(settings, style)
    for path, _ in loras:
        formats.read(path)  # what is wrong with one is said before the script is written
    how = sampling(
        settings.image_base,
        loras,
        settings.width,
        settings.height,
        settings.steps,
        settings.guidance,
        settings.takes,
        settings.prediction,
    )
    places, course = Places(unused(settings.output)), Course(timing.expected(settings))
    yield Progress("Preparing", text=timing.line(settings))
    board = yield from course.part("script", write(settings))
    storyboard.save(board, places.beside("storyboard.yaml"))
    speeches = yield from course.part("voice", speak(board, settings, style))
    takes = yield from course.part("frames", draw(board, how, style, places.beside("scenes")))
    pictures = yield from course.part(
        "enlarging", enlarged([take.picture for take in takes], settings, style)
    )
    film, shown = yield from course.part("sound", assemble(board, speeches, pictures, settings, style))
    yield from course.part("rendering", render(film, places.video))
    yield from course.part("check", checked(film, places.video))
    write_atomic(places.srt, srt(shown))
    write_report(places, settings, style, board, how, takes, film, None, course)
    yield from course.part("cover", covered(pictures[0], board.topic, settings, style, places))
    if film.sound is not None:
        measured = yield from course.part("loudness", listened(places))
        write_report(places, settings, style, board, how, takes, film, measured, course)
    timing.remember(settings, course.seconds)
    yield Progress("Done", picture=places.beside("cover.png"), result=places.video)


def checked(film: Film, video: Path) -> Generator[Progress, None, None]:
    """Reads the finished video again. Raises RuntimeError, and removes it, where it isn't as promised."""
    yield Progress("Checking the video")
    wrong = check.problems(video, film.width, film.height, film.fps, film.seconds, film.sound is not None)
    if wrong:
        video.unlink()
        raise RuntimeError(f"the finished video is not what was promised: {', '.join(wrong)}")


def covered(
    picture: np.ndarray, topic: str, settings: ComposeSettings, style: Style, places: Places
) -> Generator[Progress, None, None]:
    """Makes the cover of the first scene's picture, beside the video."""
    yield Progress("Making the cover", result=places.video)
    made = cover.cover(picture, topic, look(style), settings.width, settings.height)
    save_picture(made, places.beside("cover.png"))


def listened(places: Places) -> Generator[Progress, None, tuple[float, float] | None]:
    """The video's loudness and true peak."""
    yield Progress("Measuring the loudness", picture=places.beside("cover.png"), result=places.video)
    return check.loudness(places.video)


def chosen_loras(settings: ComposeSettings, style: Style) -> list[tuple[Path, float]]:
    """The image LoRAs asked for, else the style's own, which fits the embedded base alone."""
    if settings.lora or not style.lora or settings.image_base != basemodels.EMBEDDED:
        return frames.parse_loras(settings.lora)
    return frames.parse_loras([f"{LORAS / style.lora}:{style.lora_weight}"])


def speak(
    board: Storyboard, settings: ComposeSettings, style: Style, cache: Path | None = None
) -> Generator[Progress, None, list[voice.Speech]]:
    """Speaks every scene's narration."""
    made: list[voice.Speech] = []
    speaking = Steps("Speaking", len(board.scenes))
    yield speaking.report()
    for scene in board.scenes:
        made.append(
            voice.speak(scene.narration, settings.voice, style.voice_speed, style.voice_pitch, cache=cache)
        )
        yield speaking.report(1)
    return made


def draw(
    board: Storyboard, how: Sampling, style: Style, folder: Path
) -> Generator[Progress, None, list[frames.Take]]:
    """Draws every scene at the base's own size, into `folder` as well: 01.png, 02.png, …"""
    yield Progress("Loading the picture model")
    camera = frames.Camera(how)
    made: list[frames.Take] = []
    asked = prompts(board, how, style)
    drawing = Steps("Drawing", camera.steps * len(board.scenes))
    yield drawing.report()
    for line in (*camera.artist.unused, *camera.artist.unread(asked)):
        yield Progress("Drawing", text=line)
    for scene, prompt in zip(board.scenes, asked, strict=True):
        take = camera.take(prompt, scene.seed, {"object": scene.thing, "setting": scene.setting})
        made.append((yield from drawing.counted(take, camera.steps)))
        path = save_picture(made[-1].picture, folder / f"{scene.number:02}.png")
        yield drawing.report(picture=path)
    del camera
    device.free()
    return made


def prompts(board: Storyboard, how: Sampling, style: Style) -> list[str]:
    """What each frame is drawn from."""
    triggers = list(dict.fromkeys(formats.trigger(path) for path, _ in how.loras))
    words = basemodels.vocabulary(how.base)
    return [frames.framed_prompt(scene.prompt, triggers, style.look, words) for scene in board.scenes]


def enlarged(
    drawn: Sequence[np.ndarray], settings: ComposeSettings, style: Style
) -> Generator[Progress, None, list[np.ndarray]]:
    """The frames at the film's size and what its motion needs beyond."""
    made: list[np.ndarray] = []
    enlarging = Steps("Enlarging", len(drawn))
    yield enlarging.report()
    size = motion.cover_size(settings.width, settings.height, style.motion)
    edges = basemodels.drawing(settings.image_base).edges
    for picture in drawn:
        made.append(enlarge(picture, *size, edges))
        yield enlarging.report(1)
    return made


def assemble(
    board: Storyboard,
    speeches: Sequence[voice.Speech],
    pictures: Sequence[np.ndarray],
    settings: ComposeSettings,
    style: Style,
) -> Generator[Progress, None, tuple[Film, tuple[Phrase, ...]]]:
    """Everything in its place and time: the film, and the phrases that its captions show."""
    yield Progress("Mixing the sound")
    yield from (Progress("Mixing the sound", text=line) for line in unshown(board, settings, style))
    when = timeline([speech.seconds for speech in speeches], settings.seconds, style.pause)
    shown = tuple(
        shifted(phrase, at)
        for speech, at in zip(speeches, when.spoken, strict=True)
        for phrase in phrases(speech.words, look(style), settings.width, settings.height)
    )
    paths = [motion.move(at, board.seed, style.motion) for at in range(len(pictures))]
    captions = Captions(shown, look(style), settings.width, settings.height) if settings.captions else None
    bed = music.load(style.music) if settings.music else None
    track = sound.mix(when.seconds, list(zip(when.spoken, speeches, strict=True)), bed, style.music_volume)
    film = Film(
        shots=shots_for(pictures, when.starts, when.seconds, paths, style.transition),
        captions=captions,
        sound=track if track.any() else None,
        seconds=when.seconds,
        width=settings.width,
        height=settings.height,
        fps=settings.fps,
        label=LABEL if settings.ai_label else "",
        metadata={"title": board.topic, **aigc("LoRA Studio", f"{board.seed}")},
    )
    return film, shown


def unshown(board: Storyboard, settings: ComposeSettings, style: Style) -> Iterator[Sentence]:
    """What of the texts the film and its cover can't show."""
    how, narration = look(style), " ".join(scene.narration for scene in board.scenes)
    if signs := missing(f"{board.topic} {narration if settings.captions else ''}", how.font):
        yield Sentence("No font here has these signs, so the film leaves them out: {signs}", signs=signs)
    _, _, whole = cover.title_lines(board.topic, how, settings.width, settings.height)
    if not whole:
        yield Sentence(
            "The topic is too long for a cover of {width}×{height} pixels, so its end is left out there",
            width=settings.width,
            height=settings.height,
        )


def timeline(speech: Sequence[float], wanted: float, pause: float) -> Timeline:
    """Scenes one after another, each as long as its speech (seconds) with what stands around it.

    Where the whole is shorter than `wanted`, the pauses grow a little.
    """
    least = sum(speech) + len(speech) * (LEAD + pause) + TAIL
    stretch = min(MOST_STRETCH, max(0.0, (wanted - least) / len(speech)))
    starts: list[float] = []
    now = 0.0
    for seconds in speech:
        starts.append(now)
        now += LEAD + stretch / 2 + seconds + pause + stretch / 2
    return Timeline(
        tuple(starts),
        tuple(start + LEAD + stretch / 2 for start in starts),
        max(LEAST_SECONDS, now + TAIL),
    )


def look(style: Style) -> Look:
    """A style's captions."""
    return Look(
        style.caption_font, style.caption_size, style.caption_color, style.caption_accent, style.caption_back
    )


def save_picture(picture: np.ndarray, path: Path) -> Path:
    """Writes uint8 [H, W, 3] as PNG."""
    with replacing(path) as part:
        Image.fromarray(picture).save(part)
    return path


def write_report(
    places: Places,
    settings: ComposeSettings,
    style: Style,
    board: Storyboard,
    how: Sampling,
    takes: Sequence[frames.Take],
    film: Film,
    measured: tuple[float, float] | None,
    course: Course,
) -> Path:
    """report.json: all it takes to make the video again, and what was measured."""
    values = lineage(
        video=places.video.name,
        settings=settings.model_dump(mode="json"),
        style=style.model_dump(mode="json"),
        scenes=[
            {**asdict(scene), "drawn_from": prompt, "drawn_seed": take.seed}
            for scene, prompt, take in zip(board.scenes, prompts(board, how, style), takes, strict=True)
        ],
        drawing=asdict(replace(how, loras=()))
        | {
            "loras": [
                {"file": path.name, "weight": weight, "sha256": file_hash(path)} for path, weight in how.loras
            ]
        },
        text_loras=[
            {"folder": path.name, "sha256": file_hash(path / "adapter_model.safetensors")}
            for path in settings.text_lora
        ],
        seconds=round(film.seconds, 3),
        loudness_lufs=measured[0] if measured else None,
        true_peak_dbtp=measured[1] if measured else None,
        took_seconds=course.seconds,
    )
    return write_atomic(places.beside("report.json"), json.dumps(values, indent=1, ensure_ascii=False))
