"""Sprites, scenes and styles: seeded, sized as asked, and showing what their captions say."""

import json

import numpy as np
import pytest

from assets.build import art, backdrops, sample, scenes, styles

SEEDS = range(40)


@pytest.fixture(scope="module")
def drawn():
    return [scenes.draw(seed, 96, 96) for seed in SEEDS]


def test_a_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = (scenes.draw(seed, 96, 128) for seed in (7, 7, 8))
    assert np.array_equal(first.image, again.image)
    assert (first.caption, first.facts, first.box) == (again.caption, again.facts, again.box)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (256, 256), (256, 448), (144, 256), (320, 180)])
def test_pictures_have_the_size_asked_for(width, height):
    scene = scenes.draw(3, width, height)
    assert scene.image.shape == (height, width, 3) and scene.image.dtype == np.uint8
    assert scene.mask.shape == (height, width) and scene.mask.max() > 200


def test_a_scene_can_be_described_without_being_painted():
    scene = scenes.draw(12, 64, 64)
    assert scenes.describe(12) == (scene.caption, scene.facts)


def test_the_words_do_not_depend_on_the_size():
    assert scenes.draw(11, 64, 64).caption == scenes.draw(11, 128, 224).caption


def test_captions_are_short_lower_case_sentences(drawn):
    for scene in drawn:
        assert len(scene.caption.split()) <= 30
        assert scene.caption == scene.caption.lower()
        assert "  " not in scene.caption and "{" not in scene.caption


def test_facts_hold_what_the_caption_says():
    names = {noun.name: noun for noun in art.NOUNS}
    for seed in range(1000):
        caption, facts = scenes.describe(seed)
        assert tuple(facts) == scenes.FACTS
        noun = names[facts["object"]]
        assert (noun.name if facts["count"] == "one" else noun.many) in caption
        if facts["count"] != "one":
            assert facts["count"] in caption
        for key in ("color", "object2", "backdrop"):
            assert facts[key] in caption
        phrases = scenes.PLACE_WORDS[facts["setting"]].values()
        backdrop = facts["backdrop"]
        spoken = {p.format(backdrop=backdrop).replace("  ", " ") for group in phrases for p in group}
        spoken |= {"a plain background"}
        assert any(phrase in caption for phrase in spoken), caption
        if facts["time"]:
            lead = {"morning": "morning", "day": "day", "evening": "evening", "night": "night"}[facts["time"]]
            words = (*scenes.TIME_WORDS[facts["time"]], lead)
            assert any(word in caption for word in words), caption
        if facts["weather"]:
            words = (*scenes.WEATHER_WORDS[facts["weather"]], facts["weather"])
            assert any(word in caption for word in words), caption
        assert facts["style"] in caption


def test_facts_come_from_the_vocabulary(drawn):
    words = scenes.vocabulary()
    assert tuple(words) == scenes.FACTS
    for scene in drawn:
        for key, value in scene.facts.items():
            assert value == "" or value in words[key]


def test_boxes_lie_in_the_picture_and_hold_the_object(drawn):
    for scene in drawn:
        x0, y0, x1, y1 = scene.box
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        inside = scene.mask[round(y0 * 96) : round(y1 * 96), round(x0 * 96) : round(x1 * 96)]
        assert (inside > 128).mean() > 0.08


def test_the_world_is_large_enough():
    words = scenes.vocabulary()
    assert len(set(words["object"])) == len(words["object"]) >= 200
    assert len(art.COMMON) >= 80 and set(words["object"]) >= art.COMMON
    assert len(words["setting"]) >= 14


def test_every_drawing_can_be_rendered_in_its_proportions():
    for noun in art.NOUNS:
        for drawing in noun.drawings:
            sprite = art.sprite(drawing, 64)
            assert sprite.ndim == 3 and sprite.shape[2] == 4 and max(sprite.shape[:2]) == 64
            assert (sprite[..., 3] > 200).sum() > 100


def test_dyed_sprites_take_on_the_colour():
    red, blue = (art.dye(art.sprite("flat:umbrella", 64), color) for color in ("red", "blue"))
    solid = red[..., 3] > 250
    assert red[solid][:, 0].mean() > red[solid][:, 2].mean() + 60
    assert blue[solid][:, 2].mean() > blue[solid][:, 0].mean() + 60


def test_every_place_can_be_painted_at_every_time_and_weather():
    for name, place in backdrops.PLACES.items():
        for time in scenes.TIMES:
            for weather in scenes.WEATHERS:
                rng = np.random.default_rng(1)
                canvas = backdrops.Canvas(48, 64, backdrops.mood(rng, time, weather), rng)
                stage = place(canvas)
                assert np.isfinite(canvas.px).all() and 0 < stage.base <= 1, (name, time, weather)


def test_night_is_darker_than_day_and_snow_brighter_than_none():
    def light(time, weather):
        return scenes.compose(5, 96, 96, "fox", "meadow", time, weather).image.mean()

    assert light("night", "clear") < 0.6 * light("day", "clear")
    assert light("day", "snow") > light("day", "clear")


def test_prompts_read_like_captions():
    assert scenes.prompt("boat", "river", "morning", "fog") == "a boat on a river in the morning in the fog"
    assert scenes.prompt("apple", "table") == "an apple on a table"
    assert scenes.prompt("moon", "lake", "night") == "the moon over a lake at night"
    assert scenes.prompt("handbag", "plain pink", color="red") == "a red handbag on a pink background"
    assert scenes.prompt("cat", "room", style="pastel") == "a cat in a room, pastel"


def test_styles_are_seeded_and_unlike_each_other_and_the_scene():
    scene = scenes.compose(1, 128, 128, "sailboat", "lake")
    wash, neon = (styles.STYLES[name](scene.image, 3) for name in ("ink_wash", "neon_night"))
    assert wash.shape == neon.shape == scene.image.shape
    assert np.array_equal(wash, styles.ink_wash(scene.image, 3))
    assert np.array_equal(neon, styles.neon_night(scene.image, 3))
    spread = wash.astype(int).max(-1) - wash.astype(int).min(-1)
    assert wash.mean() > 160 and np.median(spread) < 40
    assert neon.mean() < 110 and neon[..., 2].mean() > neon[..., 1].mean()


def test_the_sample_has_thirty_named_subjects_that_can_be_painted():
    names = [subject.name for subject in sample.SUBJECTS]
    assert len(set(names)) == 30
    shape = sample.paint(sample.SUBJECTS[0]).shape
    assert shape == (sample.TALL if sample.SUBJECTS[0].tall else sample.SIDE, sample.SIDE, 3)
    assert sample.jpeg(np.zeros((8, 8, 3), np.uint8))[:2] == b"\xff\xd8"


def test_the_art_names_its_sources_and_licences():
    sources = json.loads(art.ART.read_text(encoding="utf-8"))["sources"]
    assert {source["license"]["spdx"] for source in sources.values()} == {"MIT", "Apache-2.0"}
