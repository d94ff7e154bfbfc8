"""A storyboard file opened in the window, and the one that is worked on downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import Page, expect

from core.video.storyboard import file
from tabs.compose import source
from tabs.shell.wiring import Page as Asking
from tests.tabs.test_window import turn_to

TEXT = """version: 2
topic: bees
film: {image_base: '/etc/passwd', text_base: 'http://203.0.113.9/v1'}
scenes:
- {say: Bees come back., draw: a bee, picture: pictures/boat.png}
- {say: They dance., draw: bees, picture: /etc/gone.png}
"""


@pytest.fixture
def dropped(tmp_path: Path) -> list[Path]:
    board, picture = tmp_path / "bees.yaml", tmp_path / "boat.png"
    board.write_text(TEXT)
    Image.new("RGB", (96, 96), "teal").save(picture)
    return [board, picture]


def test_it_becomes_a_film_of_the_project_with_the_models_that_are_here(studio, dropped) -> None:
    _, folder = source.take_board(studio, Asking("en"), studio.project.name, [str(one) for one in dropped])
    board = file.read(Path(folder) / "storyboard.yaml")
    assert (board.film.image_base, board.film.text_base) == ("embedded", "auto")
    assert board.scenes[0].picture == Path(folder) / "material" / "boat.png"
    assert board.scenes[1].picture == Path(folder) / "material" / "gone.png"
    with pytest.warns(UserWarning, match="Drop one storyboard"):
        freed, _ = source.take_board(studio, Asking("en"), studio.project.name, None)
    assert freed is None and len(studio.project.films()) == 1


def test_music_comes_along_by_its_name_alone(studio, tmp_path: Path) -> None:
    board, tune = tmp_path / "bees.yaml", tmp_path / "tune.wav"
    board.write_text("version: 2\nfilm: {music_file: /etc/tune.wav}\nscenes:\n- say: a\n")
    soundfile.write(str(tune), np.zeros(48_000), 48_000)
    for given, there in (([board, tune], True), ([board], False)):
        _, folder = source.take_board(studio, Asking("en"), studio.project.name, [str(one) for one in given])
        found = file.read(Path(folder) / "storyboard.yaml").film.music_file
        assert found is not None and found.is_relative_to(folder) and found.is_file() == there
        tune.unlink(missing_ok=True)
        for film in studio.project.films():
            shutil.rmtree(film)


def test_a_person_opens_one_mends_it_and_takes_it_home(page: Page, served, dropped, tmp_path) -> None:
    turn_to(page, "compose")
    page.locator("#source").get_by_label("Storyboard").check()
    expect(page.locator("#start-compose")).to_be_hidden()
    drop = page.locator("#open-board input[type=file]")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 2\nscenes:\n- say: a\n  seconds: long\n")
    drop.set_input_files([wrong])
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("seconds in wrong.yaml, line 4 is long")
    expect(page.locator("#board")).to_be_hidden()
    expect(drop).to_be_attached()  # the box is free again
    expect(page.locator("#open-board")).not_to_contain_text("wrong.yaml")
    drop.set_input_files(dropped)
    expect(page.locator("#scenes img")).to_have_count(2)
    expect(page.locator("#board-note")).to_contain_text("Scene 2: There is no picture gone.png")
    unseen = page.locator("#board").get_by_text("Textbox", exact=True).locator("visible=true")
    expect(unseen).to_have_count(0)
    page.locator("#scenes .thumbnail-lg, #scenes .gallery-item button").nth(1).click()
    expect(page.locator("#scene-title")).to_contain_text("Scene 2 of 2")
    page.locator("#scene-own button").first.click()
    page.locator("#drop-picture").click()
    expect(page.locator("#board-note")).not_to_contain_text("gone.png")
    with page.expect_download() as download:
        page.locator("#board-file").click()
    saved = tmp_path / "saved" / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "storyboard.yaml"
    [folder] = served.studio.project.films()
    assert (
        saved.read_bytes() == (folder / "storyboard.yaml").read_bytes()
        and b"gone.png" not in saved.read_bytes()
    )
    assert page.problems == []
