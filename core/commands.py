"""The command line: parses it, builds settings from it, runs the job, prints the result's path last.

The options of a command with settings of its own are made from their fields: a field added there is an option
here. The window is not known here; studio.py passes the function that opens it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core import terminal
from core.progress import Job
from core.project import ROOT, Home, at_home, unused
from core.settings import base, lora_jobs, presets, reading, training
from core.settings.data import LabelSettings, TextsSettings, TopicsSettings
from core.settings.fields import kinds_of
from core.settings.getting import GetSettings
from core.settings.lora_jobs import (
    ChatSettings,
    ExportSettings,
    MergeSettings,
    ProofSettings,
    Proving,
    TextProofSettings,
)
from core.settings.post import PostSettings
from core.settings.video import ComposeSettings, SceneSettings, WriteSettings

Command = Callable[[argparse.Namespace], int]
AddCommand = Callable[[str, Command, str], argparse.ArgumentParser]  # by its name, function and help


def run(arguments: list[str], window: Command) -> int:
    """Parses the arguments and runs the command; returns its exit status."""
    options = parser(window).parse_args(arguments)
    if options.home:
        os.environ["STUDIO_HOME"] = str(at_home(options.home).resolve())
    return options.command(options)


def parser(window: Command) -> argparse.ArgumentParser:
    """The whole command line; each subcommand's function stands in `command`."""
    main = argparse.ArgumentParser(prog="studio.py", description="Your look and your voice, as short videos.")
    main.set_defaults(command=window)
    _add_window_options(main)
    subcommands = main.add_subparsers(title="commands", metavar="")

    def add(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        sub = subcommands.add_parser(name, help=about, description=about)
        sub.add_argument("--home", default=argparse.SUPPRESS, help="folder of projects and models")
        sub.set_defaults(command=command)
        return sub

    demo = add("demo", run_demo, "label, train both LoRAs and make a video from the sample project")
    demo.add_argument("--topic", default="a quiet morning in a river town", help="what the video is about")
    demo.add_argument("--seed", type=int, default=42, help="seed of every random choice")
    _add_data_commands(add)
    _add_lora_commands(add)
    _add_video_commands(add)
    get = add("get", run_get, "fetch a model that the studio can use but doesn't bring")
    get.add_argument("what", metavar="writer", help="writer: the better language model, 1.1 GB")
    add("doctor", run_doctor, "machine, versions, models, and what is missing")
    test = add("test", run_tests, "linters, type checks and tests")
    test.add_argument("--real", action="store_true", help="fetch real models (5 GB) and run their tests")
    test.add_argument("pytest", nargs=argparse.REMAINDER, help="arguments for pytest; then only pytest runs")
    return main


def _add_window_options(main: argparse.ArgumentParser) -> None:
    main.add_argument("--host", default="127.0.0.1", help="address the window listens on")
    main.add_argument("--port", type=int, default=7860, help="port of the window; the next free one if taken")
    main.add_argument("--share", action="store_true", help="a link for a collaborator, behind a password")
    main.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name of a proxy or a rented machine, *.NAME for all below it; behind a password",
    )
    main.add_argument(
        "--root-path",
        default="",
        metavar="/PATH",
        help="path at which a proxy serves the window, or its whole address; behind a password",
    )
    main.add_argument("--no-browser", action="store_true", help="do not open the browser")
    main.add_argument("--home", default="", help="folder of projects and models; default: ./studio-home")


def _add_data_commands(add: AddCommand) -> None:
    label = add("label", run_label, "tag a folder of pictures and write metadata.csv")
    label.add_argument("pictures", metavar="DIR", help="folder of pictures")
    add_fields(label, LabelSettings, leave_out={"pictures"})
    texts = add("texts", run_texts, "clean past texts, say what is in them, and write train.jsonl")
    texts.add_argument("texts", metavar="PATH", help="file or folder of past texts")
    add_fields(texts, TextsSettings, leave_out={"texts"})
    topics = add("topics", run_topics, "find topics for texts that have none, by the language model")
    topics.add_argument("texts", metavar="PATH", help="file or folder of past texts")
    add_fields(topics, TopicsSettings, leave_out={"texts"})


def _add_lora_commands(add: AddCommand) -> None:
    train = add("train", run_train, "train an image or a text LoRA")
    train.add_argument("--config", type=at_home, required=True, help="YAML file of settings")
    train.add_argument("--preset", default="", help="a preset under presets/training that the file changes")
    train.add_argument(
        "--preflight",
        action="store_true",
        help="say what it takes (steps, time, memory, disk; of texts how many and how even), and end",
    )
    train.add_argument("--yes", action="store_true", help="ask nothing: changed settings start anew")
    train.add_argument("changes", nargs="*", metavar="key=value", help="settings that go before the file's")
    prove = add("prove", run_prove, "try a LoRA beside its base, score both, advise which to use how")
    prove.add_argument("lora", metavar="LORA", help="an image LoRA's file or a text LoRA's folder")
    add_fields(prove, Proving, leave_out={"lora"})
    for kind, cls in (("image", ProofSettings), ("text", TextProofSettings)):
        group = prove.add_argument_group(f"for {kind} LoRAs")
        add_fields(group, cls, leave_out=Proving.model_fields)
    merge = add("merge", run_merge, "write a text LoRA and its base as one full model")
    merge.add_argument("lora", metavar="DIR", help="the text LoRA: a PEFT folder")
    add_fields(merge, MergeSettings, leave_out={"lora"})
    export = add("export", run_export, "write an image LoRA in another program's format")
    export.add_argument("lora", metavar="LORA", help="an image LoRA's file, of any program")
    add_fields(export, ExportSettings, leave_out={"lora"})
    chat = add("chat", run_chat, "try a text LoRA: its base and it answer the same topics")
    chat.add_argument("lora", metavar="LORA", help="the text LoRA: a PEFT folder")
    chat.add_argument(
        "topic", nargs="?", default=argparse.SUPPRESS, help="what to ask for; default: typed lines"
    )
    add_fields(chat, ChatSettings, leave_out={"lora", "topic"})


def _add_video_commands(add: AddCommand) -> None:
    write = add("write", run_write, "write the script of a video: its scenes, and what is said in each")
    add_fields(write, WriteSettings)
    write.add_argument(
        "--output",
        type=at_home,
        metavar="FILE",
        help="storyboard to write, YAML; default: none, it is only shown",
    )
    compose = add("compose", run_compose, "make one video")
    add_fields(compose, ComposeSettings)
    post = add("post", run_post, "make a finished film ready to post: its cover, its text, a zip of it all")
    post.add_argument("video", metavar="FILE.mp4", help="the film, as compose left it")
    add_fields(post, PostSettings, leave_out={"video"})
    scene = add("scene", run_scene, "work on one scene of a storyboard: pictures, words, voice, a preview")
    add_fields(scene, SceneSettings)


def add_fields(
    target: argparse._ActionsContainer, cls: type[BaseModel], leave_out: Iterable[str] = ()
) -> None:
    """Adds an option for each field of a settings class; what isn't given keeps the field's default."""
    for name, field in cls.model_fields.items():
        if name in leave_out:
            continue
        about = field.description or ""
        if not field.is_required() and field.default not in ("", (), None):
            about += f" (default: {field.default})"
        extra: dict[str, Any] = {"help": about.replace("%", "%%"), "default": argparse.SUPPRESS}
        if bool in kinds_of(field):
            extra["action"] = argparse.BooleanOptionalAction
        else:
            extra["metavar"] = metavar(field.annotation)
            if typing.get_origin(field.annotation) is tuple:
                extra["action"] = "append"
        target.add_argument(f"--{name.replace('_', '-')}", required=field.is_required(), **extra)


def metavar(annotation: Any) -> str:
    """What stands for a value in the help: FILE, N, NUMBER or TEXT."""
    several = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is tuple
    kinds = typing.get_args(annotation) if several else (annotation,)
    return {Path: "FILE", int: "N", float: "NUMBER"}.get(kinds[0], "TEXT")


def from_options(cls: type[base.SettingsT], options: argparse.Namespace) -> base.SettingsT:
    """Settings of class `cls` from those options that were given."""
    values = {name: getattr(options, name) for name in cls.model_fields if hasattr(options, name)}
    return reading.make(cls, values, "the command line")


def promised(path: Path | None) -> int:
    """Prints a command's result; exit status 0 only where it exists."""
    if path is None or not path.exists():
        print("studio: the result is missing.", file=sys.stderr)
        return 1
    print(path)
    return 0


def run_label(options: argparse.Namespace) -> int:
    """`label`: tags a folder of pictures."""
    from core.images.label import label

    return promised(terminal.show(label(from_options(LabelSettings, options))))


def run_texts(options: argparse.Namespace) -> int:
    """`texts`: a report on past texts, and the set made of them where `--output` names it."""
    from core.texts.report import made

    said, written = made(from_options(TextsSettings, options))
    print("\n".join(map(str, said)))
    return promised(written) if written else 0


def run_topics(options: argparse.Namespace) -> int:
    """`topics`: texts with the topics that the language model found for those that had none."""
    from core.texts.topics import write_topics

    return promised(terminal.show(write_topics(from_options(TopicsSettings, options))))


def run_train(options: argparse.Namespace) -> int:
    """`train`: a LoRA from a YAML file; the preset goes under the file, the changes over it."""
    from core.lora.train import train

    values = reading.read_settings(options.config)
    if options.preset:
        values = {**reading.read_settings(presets.preset("training", options.preset)), **values}
    chosen = training.training({**values, **reading.parse_changes(options.changes)}, options.config)
    if options.preflight:
        from core.lora import preflight

        print("\n".join(map(str, preflight.report(chosen))))
        return 0
    return promised(terminal.show(train(_settled(chosen, options.yes))))


def _settled(chosen: training.Training, yes: bool) -> training.Training:
    """The settings, with what shall become of an unfinished run's checkpoint from which they differ.

    Asks only a person at a terminal; else, and with `yes`, the run starts anew and keeps the checkpoint.
    """
    from core.lora import resume
    from core.lora.engine import fingerprint

    if chosen.resume != "auto" or yes or not sys.stdin.isatty():
        return chosen
    found = resume.waiting(chosen)
    if found is None or found.alike or found.hindered:
        return chosen
    print(f"Since the checkpoint of step {found.step} this changed: {fingerprint.in_one_line(found.differs)}",
          file=sys.stderr)  # fmt: skip
    question = "Continue from it with the new settings (c), or start anew and keep it (a)? [c/a] "
    print(question, end="", file=sys.stderr, flush=True)
    if not sys.stdin.readline().strip().lower().startswith("c"):
        return chosen
    return chosen.model_copy(update={"resume": "always"})


def run_prove(options: argparse.Namespace) -> int:
    """`prove`: a page with what a LoRA makes, beside what its base makes, and the figures of both."""
    from core.lora.prove import prove

    names = {**ProofSettings.model_fields, **TextProofSettings.model_fields}
    values = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return promised(terminal.show(prove(lora_jobs.proving(values, "the command line"))))


def run_merge(options: argparse.Namespace) -> int:
    """`merge`: a full model of a text LoRA and its base."""
    from core.lora.adapters.merge import merge

    return promised(terminal.show(merge(from_options(MergeSettings, options))))


def run_export(options: argparse.Namespace) -> int:
    """`export`: an image LoRA in diffusers' or sd-scripts' format."""
    from core.lora.adapters.convert import export

    return promised(terminal.show(export(from_options(ExportSettings, options))))


def run_chat(options: argparse.Namespace) -> int:
    """`chat`: what base and LoRA say on a topic, or on each line that is typed."""
    from core.lora.text.chat import in_turn

    chosen = from_options(ChatSettings, options)
    topics = [chosen.topic] if chosen.topic.strip() else terminal.typed("Topic: ")
    for who, answer in in_turn(chosen, topics):
        terminal.speak(who, answer)
    return 0


def run_write(options: argparse.Namespace) -> int:
    """`write`: the script of a video, a line a scene, and its storyboard where `--output` names it."""
    from core.video.script.write import write
    from core.video.storyboard import file
    from core.video.storyboard.board import Storyboard

    boards: list[Storyboard] = []

    def job() -> Job:
        boards.append((yield from write(from_options(WriteSettings, options))))

    terminal.show(job())
    print(terminal.plain("\n".join(scene.say for scene in boards[0].scenes)))
    return promised(file.write(boards[0], unused(options.output))) if options.output else 0


def run_compose(options: argparse.Namespace) -> int:
    """`compose`: one video."""
    from core.video.compose import compose

    return promised(terminal.show(compose(from_options(ComposeSettings, options))))


def run_post(options: argparse.Namespace) -> int:
    """`post`: a finished film's zip, with what should be mended told before."""
    from core.video.posting import post

    return promised(terminal.show(post(from_options(PostSettings, options))))


def run_scene(options: argparse.Namespace) -> int:
    """`scene`: what is offered for a scene, beside its storyboard."""
    from core.video.scene import work

    return promised(terminal.show(work(from_options(SceneSettings, options))))


def run_demo(options: argparse.Namespace) -> int:
    """`demo`: the main job on the sample project, which no window may work on meanwhile."""
    from core.demo import demo

    home = Home.default()
    with home.opened():
        return promised(terminal.show(demo(home, options.topic, options.seed)))


def run_get(options: argparse.Namespace) -> int:
    """`get`: a model, fetched into the home's models."""
    from core.bases.fetching import get

    return promised(terminal.show(get(from_options(GetSettings, options))))


def run_doctor(options: argparse.Namespace) -> int:
    """`doctor`: what is here and what is missing; status 1 where the studio can't work."""
    from core.doctor import report

    lines, healthy = report(Home.default())
    print("\n".join(lines))
    return 0 if healthy else 1


def run_tests(options: argparse.Namespace) -> int:
    """`test`: linters, types, tests; with arguments pytest alone. Stops at the first that fails.

    The tests run in as many processes as there are cores, one thread each; tiny models
    gain nothing by threads. Real ones do, and run one after the other.
    """
    python = [sys.executable, "-m"]
    processes = min(os.cpu_count() or 1, 8)
    commands = [
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
        [*python, "mypy", "studio.py", "core", "tabs", "assets/build"],
        [*python, "pytest", "--numprocesses", str(processes), "--dist", "loadfile"],
    ]
    if options.real:
        commands = [
            [*python, "tests.real.models"],
            [*python, "pytest", "--real", "-s", *(options.pytest or ["tests/real"])],
        ]
    elif options.pytest:
        commands = [[*python, "pytest", *options.pytest]]
    for command in commands:
        print("$", " ".join(command[2:]), flush=True)
        threads = {} if options.real else {"OMP_NUM_THREADS": "1"}
        status = subprocess.run(command, cwd=ROOT, env={**threads, **os.environ}).returncode
        if status:
            return status
    return 0
