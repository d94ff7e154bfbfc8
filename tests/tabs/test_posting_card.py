"""What stands below a finished video: its findings with their buttons, its cover, its words, its zip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from core.messages import Sentence
from core.project import write_atomic
from core.settings.video import ComposeSettings, FilmSettings
from core.video.compose import compose
from core.video.post import finding
from core.video.post.finding import Action, Finding
from core.video.storyboard import file
from core.video.storyboard.board import Scene, Storyboard
from core.video.storyboard.draft import Draft
from tabs.compose import posting
from tabs.shell.wiring import Page
from tests.tabs.test_window import turn_to


def filmed(project) -> Path:
    """A film of two of one's own pictures, the second black."""
    folder = project.new_video("rain")
    scenes = []
    for name, colour in (("blue", "steelblue"), ("black", "black")):
        path = folder / "material" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (108, 192), colour).save(path)
        scenes.append(Scene(id=name, picture=path, seconds=2, say=f"It is {name}."))
    plain = folder / "plain.yaml"  # a style's own LoRA has no place in the tiny base
    plain.write_text("name: plain\ntitle: {en: Plain}\nabout: {en: x}\n")
    film = FilmSettings(style=str(plain), width=108, height=192, fps=10, voice="none", music="none")
    file.write(Storyboard(topic="rain", film=film, scenes=scenes), folder / "storyboard.yaml")
    settings = ComposeSettings(storyboard=folder / "storyboard.yaml", output=folder / "video.mp4")
    for _ in compose(settings):
        pass
    return folder / "video.mp4"


@pytest.fixture
def asked(studio) -> tuple:
    return studio, Page("en"), studio.project.name, str(filmed(studio.project))


def test_findings_are_shown_with_their_buttons_and_more_are_counted(asked) -> None:
    studio, page, project, path = asked
    card, said, *rows = posting.found(studio, page, project, path)
    assert card["visible"] and "Things to mend before it is posted: 3" in said
    assert "Scene 2: the picture is black" in rows[1] and rows[2]["value"] == "Open scene 2"
    assert [rows[3 * number]["visible"] for number in range(posting.MOST)] == [True] * 3 + [False] * 5
    report = Path(path).with_name("report.json")
    values = json.loads(report.read_text("utf-8"))
    many = [Finding(Sentence("Packing"), Action(Sentence("Lower the music")))] * 11
    for found, words in ((many, "11 things to mend"), ([], "nothing to mend"), (None, "not looked through")):
        values["findings"] = None if found is None else [finding.plain(one) for one in found]
        write_atomic(report, json.dumps(values))
        assert words in posting.found(studio, page, project, path)[1]
    assert posting.found(studio, page, project, "/etc/passwd")[0]["visible"] is False


def test_a_button_opens_the_scene_or_changes_the_storyboard(asked, monkeypatch) -> None:
    studio, page, project, path = asked
    monkeypatch.setattr(Page, "note", lambda *_, **__: None)
    folder = Path(path).parent
    before = Draft(folder).read()
    film, scene, _, turned, goal = posting.mend(studio, 0, page, project, path)
    assert (film, scene, goal.split()[0]) == (str(folder), "black", "scene-editor")
    assert Draft(folder).read() == before and not isinstance(turned, str)
    *_, goal = posting.mend(studio, 1, page, project, path)
    assert goal.split()[0] == "board" and Draft(folder).read().film.fps == 30
    assert Draft(folder).undo() == before


def test_the_words_shown_are_the_posts_and_what_is_too_long_is_told(asked) -> None:
    studio, page, project, path = asked
    scene, second, cover, title, text, tags, note, _ = posting.filled(studio, page, project, path)
    assert (scene["value"], second, cover, title) == ("blue", "", "", "Rain")
    assert text == "It is blue. It is black." and tags.startswith("#")
    _, note, _ = posting.keep(studio, "title", page, project, path, "x" * 150)
    assert "YouTube Shorts: the title has 150 signs" in note
    posting.keep(studio, "hashtags", page, project, path, "#a #b #c")
    assert Draft(Path(path).parent).read().post.hashtags == ("a", "b", "c")
    *_, picture, _ = posting.keep(studio, "cover_words", page, project, path, "-")
    assert len(Image.open(picture).convert("RGB").getcolors(100_000)) < 20


def test_a_chinese_window_asks_for_the_label_and_a_person_mends_and_packs(served, visit) -> None:
    filmed(served.studio.project)
    page = visit(locale="zh-CN")
    turn_to(page, "compose")
    page.locator("#details-compose button").first.click()
    label = page.locator("#details-compose label", has_text="AI").locator("input")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#details-compose input')].some(x => x.checked)"
    )
    assert label.first.is_checked()
    page.locator("#mend-0").click()
    page.wait_for_selector("#scene-editor")
    page.wait_for_function("() => document.getElementById('scene-editor').getBoundingClientRect().top < 400")
    assert "2" in page.locator("#scene-title").inner_text()
    page.locator("#post-pack").click()
    page.wait_for_selector("#post-zip")
    with page.expect_download() as given:
        page.locator("#post-zip").click()
    assert given.value.suggested_filename == "post.zip" and page.problems == []
    english = visit()
    turn_to(english, "compose")
    english.locator("#details-compose button").first.click()
    english.wait_for_timeout(500)
    assert (
        not english.locator("#details-compose label", has_text="AI label").locator("input").first.is_checked()
    )
