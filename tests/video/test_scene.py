"""One scene of a storyboard, by tiny real models: pictures and words to choose from, voice, a small film."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import commands, kept
from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora
from core.lora.image import few_steps, sampler
from core.messages import Mistake
from core.progress import outcome
from core.settings.style import load_style
from core.settings.video import FilmSettings, SceneSettings
from core.video import drawing, publish_check
from core.video.scene import offers, seen, work
from core.video.script.plan import plan
from core.video.storyboard import edit, file
from core.video.storyboard.board import Scene, Storyboard, Subject
from core.video.storyboard.draft import Draft


@pytest.fixture
def draft(tiny_base: Path, english_llm: Path, tmp_path: Path) -> Draft:
    style = tmp_path / "plain.yaml"  # no tone: the language model was taught none
    style.write_text("name: plain\ntitle: {en: Plain}\nabout: {en: x}\n")
    film = FilmSettings(
        style=str(style),
        image_base=str(tiny_base),
        text_base=str(english_llm),
        voice="none",
        width=108,
        height=192,
        fps=10,
    )
    topic = "a quiet morning in a river town"  # which the language model was taught
    about = [scene.about for scene in plan(topic, 4, 0)]
    scenes = [
        Scene(say="The boat leaves before the sun does.", draw="a boat on a river", about=about[0]),
        Scene(say="Tea waits.", draw="tea on a table", about=about[1], lock=True),
        Scene(say="Nobody hurries.", draw="a bridge", about=about[2]),
    ]
    file.write(Storyboard(topic=topic, film=film, scenes=scenes), tmp_path / "film" / "storyboard.yaml")
    return Draft(tmp_path / "film")


def done(draft: Draft, scene: str, do: str, **how: object) -> Path:
    report = list(work(SceneSettings(storyboard=draft.file, scene=scene, do=do, **how)))[-1]
    assert report.result is not None and report.result.exists()
    return report.result


def drawn(board: Storyboard) -> list[np.ndarray]:
    plans = drawing.plans(board, load_style(board.film.style))
    list(drawing.drawn(plans))
    return [np.asarray(Image.open(plan.path)) for plan in plans]


def test_a_picture_that_is_chosen_is_the_one_that_the_film_shows(draft: Draft) -> None:
    done(draft, "s1", "draw", count=3)
    found = offers(draft.folder, "s1").pictures
    assert len(found) == 3 and draft.read().seed_of(0) in found
    pictures = {seed: np.asarray(Image.open(path)) for seed, path in found.items()}
    assert len({one.tobytes() for one in pictures.values()}) == 3
    seed = max(found)
    board = draft.change(lambda board: edit.changed(board, "s1", seed=seed, takes=1))
    assert np.array_equal(drawn(board)[0], pictures[seed])
    done(draft, "s1", "draw", count=2, seed=1)
    assert set(offers(draft.folder, "s1").pictures).isdisjoint(found), "another turn offers others"


def test_words_are_offered_for_one_scene_and_leave_the_others(draft: Draft) -> None:
    before = draft.read()
    done(draft, "s1", "write", count=3)
    words = offers(draft.folder, "s1").words
    assert 2 <= len(words) <= 3 and len(set(words)) == len(words)
    assert not {scene.say for scene in before.scenes} & {*words} and draft.read() == before


def test_what_is_locked_keeps_its_words(draft: Draft) -> None:
    before = draft.read()
    done(draft, "", "write")
    after = draft.read()
    assert after.scenes[1] == before.scenes[1]
    assert all(after.scenes[at].say not in ("", before.scenes[at].say) for at in (0, 2))
    while draft.steps()[0]:
        draft.undo()
    assert draft.read() == before


def test_a_preview_is_a_small_film_of_the_scene_alone(draft: Draft) -> None:
    found = publish_check.streams(done(draft, "s3", "preview"))
    assert (found.width, found.height, found.fps) == (108, 192, 10) and found.audio_codec == ""
    assert 2 < found.seconds < 5


def test_pictures_of_all_scenes_are_drawn_at_once(draft: Draft) -> None:
    done(draft, "", "draw")
    plans = drawing.plans(draft.read(), load_style(draft.read().film.style))
    assert drawing.missing(plans) == []


def test_a_scene_that_is_silent_or_gone_is_told(draft: Draft) -> None:
    with pytest.raises(Mistake, match="Nothing is said"):
        done(draft, "s1", "speak")
    with pytest.raises(Mistake, match="no longer"):
        done(draft, "s9", "draw")
    draft.change(lambda board: edit.filmed(board, voice="hibari"))
    assert done(draft, "s1", "speak").stat().st_size > 100_000


def test_the_command_works_on_a_scene(draft: Draft, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["scene", "--storyboard", str(draft.file), "--scene", "s2", "--do", "draw", "--count", "1"]
    assert commands.run(asked, lambda _: 1) == 0
    assert Path(capsys.readouterr().out.strip()).parent == draft.folder / "offers"


def test_each_field_changed_alone_draws_exactly_what_depends_on_it(draft: Draft, tmp_path: Path) -> None:
    board = draft.change(lambda board: edit.cast(board, [Subject(name="Mei", look="red coat")]))
    board = edit.changed(board, "s3", subjects=("Mei",))
    style = load_style(board.film.style)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 96), "teal").save(photo)

    def redrawn(other: Storyboard) -> list[int]:
        pairs = zip(drawing.plans(board, style), drawing.plans(other, style), strict=True)
        return [at for at, (one, two) in enumerate(pairs) if one.path != two.path]

    nothing: dict[str, object] = {
        "say": "x", "about": "x", "seconds": 9, "voice": "none", "motion": "push", "lock": True,
        "cut": (0.5, 0.5), "clip_start": 3, "clip_sound": True, "text_lora": tmp_path, "strength": 0.5,
        "id": "other", "transition": "whip",
    }  # fmt: skip
    first: dict[str, object] = {
        "draw": "x", "thing": "boat", "setting": "river", "shot": "close", "seed": 5, "takes": 2,
        "picture": photo, "subjects": ("Mei",),
    }  # fmt: skip
    assert {*nothing, *first, "lora"} == {*Scene.model_fields}
    seeded = edit.changed(board, "s1", seed=board.seed_of(0))
    for name, value in nothing.items():
        assert redrawn(edit.changed(seeded, "s1", **{name: value})) == [], name
    for name, value in first.items():
        assert redrawn(edit.changed(board, "s1", **{name: value})) == [0], name
    every = {"style": "neon-night", "steps": 3, "guidance": 2, "takes": 2, "seed": 1, "width": 200}
    for name, value in every.items():
        assert redrawn(edit.filmed(board, **{name: value})) in ([0, 1, 2], []), name
    assert redrawn(edit.filmed(board, steps=3)) == [0, 1, 2] == redrawn(edit.filmed(board, seed=1))
    for name, value in {
        "fps": 5,
        "captions": False,
        "music": "none",
        "music_file": None,
        "ai_label": True,
        "voice": "hibari",
        "caption_size": 90,
        "motion": 0.2,
        "transition": "whip",
        "on_beat": True,
    }.items():
        assert redrawn(edit.filmed(board, **{name: value})) == [], name
    assert redrawn(edit.cast(board, [Subject(name="Mei", look="blue coat")])) == [2]
    assert redrawn(edit.moved(seeded, "s1", 0)) == [] and redrawn(edit.cast(board, [])) == [2]


def test_a_photo_goes_through_the_look(draft: Draft, tmp_path: Path) -> None:
    """The weaker, the nearer to the photo; as it is at no strength at all."""
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 64, 3), np.uint8)).save(photo)

    def planned(strength: float) -> drawing.Plan:
        board = edit.changed(draft.read(), "s1", picture=photo, strength=strength)
        return drawing.plans(edit.filmed(board, steps=10), load_style(draft.read().film.style))[0]

    plans = [planned(strength) for strength in (0.1, 0.5, 1.0)]
    assert planned(0).own == photo and len({plan.path for plan in plans}) == 3
    list(drawing.drawn(plans))
    free = edit.filmed(draft.read(), steps=10)
    pictures = [np.asarray(Image.open(plan.path)).astype(float) for plan in plans]
    alone = drawn(free)[0].astype(float)
    away = [np.abs(picture - alone).mean() for picture in pictures]
    assert away[0] > away[1] > away[2]


def test_cards_show_a_picture_that_is_no_longer_kept(draft: Draft) -> None:
    """The small copy stays and says that the picture is to be drawn again; other words show nothing."""
    board = draft.change(lambda board: edit.filmed(board, seed=977))  # which no other test draws from
    assert [(one.picture, one.undrawn) for one in seen(draft, board)] == [(None, True)] * 3
    drawn(board)
    first = [one.picture for one in seen(draft, board)]
    assert [one.picture for one in seen(draft, board)] == first, "looked at again, no other copy"
    assert len(list((draft.folder / "scenes").iterdir())) == 3 == len({*first})
    kept.trim(kept.folder(), 0)
    assert [(one.picture, one.undrawn) for one in seen(draft, board)] == [(path, True) for path in first]
    other = draft.change(lambda board: edit.changed(board, "s2", draw="a lantern"))
    assert [one.picture for one in seen(draft, other)] == [first[0], None, first[2]]


def test_scenes_that_are_drawn_at_once_look_as_those_drawn_alone(
    draft: Draft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from its own seed; a long prompt, and a photo at another strength, are not put among others."""
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 64, 3), np.uint8)).save(photo)
    scenes = [Scene(draw=f"a boat, number {number}") for number in range(4)]
    scenes += [
        Scene(draw="a boat " * 30),
        *(Scene(draw="tea", picture=photo, strength=s) for s in (0.5, 0.5, 1)),
    ]
    board = edit.filmed(draft.read().model_copy(update={"scenes": tuple(scenes)}).numbered(), steps=4)
    at_once, plans = [], drawing.plans(board, load_style(board.film.style))
    plain = sampler.Artist.drawing

    def counted(artist: sampler.Artist, shots: list[sampler.Shot]) -> Generator[None, None, list[np.ndarray]]:
        at_once.append(len(shots))
        return plain(artist, shots)

    monkeypatch.setattr(sampler.Artist, "drawing", counted)
    list(drawing.drawn(plans))
    together = [np.asarray(Image.open(plan.path)) for plan in plans]
    assert at_once == [4, 1, 2, 1]
    for one in plans:
        one.path.unlink()
    monkeypatch.setattr(sampler, "MOST_ON_CPU", 1)
    list(drawing.drawn(plans))
    assert at_once[4:] == [1] * 8
    for one, picture in zip(plans, together, strict=True):
        alone = np.asarray(Image.open(one.path))
        assert np.abs(alone.astype(int) - picture).max() <= 2


@pytest.mark.parametrize("kind", few_steps.KINDS)
def test_samplers_that_add_noise_give_each_picture_its_own(kind: str, tiny_base: Path) -> None:
    how = sampler.sampling(str(tiny_base), [], 108, 192)
    artist = sampler.Artist(replace(how, few=few_steps.KINDS[kind], steps=4))
    shots = [sampler.Shot(f"a boat {seed}", seed) for seed in (3, 1, 2)]
    for shot, one in zip(shots, outcome(artist.drawing(shots)), strict=True):
        assert np.abs(one.astype(int) - artist.draw(shot.prompt, shot.seed)).max() <= 2


def test_where_memory_is_not_enough_fewer_are_drawn_at_once_and_none_twice(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's own error, raised where its allocator would: in a step of too many pictures."""
    import torch

    drawn_at_once: list[int] = []
    plain = sampler.Artist.drawing

    def of_small_memory(
        artist: sampler.Artist, shots: list[sampler.Shot]
    ) -> Generator[None, None, list[np.ndarray]]:
        if len(shots) > 1:
            yield
            raise torch.OutOfMemoryError("CUDA out of memory")
        drawn_at_once.append(len(shots))
        return (yield from plain(artist, shots))

    monkeypatch.setattr(sampler.Artist, "drawing", of_small_memory)
    draft.change(lambda board: edit.filmed(board, seed=77))  # of which nothing is kept yet
    done(draft, "", "draw")
    assert drawn_at_once == [1, 1, 1]
    assert drawing.missing(drawing.plans(draft.read(), load_style(draft.read().film.style))) == []


def test_what_is_drawn_is_kept_before_the_next_is_begun(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a kill loses one batch at most: a job that is left there finds the first ones again."""
    monkeypatch.setattr(sampler, "MOST_ON_CPU", 2)
    board = edit.filmed(draft.read(), seed=78)
    plans = drawing.plans(board, load_style(board.film.style))
    job = drawing.drawn(plans)
    next(one for one in job if one.step == 2 * plans[0].how.steps and len(drawing.missing(plans)) < 3)
    job.close()
    assert drawing.missing(plans) == plans[2:]


KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def test_loras_are_changed_from_scene_to_scene_bit_by_bit(draft: Draft, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    loras = []
    for name in ("ink", "neon"):
        layers = {KEY: Lora(torch.randn(2, 8), torch.randn(8, 2), 2.0)}
        loras.append(image_file.write(tmp_path / f"{name}.safetensors", layers, {}, torch.float32))
    board = draft.read()
    for scene, lora in zip(("s1", "s2", "s3"), (*loras, loras[0]), strict=True):
        board = edit.changed(board, scene, lora=(f"{lora}:1.5",))
    together = drawn(board)
    for at, one in enumerate(drawing.plans(board, load_style(draft.read().film.style))):
        alone = sampler.Artist(one.how).draw(one.prompt, one.seed)
        assert np.array_equal(alone, together[at])
