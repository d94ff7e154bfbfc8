"""The label job from pictures to metadata.csv: what it writes, keeps, sets aside, and saves when stopped."""

import contextlib
import os
import re
import shutil

import pytest

from core.bases import places
from core.images import label as label_module
from core.images.caption_table import history, write
from core.images.captions import read_captions
from core.images.label import Memory, label, memory_file, read_memory
from core.messages import Mistake
from core.settings.data import LabelSettings


@pytest.fixture
def folder(tmp_path, tiny_labeller, scenes, facts, monkeypatch):
    """24 scenes, one a fact, in a folder; the tiny labeller stands where the embedded one does."""
    monkeypatch.setattr(places, "MODELS", tiny_labeller.parent)
    place = tmp_path / "my 图 set"
    place.mkdir()
    for number, fact in enumerate(facts):
        scenes(*fact, seed=number + 50).resize((256, 256), 0).save(
            place / f"{number} {'鱼' * (number % 2)}.png"
        )
    return place


def run(folder, **changes):
    return list(label(LabelSettings(pictures=folder, trigger="inkwash", **changes)))


def captions(folder, path=None):
    return [image.caption for image in read_captions(folder, path).images]


def test_labels_a_folder(folder, facts):
    reports = run(folder)
    assert reports[-1].result == folder / "metadata.csv"
    assert [report.result for report in reports[:-1]] == [None] * (len(reports) - 1)
    steps = [report.step for report in reports if report.message == "Labelling"]
    assert steps == sorted(steps) and steps[-1] == 24
    assert any(report.seconds_left is not None for report in reports)
    made = captions(folder)
    assert made[0] == "inkwash, an apple by a river, by day"
    assert sum(fact[0] in text for fact, text in zip(facts, made, strict=True)) == 24
    assert read_captions(folder).problems == ()
    assert "0 .png: inkwash, an apple by a river, by day" in [report.text for report in reports]
    assert read_memory(folder / "metadata.csv").tags["0 .png"][0][:2] == ("apple", "object")


def test_hand_made_captions_stay_and_machine_made_ones_are_renewed(folder):
    run(folder)
    rows = {image.path.name: image.caption for image in read_captions(folder).images}
    rows["0 .png"] = "inkwash, my own apple"
    rows["2 .png"] = "no trigger here"
    rows["4 .png"] = ""
    write(folder / "metadata.csv", rows)
    list(label(LabelSettings(pictures=folder, trigger="brushed")))
    again = {image.path.name: image.caption for image in read_captions(folder).images}
    assert again["0 .png"] == "brushed, my own apple"
    assert again["2 .png"] == "brushed, no trigger here"
    assert again["4 .png"].startswith("brushed, an apple")
    assert all(text.startswith("brushed, ") and "inkwash" not in text for text in again.values())
    assert len(history(folder / "metadata.csv")) == 2


def test_caption_files_beside_pictures_count_as_hand_made(folder):
    (folder / "0 .txt").write_text("a still life by hand", encoding="utf-8")
    run(folder)
    assert captions(folder)[0] == "inkwash, a still life by hand"


@pytest.mark.parametrize("interrupted", [False, True])
def test_stopping_keeps_what_is_done(folder, interrupted):
    """By the Stop button, which closes the job, or by Ctrl-C, which interrupts it."""
    job = label(LabelSettings(pictures=folder))
    for report in job:
        if report.step == 8:
            break
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            job.throw(KeyboardInterrupt())
    else:
        job.close()
    found = read_captions(folder)
    assert len(found.images) == 8 and all(image.caption for image in found.images)
    run(folder)
    assert len(captions(folder)) == 24


def test_what_was_labelled_is_written_now_and_then(folder, monkeypatch):
    """A kill runs no `finally`; what is written on the way makes no versions of its own."""
    monkeypatch.setattr(label_module, "EVERY_S", 0.0)
    job = label(LabelSettings(pictures=folder, trigger="inkwash"))
    while next(job).step < 16:
        pass
    next(job)
    assert len([text for text in captions(folder) if text]) >= 16
    list(job)
    assert history(folder / "metadata.csv") == []
    run(folder)
    assert len(history(folder / "metadata.csv")) == 1


@pytest.mark.parametrize("before", range(4))
def test_captions_of_a_run_that_was_killed_at_any_of_its_writes_are_its_own(folder, monkeypatch, before):
    """So the next run writes them anew; killed twice there, too."""
    run(folder)
    replace = os.replace

    def killing(part, path):
        if not left:
            raise SystemExit
        left.pop()
        replace(part, path)

    for trigger in ("brushed", "washed"):
        left = [None] * before
        with monkeypatch.context() as patch, contextlib.suppress(SystemExit):
            patch.setattr(os, "replace", killing)
            list(label(LabelSettings(pictures=folder, trigger=trigger)))
    list(label(LabelSettings(pictures=folder, trigger="drawn")))
    assert all(re.fullmatch("drawn, an? .*", text) and "ed, " not in text for text in captions(folder))


def test_stopping_before_the_first_picture_writes_nothing(folder):
    job = label(LabelSettings(pictures=folder))
    next(job)
    job.close()
    assert not (folder / "metadata.csv").exists()


def test_bad_pictures_are_set_aside_and_faults_are_told(folder):
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "twin.jpg").write_bytes((folder / "0 .png").read_bytes())
    lines = [report.text for report in run(folder) if report.text]
    assert "empty.png is empty (0 bytes); copy it again from its source." in lines
    assert "text.png is not a picture that the studio knows; save it as PNG or JPEG." in lines
    assert "twin.jpg looks almost the same as 0 .png; keep one, or it counts twice." in lines
    assert len(captions(folder)) == 25


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX")
def test_a_name_that_is_no_text_does_not_fail_the_folder(folder):
    shutil.copy(folder / "0 .png", os.fsencode(folder) + b"/caf\xe9.png")
    lines = [report.text for report in run(folder) if report.text]
    assert (
        f"The name of {folder}/caf\ufffd.png can't be kept in a table of captions; "
        "rename the file with plain letters." in lines
    )
    assert len(captions(folder)) == 24


def test_an_endless_caption_is_not_logged_whole(folder):
    (folder / "0 .txt").write_text("boat " * 900)
    kept = next(report.text for report in run(folder) if report.text and report.text.endswith("(kept)"))
    assert len(kept) < 400 and len(captions(folder)[0]) == len("inkwash, ") + 900 * len("boat ") - 1


@pytest.mark.parametrize("words", [999, 2000])  # one over the limit by its trigger word alone
def test_a_caption_without_end_is_cut_and_stops_no_other(folder, words):
    (folder / "0 .txt").write_text("boat " * words)
    told = [report.text for report in run(folder) if report.text]
    made = captions(folder)
    assert made[0].startswith("inkwash, boat boat") and 4990 < len(made[0]) <= 5000
    assert len(made) == 24 and all(made)
    cut = "These captions are longer than 5000 characters and were cut there: 0 .txt."
    assert (cut in told) == (words == 2000)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "null", '{"trigger": 1}'])
def test_a_memory_that_is_none_is_forgotten(tmp_path, text):
    memory_file(tmp_path / "metadata.csv").write_text(text)
    assert read_memory(tmp_path / "metadata.csv") == Memory()


def test_output_elsewhere(folder, tmp_path):
    output = tmp_path / "out" / "list.csv"
    assert run(folder, output=output)[-1].result == output
    assert not (folder / "metadata.csv").exists()
    assert captions(folder, output)[0].startswith("inkwash, an apple")


def test_tags_and_threshold(folder):
    run(folder, tags=1, threshold=0.5)
    assert captions(folder)[0] == "inkwash, an apple" and captions(folder)[-1] == "inkwash, a whale"
    run(folder, threshold=1.0)
    assert captions(folder) == ["inkwash"] * 24


def test_mistakes(folder, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(Mistake, match="holds no pictures"):
        run(tmp_path / "none")
    with pytest.raises(Mistake, match="There is no folder"):
        run(tmp_path / "gone")
    with pytest.raises(Mistake, match=r"give the name of a \.csv file"):
        run(folder, output=tmp_path / "list.txt")
    (tmp_path / "none" / "a.png").touch()
    with pytest.raises(Mistake, match="None of the 1 files in"):
        run(tmp_path / "none")
    assert not (tmp_path / "none" / "metadata.csv").exists()
    (tmp_path / "file").touch()
    with pytest.raises(Mistake, match="can't be written"):
        run(folder, output=tmp_path / "file" / "list.csv")
