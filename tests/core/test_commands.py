"""The command line as a person meets it: statuses, sentences, Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import commands, terminal
from core.messages import Mistake
from core.progress import Progress
from core.settings.data import LabelSettings, TextsSettings, TopicsSettings
from core.settings.lora_jobs import ChatSettings
from core.settings.video import ComposeSettings, WriteSettings
from core.terminal import plain

ROOT = Path(__file__).resolve().parent.parent.parent


def studio(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "studio.py"), *map(str, arguments)]
    environment = {**os.environ, "STUDIO_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)


def pictures(folder: Path, count: int = 6) -> Path:
    """Noise pictures, captioned by hand."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"小 船 {number}.png")
    captions = "".join(f"小 船 {number}.png,a boat on a river\n" for number in range(count))
    (folder / "metadata.csv").write_text(f"file_name,text\n{captions}", encoding="utf-8")
    return folder


def test_options_come_from_the_settings() -> None:
    arguments = ["compose", "--topic", "rain", "--lora", "a.safetensors:0.5", "--lora", "b.safetensors",
                 "--seed", "7", "--music", "none", "--on-beat"]  # fmt: skip
    options = commands.parser(lambda _: 0).parse_args(arguments)
    chosen = commands.from_options(ComposeSettings, options)
    assert (
        chosen.lora == ("a.safetensors:0.5", "b.safetensors") and chosen.seed == 7 and chosen.music == "none"
    )
    assert chosen.style == "ink-wash" and chosen.on_beat is True


def test_every_setting_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    for command, cls, given in (
        ("label", LabelSettings, {"pictures"}),
        ("texts", TextsSettings, {"texts"}),
        ("topics", TopicsSettings, {"texts"}),
        ("chat", ChatSettings, {"lora", "topic"}),
        ("write", WriteSettings, set()),
        ("compose", ComposeSettings, set()),
    ):
        with pytest.raises(SystemExit):
            commands.parser(lambda _: 0).parse_args([command, "--help"])
        shown = capsys.readouterr().out
        names = cls.model_fields.keys() - given
        assert [name for name in names if f"--{name.replace('_', '-')}" not in shown] == []


def test_alone_it_opens_the_window() -> None:
    opened: list[argparse.Namespace] = []
    assert commands.run(["--port", "7999"], lambda options: opened.append(options) or 0) == 0
    assert opened[0].port == 7999 and opened[0].host == "127.0.0.1" and not opened[0].share


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["label", "empty"], "no pictures"),
        (["label", "missing"], "missing"),
        (["train", "--config", "missing.yaml"], "no file missing.yaml"),
        (["train", "--config", "unknown.yaml"], "did you mean lora_rank?"),
        (["train", "--config", "lost.yaml"], "nowhere"),
        (["compose", "--topic", ""], "topic is empty"),
        (["compose", "--topic", "x" * 5000], "5000 characters"),
        (["compose", "--topic", "宁静的水乡早晨"], "Chinese"),
        (["write", "--topic", "宁静的水乡早晨"], "Chinese"),
        (["compose", "--topic", "rain", "--style", "oil"], "ink-wash"),
        (
            ["compose", "--topic", "rain", "--scenes", "0"],
            "scenes in the command line is 0; it must be a whole number from 1 to 20",
        ),
    ],
)
def test_bad_input_is_status_2_and_one_sentence(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "unknown.yaml").write_text("lora_ranks: 8")
    (tmp_path / "lost.yaml").write_text("train_data_dir: nowhere")
    status = terminal.run(lambda: commands.run(arguments, lambda _: 0))
    shown = capsys.readouterr()
    assert status == 2 and shown.out == ""
    sentences = [line for line in shown.err.splitlines() if line.startswith("studio:")]
    assert len(sentences) == 1 and said in sentences[0] and "Traceback" not in shown.err


def test_the_process_prints_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "no such folder"
    done = studio("label", folder, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1] == f"studio: There is no folder {folder}; check the name."


@pytest.mark.skipif(os.name == "nt", reason="/dev/full and pipes of POSIX")
def test_an_output_that_cant_be_written_leaves_no_traceback(tmp_path: Path) -> None:
    past = tmp_path / "past.txt"
    past.write_text("\n\n".join(f"Line {number} is up before anybody asks it." for number in range(9)))
    command = [sys.executable, str(ROOT / "studio.py"), "texts", str(past), "--home", str(tmp_path)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.startswith("studio: There is no room left on the disk")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_job_is_shown_and_its_result_returned(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Progress("Training", 1, 2, loss=0.5), Progress("Training", 2, 2, text="sample"),
             Progress("Done", result=Path("made"))]  # fmt: skip
    assert terminal.show(iter(steps)) == Path("made")
    shown = capsys.readouterr().err
    assert "Training" in shown and "2/2" in shown and "  sample" in shown


def test_a_files_name_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J\x9b1m\nstudio: all done"

    def wrong() -> int:
        raise Mistake("{name} is no picture.", name=name)

    terminal.show(iter([Progress("Labelling", text=name)]))
    assert terminal.run(wrong) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown and "\x9b" not in shown
    assert [line[:9] for line in shown.splitlines() if "all done" in line] == ["  studio:", "studio: \ufffd"]


def test_statuses() -> None:
    def wrong() -> int:
        raise Mistake("x")

    def stopped() -> int:
        raise KeyboardInterrupt

    assert (terminal.run(lambda: 0), terminal.run(wrong), terminal.run(stopped)) == (0, 2, 130)
    assert commands.promised(Path("/nowhere/video.mp4")) == 1
    assert [terminal.clock(s) for s in (5, 65, 3665)] == ["0:05", "1:05", "1:01:05"]


def interrupted(arguments: list[str], after: str, home: Path) -> tuple[int, str]:
    """Starts a command, sends it Ctrl-C once `after` stands in its output; its status and output."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "studio.py"), *arguments],
        cwd=home, env={**os.environ, "STUDIO_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout
    seen, sent, end = b"", False, time.monotonic() + 300
    os.set_blocking(process.stdout.fileno(), False)
    while process.poll() is None and time.monotonic() < end:
        seen += process.stdout.read() or b""
        if not sent and after.encode() in seen:
            process.send_signal(signal.SIGINT)
            sent = True
        time.sleep(0.02)
    process.kill()
    seen += process.stdout.read() or b""
    assert sent, seen.decode(errors="replace")
    return process.returncode, seen.decode(errors="replace")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent with SIGINT")
@pytest.mark.parametrize("step", ["label", "image", "text", "compose", "demo"])
def test_ctrl_c_ends_a_step_cleanly(step: str, tmp_path: Path, tiny_base: Path, tiny_llm: Path) -> None:
    pictures(tmp_path / "in", 200 if step == "label" else 6)
    lines = (
        (ROOT / "assets" / "sample" / "texts" / "narration.jsonl").read_text(encoding="utf-8").splitlines()
    )
    (tmp_path / "lines.jsonl").write_text("\n".join(lines[:60]), encoding="utf-8")
    if step == "label":
        (tmp_path / "in" / "metadata.csv").unlink()
    (tmp_path / "image.yaml").write_text(
        f"train_data_dir: in\nbase_model: '{tiny_base}'\nepochs: 9000\noutput_dir: out\nprecision: fp32"
    )
    (tmp_path / "text.yaml").write_text(
        f"kind: text\ntrain_data_path: lines.jsonl\nbase_model: '{tiny_llm}'\nepochs: 9000\noutput_dir: out\n"
        "precision: fp32"
    )
    arguments, after = {
        "label": (["label", "in", "--trigger", "river"], "Labelling"),
        "image": (["train", "--config", "image.yaml"], "s a step,"),
        "text": (["train", "--config", "text.yaml"], "s a step,"),
        "compose": (["compose", "--topic", "a quiet river", "--image-base", str(tiny_base), "--text-base",
                     str(tiny_llm), "--output", "v.mp4"], "Writing"),
        "demo": (["demo"], "Labelling"),
    }[step]  # fmt: skip
    status, shown = interrupted(arguments, after, tmp_path)
    assert status == 130 and "Traceback" not in shown, shown
    assert not (tmp_path / "v.mp4").exists()
    assert not [path for path in tmp_path.rglob("*.part*") if path.is_file()]
    if step in ("image", "text"):
        assert list((tmp_path / "out").rglob("*.safetensors")), "the checkpoint was not saved"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent with SIGINT")
def test_ctrl_c_in_the_last_samples_keeps_the_result(tmp_path: Path, tiny_base: Path) -> None:
    """The base draws in so many steps that it is still at it."""
    base = tmp_path / "slow base"
    shutil.copytree(tiny_base, base)
    said = json.loads((base / "studio.json").read_text())
    (base / "studio.json").write_text(json.dumps(said | {"steps": 100}))
    pictures(tmp_path / "in")
    (tmp_path / "a.yaml").write_text(
        f"train_data_dir: in\nbase_model: '{base}'\nmax_steps: 2\noutput_dir: out\nprecision: fp32"
    )
    status, shown = interrupted(["train", "--config", "a.yaml"], "Drawing samples", tmp_path)
    assert status == 0 and "Traceback" not in shown, shown
    path = tmp_path / shown.strip().splitlines()[-1]
    assert path.is_file() and path.with_suffix(".yaml").is_file() and path.suffix == ".safetensors"
    assert not list((tmp_path / "out").glob("samples/*")), "it had drawn them before"


def test_ctrl_c_after_the_result_gives_it_and_before_it_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def job(result: Path | None) -> Iterator[Progress]:
        yield Progress("Drawing samples", 1, 9, result=result)
        raise KeyboardInterrupt

    assert terminal.show(job(Path("made"))) == Path("made")
    assert "the result was finished before" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        terminal.show(job(None))


def test_texts_are_told_about_and_made_into_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past, made, config = tmp_path / "past 文.txt", tmp_path / "set" / "train.jsonl", tmp_path / "a.yaml"
    things = ("river", "heron", "kettle", "baker", "ferry", "bridge", "lantern", "swallow")
    past.write_text("\n\n".join(f"The {thing} is up before anybody asks it." for thing in things))

    def asked(*arguments: object) -> list[str]:
        assert commands.run(list(map(str, arguments)), lambda _: 1) == 0
        return capsys.readouterr().out.splitlines()

    assert asked("texts", past)[0] == "8 texts, 1 of them held out to judge by (12 %)"
    assert asked("texts", past, "--output", made, "--seconds", 8)[-1] == str(made)
    config.write_text(f"kind: text\ntask: talk\ntrain_data_path: {made}\nbase_model: no/model\n")
    said = asked("train", "--config", config, "--preflight")
    assert said[0].startswith("8 texts (1 held out) × 10 passes")
    worth = next(at for at, line in enumerate(said) if line.startswith("8 texts, 1 of them held out"))
    assert said[worth + 1].startswith("about ")


def test_topics_and_chat_on_the_command_line(
    tmp_path: Path, tiny_llm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    from core.lora.text import chat
    from core.lora.train import train
    from core.settings.training import TextTraining
    from core.texts import topics

    monkeypatch.setattr(topics, "DRAWN", 1)
    monkeypatch.setattr(topics, "TOKENS_A_WORD", 1)
    past, made = tmp_path / "past 文.txt", tmp_path / "set.jsonl"
    things = ("river", "heron", "kettle", "baker", "ferry", "bridge", "lantern", "swallow")
    past.write_text("\n\n".join(f"The {thing} is up before anybody asks it." for thing in things))
    asked = ["topics", str(past), "--base-model", str(tiny_llm), "--output", str(made)]
    assert commands.run(asked, lambda _: 1) == 0
    assert capsys.readouterr().out.splitlines() == [str(made)]
    assert made.read_text(encoding="utf-8").count("anybody asks it") == 8

    chosen = TextTraining(
        base_model=str(tiny_llm), train_data_path=made, epochs=1, precision="fp32", output_dir=tmp_path / "v"
    )
    lora = list(train(chosen))[-1].result
    stream = chat.Chat.answers  # the window's way, which gives the same words
    base, voice = list(stream(chat.Chat(), lora, "a boat", 7, lambda work: work()))[-1]
    capsys.readouterr()
    assert commands.run(["chat", str(lora), "a boat", "--seed", "7"], lambda _: 1) == 0
    base, voice = plain(base), plain(voice)
    assert capsys.readouterr().out == f"{tiny_llm}:\n{base}\n\n{lora.name}:\n{voice}\n\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("a boat\ntea\n\nnever\n"))
    assert commands.run(["chat", str(lora), "--seed", "7"], lambda _: 1) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tiny_llm}:\n{base}\n\n") and said.count(f"{lora.name}:\n") == 2
    with pytest.raises(Mistake, match="is not a text LoRA"):
        commands.run(["chat", str(tmp_path), "a boat"], lambda _: 1)
