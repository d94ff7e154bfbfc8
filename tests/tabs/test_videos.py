"""A finished video's parts as Compose shows them."""

import pytest

from core.project import Home
from tabs.compose import storyboard, videos
from tabs.shell.wiring import Page, Studio


@pytest.fixture
def video(tmp_path):
    project = Home(tmp_path / "工作室").project("mine")
    folder = project.new_video("rain")
    (folder / "video.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    return project, folder / "video.mp4"


def test_a_video_that_was_made_again_is_told_apart(video):
    project, path = video
    other = path.with_name("video-2.mp4")
    other.write_bytes(b"film")
    other.with_name("video-2.cover.png").write_bytes(b"cover")
    assert {videos.title(one) for one in project.videos()} == {"rain", "rain (2)"}
    player, cover, *_ = videos.parts(Page("en"), project, str(other))
    assert (player, cover) == (other, other.with_name("video-2.cover.png"))
    assert videos.parts(Page("en"), project, "/etc/passwd")[0] is None


@pytest.mark.parametrize("text", ["", "[1]", "scenes: 7", "scenes: [a]", "scenes: {a: b}", "a: [", "seed: 1"])
def test_a_damaged_storyboard_is_told_and_hides_no_video(video, text):
    project, path = video
    path.with_name("storyboard.yaml").write_text(text)
    studio = Studio(Home(project.folder.parent.parent), project, None)
    cards, note, *_ = storyboard.shown(studio, Page("en"), project.name, str(path.parent))
    assert cards == [] and note.startswith("<p class='st-note'>") and "storyboard.yaml" in note
    assert videos.parts(Page("en"), project, str(path))[0] == path
