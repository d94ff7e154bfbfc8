"""What changed since a checkpoint is said by name and number, and a person at a terminal chooses."""

from __future__ import annotations

import io
import shutil
from itertools import islice

import pytest
from PIL import Image

from core import commands
from core.lora import kinds, resume
from core.lora.engine import fingerprint
from core.lora.train import train


class Terminal(io.StringIO):
    """A person's answer at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stopped(image_settings, picture_folder, tmp_path):
    """Makes settings on a folder of its own, whose run was stopped after two steps."""
    folder = tmp_path / "pictures"
    shutil.copytree(picture_folder, folder)
    running = train(image_settings(train_data_dir=folder))
    list(islice((p for p in running if p.loss is not None), 2))
    running.close()
    return lambda **changed: image_settings(train_data_dir=folder, **changed)


def test_settings_are_named_with_old_and_new(image_settings):
    old = fingerprint.fingerprint(image_settings(), {})
    new = fingerprint.fingerprint(image_settings(learning_rate=0.05, save_steps=7, flip=False), {})
    assert [str(one) for one in fingerprint.differences(old, new)] == [
        "flip: True → False",
        "learning_rate: 0.01 → 0.05",
    ]
    assert fingerprint.hindrances(old, new) == [] and fingerprint.differences(old, old) == []
    other = fingerprint.fingerprint(image_settings(target_modules=("to_q",)), {})
    assert fingerprint.hindrances(old, other) == ["target_modules"]
    velocity = fingerprint.fingerprint(image_settings(prediction="v_prediction", compile="on"), {})
    assert fingerprint.hindrances(old, velocity) == ["prediction"]
    assert (
        fingerprint.in_one_line(fingerprint.differences(old, velocity)) == "prediction: auto → v_prediction"
    )


def test_data_is_counted(stopped):
    folder = stopped().train_data_dir
    assert resume.waiting(stopped()).differs == [] and resume.waiting(stopped()).step == 2
    (folder / "0.png").unlink()
    picture = Image.open(folder / "1.png")
    picture.putpixel((0, 0), (9, 9, 9))
    picture.save(folder / "1.png")
    for name in ("new a.png", "new b.png"):
        Image.new("RGB", (90, 90), (1, 2, 3)).save(folder / name)
    rows = (folder / "metadata.csv").read_text().replace("inkwash, a bridge", "inkwash, two bridges")
    rows = rows.replace('0.png,"inkwash, a river"\n', "") + "new a.png,a\nnew b.png,b\n"
    (folder / "metadata.csv").write_text(rows)
    found = resume.waiting(stopped(epochs=9))
    assert fingerprint.in_one_line(found.differs) == (
        "epochs: 3 → 9; 2 pictures added; 1 pictures removed; 1 pictures changed; 1 captions changed"
    )
    assert found.hindered == []


def test_the_order_of_texts_counts(text_settings, text_file, tmp_path):
    lines = text_file.read_text().splitlines()
    swapped = tmp_path / "swapped.jsonl"
    swapped.write_text("\n".join([lines[1], lines[0], *lines[2:]]))
    old, new = (
        fingerprint.fingerprint(settings, kinds.of(settings).data_of(settings)) | {"train_data_path": ""}
        for settings in (text_settings(), text_settings(train_data_path=swapped))
    )
    assert [str(one) for one in fingerprint.differences(old, new)] == ["the texts stand in another order"]


def test_what_samples_and_metadata_alone_know_is_told_and_the_run_goes_on(stopped):
    chosen = stopped(sample_prompts=("a cat",), trigger="ink", private_metadata=True)
    said = "private_metadata: False → True; sample_prompts: [] → ['a cat']; trigger:  → ink"
    found = resume.waiting(chosen)
    assert found.alike and fingerprint.in_one_line(found.differs) == said
    lines = [p.text for p in train(chosen) if p.text]
    assert f"This changed since the checkpoint: {said}" in lines and "Continuing after step 2 of 9" in lines


@pytest.mark.parametrize(("answer", "resume"), [("c\n", "always"), ("a\n", "auto"), ("", "auto")])
def test_a_person_at_a_terminal_is_asked(answer, resume, stopped, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert commands._settled(stopped(learning_rate=0.05), yes=False).resume == resume
    said = capsys.readouterr()
    assert "learning_rate: 0.01 → 0.05" in said.err and "[c/a]" in said.err and said.out == ""


def test_nobody_is_asked_in_vain(stopped, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("c\n"))
    for settings, yes in (
        (stopped(), False),  # nothing changed
        (stopped(learning_rate=0.05), True),
        (stopped(trigger="ink", private_metadata=True), False),  # nothing else is learnt
        (stopped(learning_rate=0.05, resume="never"), False),
        (stopped(lora_rank=2), False),  # it can't go on
        (stopped(learning_rate=0.05, output_dir="elsewhere"), False),
    ):
        assert commands._settled(settings, yes) is settings
    monkeypatch.setattr("sys.stdin", io.StringIO("c\n"))
    assert commands._settled(stopped(learning_rate=0.05), False).resume == "auto"
    assert capsys.readouterr().err == ""
