"""Composes one video from a topic: plans and writes the script, speaks, draws, renders, checks.

The order of events stands here, and what passes between the steps is plain data, so that each can be done
again by itself. What a step is stands in its own module.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from core import basemodels, device
from core.jobs import Clock, Progress, Sentence
from core.lora import formats
from core.lora.artist import Sampling, sampling
from core.project import file_hash, lineage, replacing, unused, write_atomic
from core.settings import ROOT, ComposeSettings, Style, load_style
from core.video import check, cover, frames, motion, music, script, sound, storyboard, voice
from core.video.captions import Captions, Look, Phrase, phrases, shifted, srt
from core.video.render import Film, aigc, render, shots_for
from core.video.storyboard import Storyboard
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


@dataclass
class Notes:
    """How long each step took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def done(self, step: str) -> None:
        """Notes the time since the step before."""
        now = time.monotonic()
        self.seconds[step], self._since = round(now - self._since, 2), now


def compose(settings: ComposeSettings) -> Iterator[Progress]:
    """Makes the video; the last report's `result` is its path. Nothing there already is overwritten.

    Raises Mistake for a topic, style, LoRA or base that can't be used, before anything is drawn.
    """
    style = load_style(settings.style)
    script.check_topic(settings.topic, settings.text_base, settings.voice)
    loras = chosen_loras(settings, style)
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
    places, notes = Places(unused(settings.output)), Notes()
    board = yield from write(settings)
    storyboard.save(board, places.beside("storyboard.yaml"))
    notes.done("script")
    speeches = yield from speak(board, settings, style)
    notes.done("voice")
    takes = yield from draw(board, how, style, places.beside("scenes"))
    notes.done("frames")
    pictures = yield from enlarged([take.picture for take in takes], settings, style)
    notes.done("upscaling")
    yield Progress("Mixing the sound")
    yield from (Progress("Mixing the sound", text=line) for line in unshown(board, settings, style))
    film, shown = assemble(board, speeches, pictures, settings, style)
    notes.done("sound")
    yield from render(film, places.video)
    notes.done("rendering")
    write_atomic(places.srt, srt(shown))
    save_picture(
        cover.cover(pictures[0], board.topic, look(style), settings.width, settings.height),
        places.beside("cover.png"),
    )
    wrong = check.problems(
        places.video, settings.width, settings.height, settings.fps, film.seconds, film.sound is not None
    )
    if wrong:
        places.video.unlink()
        raise RuntimeError(f"the finished video is not what was promised: {', '.join(wrong)}")
    measured = check.loudness(places.video) if film.sound is not None else None
    notes.done("check")
    write_report(places, settings, style, board, how, takes, film, measured, notes)
    yield Progress("Done", picture=places.beside("cover.png"), result=places.video)


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
    for scene in board.scenes:
        yield Progress("Speaking", scene.number - 1, len(board.scenes))
        made.append(
            voice.speak(scene.narration, settings.voice, style.voice_speed, style.voice_pitch, cache=cache)
        )
    return made


def draw(
    board: Storyboard, how: Sampling, style: Style, folder: Path
) -> Generator[Progress, None, list[frames.Take]]:
    """Draws every scene at the base's own size, into `folder` as well: 01.png, 02.png, …"""
    yield Progress("Loading the picture model")
    camera = frames.Camera(how)
    made: list[frames.Take] = []
    clock = Clock(len(board.scenes))
    yield from (Progress("Drawing", text=line) for line in camera.artist.unused)
    for scene, prompt in zip(board.scenes, prompts(board, how, style), strict=True):
        made.append(camera.take(prompt, scene.seed, {"object": scene.thing, "setting": scene.setting}))
        path = save_picture(made[-1].picture, folder / f"{scene.number:02}.png")
        left = clock.left(scene.number)
        yield Progress("Drawing", scene.number, len(board.scenes), picture=path, seconds_left=left)
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
    yield Progress("Enlarging", 0, len(drawn))
    for picture in frames.enlarge(drawn, *motion.cover_size(settings.width, settings.height, style.motion)):
        made.append(picture)
        yield Progress("Enlarging", len(made), len(drawn))
    return made


def assemble(
    board: Storyboard,
    speeches: Sequence[voice.Speech],
    pictures: Sequence[np.ndarray],
    settings: ComposeSettings,
    style: Style,
) -> tuple[Film, tuple[Phrase, ...]]:
    """Everything in its place and time: the film, and the phrases that its captions show."""
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
    notes: Notes,
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
        took_seconds=notes.seconds,
    )
    return write_atomic(places.beside("report.json"), json.dumps(values, indent=1, ensure_ascii=False))
