"""Tags by a tiny labeller that knows three things, and captions in the picture base's wording."""

import math

import pytest
from PIL import Image

from core.bases.labeller import load
from core.images.picture_file import open_picture
from core.images.tagging import (
    Tag,
    Tagger,
    _best,
    _choices,
    caption,
    hints,
    how,
    named,
    places,
    tag,
    when,
    words_in,
)
from core.project import ROOT


@pytest.fixture(scope="module")
def labeller(tiny_labeller):
    return load(tiny_labeller)


@pytest.fixture(scope="module")
def found(labeller, scenes, facts):
    """All tags of scenes whose seed was not learnt."""
    return tag([scenes(*fact, seed=100) for fact in facts], labeller, most=5, threshold=0.0)


def test_words_are_found(found, facts):
    for place, kind in enumerate(("object", "setting", "time", "weather")):
        assert {tags[place].kind for tags in found} == {kind}
        right = sum(tags[place].word == fact[place] for tags, fact in zip(found, facts, strict=True))
        assert right >= 20, kind


def test_scores_are_shares(found):
    assert all(1 / 3 <= tags[0].score <= 1 and 1 / 2 <= tags[1].score <= 1 for tags in found)


def test_most_and_threshold(labeller, scenes, facts, found):
    picture = scenes(*facts[0], seed=100)
    (two,) = tag([picture], labeller, most=2, threshold=0.0)
    assert [one.word for one in two] == [one.word for one in found[0][:2]]
    assert tag([picture], labeller, most=5, threshold=1.0) == [()]


def test_few_words_need_a_majority(labeller, scenes):
    """Of three things the best has a third at least; with less than half it is not said."""
    apple, frog, whale = (scenes(thing, "river", "day", "clear") for thing in ("apple", "frog", "whale"))
    shares = [step / 20 for step in range(21)]
    between = [Image.blend(Image.blend(apple, frog, one), whale, other) for one in shares for other in shares]
    found = tag(between, labeller, most=5, threshold=0.0)
    said = [one for tags in found for one in tags if one.kind == "object"]
    assert 0 < len(said) < len(between) and all(one.score >= 0.5 for one in said)


def test_one_by_one_equals_all_at_once(labeller, scenes, facts, found):
    tagger = Tagger(labeller)
    for fact, together in zip(facts[:4], found, strict=False):
        (alone,) = tagger.tag([scenes(*fact, seed=100)], most=5, threshold=0.0)
        assert [(one.word, one.phrase) for one in alone] == [(one.word, one.phrase) for one in together]
        assert [one.score for one in alone] == pytest.approx([one.score for one in together], abs=1e-4)


def words(*said):
    return [Tag(word, kind, 0.9, phrase) for word, kind, phrase in said]


def test_captions():
    boat = words(
        ("sailboat", "object", "a sailboat"),
        ("river", "setting", "on a river"),
        ("morning", "time", "in the morning"),
        ("fog", "weather", "in the fog"),
    )
    assert caption(boat, "inkwash") == "inkwash, a sailboat on a river, in the morning, in the fog"
    assert caption(boat[:1]) == "a sailboat"
    assert caption(boat[1:3], " ink ") == "ink, a scene on a river, in the morning"
    assert caption(words(("clear", "weather", "under a clear sky"))) == ""
    assert caption([], "ink") == "ink"


def test_a_files_name_weighs(labeller, scenes, found, facts):
    """It decides where the picture leaves room, and not against what is plain to see."""
    words = {fact[0] for fact in facts}
    assert words_in("IMG_2031", words) == words_in("pineapples whaleback", words) == set()
    assert words_in("Two-Apples_at night2", words) == {"apple"} and words_in("myWhale", words) == {"whale"}
    assert words_in("plum-tree 2", ["tree", "plum tree", "plum"]) == {"plum tree"}
    assert words_in("woman with umbrella", ["woman", "woman with an umbrella"]) == {"woman with an umbrella"}
    assert words_in("水墨 boats", ["boat", "sailboat"]) == {"boat"}
    choices = [("fox", "a fox"), ("dog", "a dog")]
    assert _best("object", choices, [3.0, 1.0], {}).word == "fox"
    named = _best("object", choices, [3.0, 1.0], {"dog": 100})
    assert named.word == "dog" and named.score == pytest.approx(1 / (1 + math.exp(2) / 100))
    assert _best("object", choices, [9.0, 1.0], {"dog": 100}).word == "fox"
    (tags,) = Tagger(labeller).tag([scenes(*facts[0], seed=100)], 5, 0.0, ["frog"])
    assert tags[0].word == "apple" == found[0][0].word


def test_a_picture_agrees_with_what_it_shows(labeller, scenes, facts):
    kinds = ("object", "setting", "time", "weather")
    tagger, right = Tagger(labeller), 0
    for fact in facts:
        picture = scenes(*fact, seed=100)
        told = dict(zip(kinds, fact, strict=True))
        sure = tagger.agreement(picture, told)
        other = next(thing for thing, *_ in facts if thing != fact[0])
        right += tagger.agreement(picture, {**told, "object": other}) < sure <= 0
    assert right >= 20
    assert tagger.agreement(picture, {"object": "zeppelin"}) == tagger.agreement(picture, {}) == 0


def test_nothing_is_said_that_cannot_be():
    words = {"setting": ["table", "space"], "time": ["night"], "weather": ["snow"]}
    table, space = Tag("table", "setting", 1.0, "on a table"), Tag("space", "setting", 1.0, "in space")
    assert _choices(words, "weather", []) == [("snow", "in the snow")]
    assert _choices(words, "weather", [table]) == _choices(words, "time", [space]) == []
    assert _choices(words, "time", [table]) == [("night", "at night")]
    assert _choices(words, "object", []) == []


def test_wording():
    assert (named("moon"), named("bamboo"), named("umbrella")) == ("the moon", "bamboo", "an umbrella")
    assert places("river", "boat") == ("on a river",) and places("river", "fox") == ("by a river",)
    assert places("river", "gizmo") == places("river") == ("by a river", "on a river", "over a river")
    assert places("library") == ("in a library",) and places("plain")[0] == "on a plain background"
    assert (when("night"), how("snow"), when(""), how("hail")) == ("at night", "in the snow", "", "hail")


def test_odds_before_the_picture_is_seen():
    """A name's own words weigh most, then what its words mean, then where a thing usually is."""
    assert hints("boat-at-dawn", "object", ["boat", "sailboat"]) == {"boat": 100, "sailboat": 1}
    assert hints("boat-at-dawn", "time", ["morning", "night"]) == {"morning": 10, "night": 1}
    assert hints("pond by a lake", "setting", ["lake", "sea"]) == {"lake": 100, "sea": 1}
    assert hints("IMG_2031", "weather", ["snow", "rain"]) == {"snow": 1, "rain": 1}
    usual = hints("a pond", "setting", ["table", "desert", "lake"], "camel")
    assert usual == {"table": 1, "desert": 3, "lake": 10}


SAMPLE = {
    "cat-in-the-town": "cat",
    "crane-by-the-river": "crane",
    "cup-of-tea": "cup of tea",
    "fishing-boat": "fishing boat",
    "house-by-the-river": "house",
    "pagoda-in-the-hills": "pagoda",
    "plum-tree": "plum tree",
    "red-lantern": "lantern",
    "rooster": "rooster",
    "willow-by-the-lake": "willow",
}


def test_the_embedded_labeller_knows_the_sample():
    """Nine of ten things at least, and every caption in words that the picture base knows."""
    paths = [ROOT / "assets" / "sample" / "pictures" / f"{name}.jpg" for name in SAMPLE]
    labeller = load()
    found = Tagger(labeller).tag(
        [open_picture(path) for path in paths], 5, 0.15, [path.stem for path in paths]
    )
    things = [next((one.word for one in tags if one.kind == "object"), "") for tags in found]
    assert sum(thing == truth for thing, truth in zip(things, SAMPLE.values(), strict=True)) >= 9
    assert all(one.word in labeller.vocabulary[one.kind] for tags in found for one in tags)
