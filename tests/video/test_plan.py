import pytest
import yaml

from assets.build import art
from assets.build import scenes as drawn
from core.messages import Mistake
from core.video.script import vocabulary
from core.video.script.plan import plan, prompt, subject
from core.video.script.topic import read_topic
from core.video.script.vocabulary import things

KNOWN = {**drawn.vocabulary(), "common": sorted(art.COMMON)}
TOPICS = [
    "a quiet morning in a river town",
    "neon city at night after rain",
    "our new ceramic tea cup",
    "three tips for growing roses",
    "my cat hates Mondays",
    "first snow in the mountains",
    "what nobody says about blockchain",
]


def test_every_thing_of_the_picture_base_can_be_planned_with_in_its_own_wording() -> None:
    assert set(KNOWN["object"]) <= set(things())
    for name in KNOWN["object"]:
        for setting in things()[name].settings:
            for time, weather in (("", ""), ("night", "rain")):
                mine = prompt(things()[name], setting, time, weather)
                dry = setting in drawn.DRY
                theirs = drawn.prompt(
                    name, setting, "" if setting in drawn.TIMELESS else time, "" if dry else weather
                )
                assert mine == theirs


def test_word_list_names_only_things_that_exist() -> None:
    words = yaml.safe_load(vocabulary.VOCABULARY.read_text(encoding="utf-8"))
    named = [*words["words"], *words["companions"]]
    named += [name for group in words["alike"] for name in group]
    named += [name for group in words["companions"].values() for name in group]
    named += [name for group in words["goods"] for name in group]
    assert [name for name in named if name not in things()] == []
    places = set(words["settings"])
    assert all(set(thing.settings) <= places for thing in things().values())
    assert all(set(values["near"]) <= places for values in words["settings"].values())


def test_every_word_has_its_chinese() -> None:
    words, chinese = (
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (vocabulary.VOCABULARY, vocabulary.VOCABULARY_ZH)
    )
    assert set(chinese["things"]) == set(things()) and all(chinese["things"].values())
    for kind in ("settings", "times", "weathers"):
        assert set(chinese[kind]) == set(words[kind])
    for name, values in words["settings"].items():
        assert set(chinese["settings"][name]["phrases"]) == set(values["phrases"])


def test_a_chinese_topic_is_read_and_told_of_in_chinese_and_drawn_from_english() -> None:
    facts = read_topic("雨后霓虹城市的夜")
    assert (facts.settings, facts.times, facts.weathers) == (("city",), ("night",), ("rain",))
    facts = read_topic("我们的新茶杯")
    assert (facts.hero, facts.called) == ("cup of tea", "我们的新茶杯")
    assert read_topic("三杯热茶和一把雨伞").things == ("cup of tea", "umbrella")
    scenes = plan("江南小镇的早晨", 6, 1, KNOWN)
    assert {scene.setting for scene in scenes} <= {"town", "river", "street", "room", "table"}
    assert all(scene.about.endswith("，早晨") and scene.draw.isascii() for scene in scenes)
    scenes = plan("我们的新茶杯", 3, 1, KNOWN)
    assert scenes[0].about.startswith("我们的新茶杯，在") and "cup of tea" in scenes[0].draw


def test_topic_is_read_for_things_places_time_and_weather() -> None:
    facts = read_topic("neon city at night after rain")
    assert (facts.settings, facts.times, facts.weathers, facts.hero) == (("city",), ("night",), ("rain",), "")
    facts = read_topic("Our new ceramic tea cup")
    assert (facts.hero, facts.called) == ("cup of tea", "our new ceramic tea cup")
    assert read_topic("Our bakery's bread").called == "our bakery's bread"
    facts = read_topic("my cat hates Mondays")
    assert (facts.hero, facts.called, facts.times) == ("cat", "my cat", ("morning",))
    assert read_topic("an old woman and her buses").things == ("old woman", "bus")
    assert read_topic("categories of dogmatism").things == ()


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_storyboard_is_varied_and_coherent(topic: str, seed: int) -> None:
    scenes = plan(topic, 6, seed, KNOWN)
    hero = read_topic(topic).hero
    others = [scene.thing for scene in scenes if scene.thing != hero]
    assert len(others) == len(set(others))
    assert len({scene.draw for scene in scenes}) == 6
    assert len({scene.setting for scene in scenes}) >= 2
    assert all(scene.thing in KNOWN["object"] for scene in scenes)
    named = read_topic(topic).times
    if named:
        phrase = {"morning": "in the morning", "night": "at night"}[named[0]]
        assert all(phrase in scene.draw for scene in scenes)
    if hero:
        assert scenes[0].thing == scenes[-1].thing == hero


def test_named_place_holds_the_scenes_together() -> None:
    for seed in range(5):
        scenes = plan("a quiet morning in a river town", 6, seed, KNOWN)
        nearby = {"town", "river", "street", "room", "table"}
        assert {scene.setting for scene in scenes} <= nearby


def test_rain_falls_outdoors_only() -> None:
    scenes = plan("rain in the city", 8, 0, KNOWN)
    for scene in scenes:
        assert ("in the rain" in scene.draw) == (scene.setting not in drawn.DRY)


def test_several_times_divide_the_scenes_in_their_order() -> None:
    scenes = plan("the harbor from dawn to midnight", 4, 0, KNOWN)
    assert ["morning" in s.about for s in scenes] == [True, True, False, False]
    assert ["night" in s.about for s in scenes] == [False, False, True, True]


def test_mood_gives_the_time_only_where_the_topic_has_none() -> None:
    assert "at night" in plan("a walk in the city", 1, 0, KNOWN, mood="neon, night")[0].draw
    assert "in the morning" in plan("a morning in the city", 1, 0, KNOWN, mood="night")[0].draw


def test_what_the_base_draws_best_comes_first_and_what_the_topic_names_before_it() -> None:
    shown = [scene.thing for seed in range(8) for scene in plan("a walk in the town", 6, seed, KNOWN)]
    common = sum(thing in art.COMMON for thing in shown)
    plain = drawn.vocabulary()
    other = [scene.thing for seed in range(8) for scene in plan("a walk in the town", 6, seed, plain)]
    assert common > 0.9 * len(shown) and sum(thing in art.COMMON for thing in other) < 0.8 * len(other)
    assert plan("a circus tent", 1, 0, KNOWN)[0].thing == "circus tent" not in art.COMMON


def test_relevance_from_outside_chooses_the_things() -> None:
    wanted = {"camera": 9.0, "mountain": 8.0, "fox": 7.0}
    scenes = plan("an unheard-of topic", 5, 3, KNOWN, relevance=wanted)
    assert set(wanted) <= {scene.thing for scene in scenes}


@pytest.mark.parametrize("seed", range(4))
def test_goods_are_seen_only_where_the_topic_asks_for_them(seed: int) -> None:
    shown = {scene.thing for scene in plan("a quiet morning in a river town", 8, seed, KNOWN)}
    assert not shown & {"pair of headphones", "phone", "lipstick", "handbag", "sneaker", "bottle of perfume"}
    assert "lipstick" in {scene.thing for scene in plan("my favourite lipstick", 4, seed, KNOWN)}
    assert "camera" in {scene.thing for scene in plan("a camera in the city", 6, seed, KNOWN)}


def test_a_topic_without_a_time_goes_through_a_day() -> None:
    subjects = [scene.about for scene in plan("a boat on the lake", 3, 0, KNOWN)]
    assert [time in said for time, said in zip(("morning", "day", "evening"), subjects, strict=True)] == [
        True
    ] * 3


def test_same_seed_plans_the_same_and_another_differs() -> None:
    once, again, other = (plan("a day by the lake", 6, seed, KNOWN) for seed in (5, 5, 6))
    assert once == again
    assert [scene.thing for scene in once] != [scene.thing for scene in other]


@pytest.mark.parametrize("count", [1, 2, 20])
def test_any_number_of_scenes(count: int) -> None:
    assert len(plan("my cat hates Mondays", count, 0, KNOWN)) == count
    assert len(plan("a river", count, 0, {})) == count


def test_base_with_a_tiny_vocabulary_still_gets_a_storyboard() -> None:
    scenes = plan("a river town", 6, 0, {"object": ["boat", "cat"], "setting": ["river", "room"]})
    assert {scene.thing for scene in scenes} == {"boat", "cat"}


@pytest.mark.parametrize("topic", ["", "  ", "!!!", "🙂🙂"])
def test_topic_without_words_is_a_mistake(topic: str) -> None:
    with pytest.raises(Mistake, match="has no words"):
        plan(topic, 3, 0)


def test_subject_names_the_hero_in_the_topics_words() -> None:
    cup = things()["cup of tea"]
    assert (
        subject(cup, "table", "morning", "rain", "our new tea cup") == "our new tea cup on a table, morning"
    )
    assert subject(things()["boat"], "river", "morning", "fog") == "a boat on a river, morning, fog"
