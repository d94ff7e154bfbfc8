"""A person's way through a storyboard in a real browser: written, changed scene by scene, filmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

from core.lora.estimate import timings
from core.messages import Mistake
from core.settings.video import ComposeSettings
from core.video import compose, timing
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard
from core.video.storyboard.draft import Draft
from tabs.compose import craft, lora_box, source, storyboard
from tabs.compose import scene as editor
from tabs.jobs import queue
from tabs.shell.wiring import Page as Asking
from tests.tabs.test_window import ended, set_number, turn_to


@pytest.fixture
def draft(studio) -> Draft:
    folder = studio.project.new_video("rain")
    scenes = [Scene(say="It rains. Nobody minds.", draw="a boat"), Scene(say="Tea."), Scene(say="Home.")]
    file.write(Storyboard(topic="rain", scenes=scenes), folder / "storyboard.yaml")
    return Draft(folder)


def asked(studio, draft: Draft, scene: str = "s1") -> tuple:
    return Asking("en"), studio.project.name, str(draft.folder), scene


def test_a_field_that_is_left_is_kept_alone(studio, draft: Draft) -> None:
    editor.keep(studio, "say", *asked(studio, draft), "It pours.")
    draft.change(lambda board: edit.changed(board, "s1", draw="from another page"))
    editor.keep(studio, "motion", *asked(studio, draft), "push")
    one = draft.read().scenes[0]
    assert (one.say, one.draw, one.motion) == ("It pours.", "from another page", "push")


def test_scenes_are_ordered_by_buttons(studio, draft: Draft) -> None:
    for name, ids, chosen in (
        ("later", ["s2", "s1", "s3"], "s1"),
        ("split", ["s2", "s1", "s4", "s3"], "s4"),
        ("remove", ["s2", "s4", "s3"], "s4"),
    ):
        *_, now = editor.order(studio, name, *asked(studio, draft))
        assert ([scene.id for scene in draft.read().scenes], now) == (ids, chosen)


def test_settings_of_the_film_are_kept_in_it(studio, draft: Draft) -> None:
    here = asked(studio, draft)[:3]
    for name, value in {"size": "16:9", "fps": 24, "pause": 1.5, "topic": "Regen", "captions": False}.items():
        storyboard.keep(studio, name, *here, value)
    storyboard.keep_loras(studio, *here, ["/a b/ink.safetensors"], 0.8)
    board = draft.read()
    assert board.film.lora == ("/a b/ink.safetensors:0.8",)
    assert lora_box.loras_of(board.film.lora) == (["/a b/ink.safetensors"], 0.8)
    assert (board.film.width, board.film.height, board.film.fps, board.film.captions) == (
        1920,
        1080,
        24,
        False,
    )
    assert (board.pause, board.topic) == (1.5, "Regen")


def test_ones_own_photo_is_taken_in_without_its_place(studio, draft: Draft, tmp_path: Path) -> None:
    photo = tmp_path / "my photo.jpg"
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "a camera", 6
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (80, 40), "teal").save(photo, exif=exif)
    editor.take_in(studio, *asked(studio, draft), str(photo))
    kept = draft.read().scenes[0].picture
    assert kept is not None and kept.parent == draft.folder / "material"
    with Image.open(kept) as image:
        assert image.size == (40, 80) and not image.getexif()


def test_a_wrong_file_or_lora_is_one_sentence_and_changes_nothing(studio, draft, tmp_path) -> None:
    before = draft.read()
    photo = tmp_path / "photo.jpg"
    photo.write_text("no picture")
    with pytest.raises(Mistake, match=r"^photo\.jpg"):
        editor.take_in(studio, *asked(studio, draft), str(photo))
    lora = studio.project.loras() / "other.safetensors"
    keys = ("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight")
    save_file({key: torch.zeros(4, 4) for key in keys}, lora)
    for keep in (
        lambda: editor.keep_loras(studio, *asked(studio, draft), [str(lora)], 1.0),
        lambda: storyboard.keep_loras(studio, *asked(studio, draft)[:3], [str(lora)], 1.0),
    ):
        with pytest.raises(Mistake, match=r"^other\.safetensors"):
            keep()
    with pytest.raises(Mistake, match="The weight is 5"):
        editor.keep_loras(studio, *asked(studio, draft), ["x.safetensors"], 5)
    for name, value in {"seconds": 700, "strength": 2, "cut": (0.5, 0.5, 0)}.items():
        with pytest.raises(Mistake, match=f"{name}.*scene 1|scene 1.*{name}"):
            editor.keep(studio, name, *asked(studio, draft), value)
    for name, value in {"pause": 11, "fps": 900, "topic": "x" * 301}.items():
        with pytest.raises(Mistake, match=f"{name} in the storyboard"):
            storyboard.keep(studio, name, *asked(studio, draft)[:3], value)
    assert draft.read() == before


def test_the_time_told_is_that_of_the_film_as_it_would_be_begun(studio, draft: Draft, tmp_path) -> None:
    """Own words and a storyboard have as many scenes as they have, and a storyboard is written already."""
    words = tmp_path / "words.txt"
    words.write_text("\n\n".join(f"Boat {number} comes home." for number in range(12)))
    own, board = ComposeSettings(script=words), ComposeSettings(storyboard=draft.file)
    for settings in (own, board, ComposeSettings(topic="a boat")):
        keys = timing._keys(compose.begun(settings)[1])
        timings.keep({key: 0.0 for key in keys.values()} | {keys["script"]: 100.0, keys["frames"]: 60.0})
    said = [str(queue.film_time(lambda folder, one=one: one)) for one in (own, board)]
    assert ["32 min" in said[0], "3 min" in said[1]] == [True, True], said
    assert "drop a file" not in str(queue.film_time(lambda folder: ComposeSettings(script=folder / "none")))


def test_a_film_of_another_project_is_out_of_reach(studio, draft: Draft) -> None:
    other = studio.home.project("other")
    said = storyboard.shown(studio, Asking("en"), other.name, str(draft.folder))
    assert said[0] == [] and "no storyboard" in said[1]


def test_how_a_film_is_dressed_is_kept_and_may_be_left_to_its_style_again(studio, draft, tmp_path) -> None:
    here, tune = asked(studio, draft)[:3], tmp_path / "my tune: 曲.WAV"
    soundfile.write(str(tune.with_suffix(".wav")), np.zeros(48_000), 48_000)
    for name, value in {"caption_look": "pop", "music_volume": "0.4", "on_beat": "yes"}.items():
        storyboard.keep(studio, name, *here, value)
    storyboard.keep(studio, "music_file", *here, str(tune.with_suffix(".wav")))
    film = draft.read().film
    assert (film.caption_look, film.music_volume, film.on_beat) == ("pop", 0.4, True)
    assert film.music_file is not None and film.music_file.parent == draft.folder / "material"
    held = {name: craft.held(film, name) for name in craft.NAMES}
    assert (held["on_beat"], held["caption_look"], held["caption_size"]) == ("yes", "pop", None)
    assert held["music_file"] == str(film.music_file)
    with pytest.raises(Mistake, match=r"music_volume .* must be a number from 0 to 1"):
        storyboard.keep(studio, "music_volume", *here, "loud")
    for name in ("caption_look", "music_volume", "on_beat", "music_file"):
        storyboard.keep(studio, name, *here, None if name == "music_file" else "")
    film = draft.read().film
    assert (film.caption_look, film.music_volume, film.on_beat, film.music_file) == (None, None, None, None)


def test_a_picture_for_the_end_card_becomes_the_films_own_and_a_clip_is_none(studio, draft, tmp_path) -> None:
    here, logo = asked(studio, draft)[:3], tmp_path / "my logo: 标.png"
    Image.new("RGB", (96, 64), (200, 30, 30)).save(logo)
    storyboard.keep(studio, "end_picture", *here, str(logo))
    film = draft.read().film
    assert film.end_picture is not None and film.end_picture.parent == draft.folder / "material"
    assert craft.held(film, "end_picture") == str(film.end_picture)
    (tmp_path / "clip.mp4").write_bytes(b"no picture")
    with pytest.raises(Mistake, match=r"clip\.mp4"):
        storyboard.keep(studio, "end_picture", *here, str(tmp_path / "clip.mp4"))
    for name, value in {"title_shown": "card", "title_words": "河 🌊", "end_card": "yes"}.items():
        storyboard.keep(studio, name, *here, value)
    film = draft.read().film
    assert (film.title_shown, film.title_words, film.end_card) == ("card", "河 🌊", True)
    note = storyboard.shown(studio, Asking("en"), *asked(studio, draft)[1:3])[1]
    storyboard.keep(studio, "end_card", *here, "no")
    assert note != storyboard.shown(studio, Asking("en"), *asked(studio, draft)[1:3])[1], "a shorter film"


def test_the_captions_picture_is_drawn_while_its_fold_is_open_alone(studio, draft) -> None:
    here = asked(studio, draft)[:3]
    assert "value" not in str(craft.seen(studio, *here, "s1", ""))
    assert craft.seen(studio, *here, "s1", "yes").shape[2] == 3


def test_ones_own_words_are_put_into_the_films_folder(tmp_path: Path) -> None:
    text = "Fog first.\n\nThen the boat. 然后是船。"
    assert source.title("a topic", source.SCRIPT, text, None) == "Fog first."
    assert source.title("a topic", source.TOPIC, text, None) == "a topic"
    given = source.put(tmp_path, source.SCRIPT, text, None)
    assert given == {"script": tmp_path / "script.txt"} and given["script"].read_text("utf-8") == text
    sheet = tmp_path / "my tea.CSV"
    sheet.write_text("name,price\ntea,3\n")
    given = source.put(tmp_path / "film", source.PRODUCT, "", str(sheet))
    assert given == {"product": tmp_path / "film" / "product.csv"}
    assert source.put(tmp_path, source.TOPIC, text, None) == {}
    with pytest.raises(Mistake, match="drop a file"):
        source.title("a topic", source.SCRIPT, " ", None)


def test_a_storyboard_is_written_changed_and_filmed(page: Page, served) -> None:
    turn_to(page, "compose")
    expect(page.locator("#topic textarea")).not_to_have_value("", timeout=60_000)  # on a busy machine
    page.locator("#details-compose button").first.click()
    set_number(page, "compose", "Frame rate", "5")
    set_number(page, "compose", "Scenes", "2")
    page.locator("#start-script").click()
    ended(page, "script")
    expect(page.locator("#scenes img")).to_have_count(2)
    expect(page.locator("#board-note")).to_contain_text("pictures to be drawn: 2")
    [folder] = served.studio.project.films()
    draft = Draft(folder)
    plain = folder / "plain.yaml"  # a style's own LoRA has no place in the tiny base
    plain.write_text("name: plain\ntitle: {en: Plain}\nabout: {en: x}\n")
    draft.change(lambda board: edit.filmed(board, style=str(plain)))
    page.locator("#scenes .thumbnail-lg, #scenes .gallery-item button").nth(1).click()
    expect(page.locator("#scene-title")).to_contain_text("Scene 2 of 2")
    page.locator("#scene-say textarea").fill("Nobody hurries today.")
    page.locator("#scene-draw textarea").fill("a red boat")
    expect(page.locator("#undo")).to_be_enabled()  # the words are kept, and what is being typed stays
    expect(page.locator("#scene-draw textarea")).to_have_value("a red boat")
    page.locator("#scene-draw textarea").press("Tab")
    expect(page.locator("#scenes img")).to_have_count(2)
    page.locator("#draw-all").click()
    ended(page, "scene")
    expect(page.locator("#board-note")).not_to_contain_text("to be drawn")
    second = draft.read().scenes[1]
    assert (second.say, second.draw) == ("Nobody hurries today.", "a red boat")
    page.locator("#redraw").click()
    expect(page.locator("#offers img")).to_have_count(4)
    page.locator("#offers .thumbnail-lg, #offers .gallery-item button").nth(2).click()
    expect(page.locator("#scenes img")).to_have_count(2)
    page.wait_for_timeout(500)
    ended(page, "scene")
    chosen = draft.read().scenes[1]
    assert chosen.takes == 1 and chosen.seed is not None
    page.locator("#undo").click()
    expect(page.locator("#redo")).to_be_enabled()
    assert draft.read().scenes[1].seed is None
    page.locator("#film-board").click()
    ended(page, "compose")
    expect(page.locator("#video video")).to_be_visible()
    assert (folder / "video.mp4").is_file() and page.problems == []
