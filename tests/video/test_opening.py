"""A storyboard from elsewhere as a film of a project: what it finds here, and what it can't reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from core.messages import Mistake
from core.project import Home, Project
from core.settings.presets import preset_names
from core.video import opening, scene
from core.video.storyboard import file
from core.video.storyboard.board import Storyboard
from core.video.storyboard.draft import Draft

BASES = {"image_base": ("embedded", "/models/my-sdxl.safetensors"), "text_base": ("auto", "embedded")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Home(tmp_path / "工作室").project("mine")
    (made.loras() / "ink.safetensors").write_bytes(b"lora")
    (made.loras() / "tone").mkdir()
    (made.loras() / "tone" / "adapter_config.json").write_text("{}")
    return made


def dropped(tmp_path: Path, text: str, *pictures: str) -> list[Path]:
    """What a page sends: the storyboard and pictures, each in a folder of its own."""
    folder = tmp_path / "uploads" / "0"
    folder.mkdir(parents=True, exist_ok=True)
    board = folder / "my film.yaml"
    board.write_text(text, encoding="utf-8")
    files = [folder / name for name in pictures]
    for path in files:
        Image.new("RGB", (96, 80), "teal").save(path)
    return [board, *files]


def read(folder: Path) -> Storyboard:
    return file.read(folder / "storyboard.yaml")


def test_pictures_come_from_what_is_given_with_it(project: Project, tmp_path: Path) -> None:
    text = r"""
version: 2
topic: 茶
film: {style: ink-wash, image_base: 'D:\other\My-SDXL.safetensors', lora: ['/elsewhere/ink.safetensors:0.5']}
subjects: [{name: Mei, picture: people/mei 梅.png, lora: "C:\\loras\\INK.safetensors:1.5"}]
scenes:
- {say: One., picture: pictures/boat 1.png}
- {say: Two., picture: "C:\\films\\boat 1.png", text_lora: ../tone, subjects: [Mei], strength: 0.4}
"""
    folder, missing = opening.opened(dropped(tmp_path, text, "boat 1.png", "mei 梅.png"), project, BASES)
    board = read(folder)
    assert missing == [] and folder.parent == project.folder / "videos"
    assert [one.picture for one in board.scenes] == [folder / "material" / "boat-1.png"] * 2
    assert board.subjects[0].picture == folder / "material" / "mei-梅.png"
    assert {path.name for path in (folder / "material").iterdir()} == {"boat-1.png", "mei-梅.png"}
    ink = project.loras() / "ink.safetensors"
    assert (board.film.lora, board.subjects[0].lora) == ((f"{ink}:0.5",), f"{ink}:1.5")
    assert board.scenes[1].text_lora == project.loras() / "tone"
    assert board.film.image_base == "/models/my-sdxl.safetensors"
    assert (board.scenes[1].strength, board.scenes[1].subjects) == (0.4, ("Mei",))


def test_what_is_missing_is_told_and_the_other_scenes_are_there(project: Project, tmp_path: Path) -> None:
    text = "scenes: [{say: One., picture: boat.png}, {say: Two., lora: [gone.safetensors]}, {say: Three.}]"
    folder, missing = opening.opened(dropped(tmp_path, text), project, BASES)
    assert [str(one) for one in missing] == [
        "Not here: boat.png; drop them along with the storyboard, or choose each in its scene.",
        "This project has no LoRA gone.safetensors; choose others, or copy it into the project's loras.",
    ]
    draft = Draft(folder)
    seen = scene.seen(draft, draft.read())
    assert [one.scene.say for one in seen] == ["One.", "Two.", "Three."]
    assert [one.wrong and one.wrong.values["path"] for one in seen] == [
        folder / "material" / "boat.png", project.loras() / "gone.safetensors", None,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["{}", "file://{}", "../../../../../../../../../../{}", "~/../../{}"])
def test_it_is_no_way_into_the_machine(project: Project, tmp_path: Path, kind: str) -> None:
    """Pictures, LoRAs, styles and models elsewhere on the disk, or behind an address, are not touched."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (96, 96)).save(secret)
    style, lora, voice = tmp_path / "style.yaml", tmp_path / "lora.safetensors", tmp_path / "voice"
    style.write_text("name: x\ntitle: {en: x}\nabout: {en: x}\n")
    lora.write_bytes(b"lora")
    voice.mkdir()
    here = {
        name: kind.format(path)
        for name, path in {"picture": secret, "style": style, "lora": lora, "tone": voice}.items()
    }
    text = f"""
film: {{style: '{here["style"]}', image_base: '{here["tone"]}', lora: ['{here["lora"]}:1'],
  text_base: 'http://203.0.113.9/v1', text_lora: ['{here["tone"]}']}}
subjects: [{{name: a, picture: '{here["picture"]}', lora: '{here["lora"]}'}}]
scenes: [{{picture: '{here["picture"]}', lora: ['{here["lora"]}'], text_lora: '{here["tone"]}'}}]
"""
    folder, missing = opening.opened(dropped(tmp_path, text), project, BASES)
    board = read(folder)
    film, one, subject = board.film, board.scenes[0], board.subjects[0]
    assert (film.style, film.image_base, film.text_base) == (preset_names("styles")[0], "embedded", "auto")
    named = [one.picture, subject.picture, one.text_lora, *film.text_lora]
    named += [Path(spec.removesuffix(":1")) for spec in (*film.lora, *one.lora, subject.lora)]
    assert all(path is not None and path.is_relative_to(project.folder) for path in named), named
    assert not any(path.exists() for path in named if path) and len(missing) == 3
    assert not (folder / "material").exists()


@pytest.mark.parametrize("name", ["..", "../..", "/"])
def test_a_name_without_a_letter_is_none(project: Project, tmp_path: Path, name: str) -> None:
    with pytest.raises(Mistake, match="can't be used as a name"):
        opening.opened(dropped(tmp_path, f"scenes: [{{picture: '{name}'}}]"), project, BASES)


def test_pictures_of_the_projects_own_films_are_found_again(project: Project, tmp_path: Path) -> None:
    first, _ = opening.opened(dropped(tmp_path, "scenes: [{picture: a.png}]", "a.png"), project, BASES)
    text = (first / "storyboard.yaml").read_text(encoding="utf-8")
    assert "picture: material/a.png" in text
    second, missing = opening.opened(dropped(tmp_path, text), project, BASES)
    assert missing == [] and read(second).scenes[0].picture == second / "material" / "a.png"
    _, missing = opening.opened(dropped(tmp_path, text), project, BASES)
    assert "Not here: a.png" in str(missing[0]), "two films have one of that name, and nobody can tell which"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenes:\n- say: One.\n- {say: Two., seconds: long}", r"seconds in my film\.yaml, line 3 is long"),
        ("scenes:\n- say: One.\n  picturs: a.png", r"my film\.yaml, line 3 has an unknown setting picturs"),
        ("scenes: [", r"^my film\.yaml is not valid YAML at line"),
        ("topic: tea", r"^my film\.yaml.* lacks the setting scenes"),
        ("scenes: []", r"^my film\.yaml, line 1: the storyboard has no scenes"),
    ],
)
def test_an_error_names_line_and_field_and_makes_no_film(project, tmp_path, text, said) -> None:
    with pytest.raises(Mistake, match=said):
        opening.opened(dropped(tmp_path, text), project, BASES)
    assert project.films() == []


def test_a_wrong_drop_is_one_sentence(project: Project, tmp_path: Path) -> None:
    board, picture = dropped(tmp_path, "scenes: [{picture: a.png}]", "a.png")
    for files in ([], [picture], [board, board.with_name("b.yaml")]):
        with pytest.raises(Mistake, match="Drop one storyboard"):
            opening.opened(files, project, BASES)
    picture.write_text("no picture")
    with pytest.raises(Mistake, match=r"^a\.png"):
        opening.opened([board, picture], project, BASES)
    assert not list((project.folder / "videos").glob("*"))
