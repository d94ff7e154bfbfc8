"""Near-duplicates, boilerplate and personal data of a set: named, counted, and gone when asked."""

from core.texts.findings import lines, look, repeated, without_repeated, without_twins
from core.texts.samples import TextSample, topic_of

SCENES = (
    "The river wakes before the town.",
    "A heron waits for its breakfast.",
    "The baker opens her shutters.",
    "Boats nod at their ropes.",
    "Rain left its mirrors in the street.",
)


def samples(*replies):
    return [TextSample(f"topic {number}", reply) for number, reply in enumerate(replies)]


def test_opening_and_closing_lines_are_found_and_cut():
    end = "Like it. Subscribe to my channel!"
    channel = [f"Hi, it's me! Episode {n}. {text} {end}" for n, text in enumerate(SCENES)]
    found = dict(repeated(samples(*channel)))
    assert found == {
        "Hi, it's me!": 5,
        "Episode 0.": 5,
        "Like it.": 5,
        "Subscribe to my channel!": 5,
    }
    assert [one.reply for one in without_repeated(samples(*channel))] == list(SCENES)


def test_a_topic_of_the_texts_own_words_is_made_anew():
    mine = [TextSample(topic_of(f"{text} Subscribe!"), f"{text} Subscribe!") for text in SCENES]
    mine[0] = TextSample("subscribe", mine[0].reply)
    made = [one.topic for one in without_repeated(mine)]
    assert made == ["subscribe", *map(topic_of, SCENES[1:])]


def test_a_line_of_few_texts_or_in_the_middle_stays():
    twice = samples(*[f"{text} Good night." for text in SCENES[:2]], *SCENES[2:])
    assert repeated(twice) == [] and without_repeated(twice) == twice
    inside = samples(*[f"{text} And so. {text.lower()}" for text in SCENES])
    assert repeated(inside) == []


def test_chinese_lines_and_a_last_sentence_that_stays():
    texts = [
        "大家好。河水醒了。记得关注我！",
        "大家好！白鹭在等早餐。记得关注我。",
        "大家好。记得关注我。",
        "灯还亮着。",
    ]
    assert [count for _, count in repeated(samples(*texts))] == [3, 3]
    assert [one.reply for one in without_repeated(samples(*texts))] == [
        "河水醒了。", "白鹭在等早餐。", "记得关注我。", "灯还亮着。",
    ]  # fmt: skip


def test_all_is_told_in_words():
    river = (
        "The river keeps its own slow time, and the town listens to it. Write to a@b.cn. See you tomorrow."
    )
    mine = samples(river, river.upper(), *[f"{text} See you tomorrow." for text in SCENES[:3]])
    found = look(mine)
    assert found.twins == (1,) and found.personal == {"email": 2}
    assert [str(one) for one in lines(found)] == [
        "1 texts are nearly the same as one before: 2",
        "5 texts begin or end with: See you tomorrow.",
        "personal data: 2 e-mail addresses, 0 phone numbers, 0 ID numbers, 0 bank cards",
    ]
    assert without_twins(mine) == [mine[0], *mine[2:]]
    assert list(lines(look(samples(*SCENES)))) == []
