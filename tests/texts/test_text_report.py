"""A set in figures and words: how much, how even, what to change; and a set made on the command line."""

import pytest

from core.messages import Mistake
from core.settings.data import TextsSettings
from core.settings.training import TextTraining
from core.texts.importing import read_file
from core.texts.report import advice, counter, estimated_tokens, evenness, lines, made, measure, of_training
from core.texts.samples import TextSample

THINGS = (
    "boat",
    "lamp",
    "cat",
    "bridge",
    "kettle",
    "baker",
    "heron",
    "ferry",
    "gate",
    "clock",
    "street",
    "tea",
)
ONE_VOICE = [f"The {one} waits for the {other}. It does not mind." for one in THINGS for other in THINGS[:3]]
OTHER = [
    *(f"{thing[::-1].title()}!" for thing in THINGS),
    *(" ".join(thing[::-1] + other for other in THINGS) + "." for thing in THINGS),
]


def samples(texts):
    return [TextSample("x", text) for text in texts]


def test_figures_are_counted():
    figures = measure(samples(ONE_VOICE), 0.1, count=lambda text: len(text.split()))
    assert (figures.samples, figures.held_out, figures.tokens, figures.counted) == (36, 4, 36 * 10, True)
    assert figures.sentence == 5 and figures.spread == pytest.approx(0.2)
    assert figures.seconds == pytest.approx(36 * 3.1, rel=0.1)
    assert measure(samples(ONE_VOICE), 0.1, count=len, max_length=80).cut == sum(
        len(t) > 40 for t in ONE_VOICE
    )
    assert measure([], 0.1).samples == 0 and list(lines(measure([], 0.1))) == []


def test_one_voice_is_even_and_two_are_not():
    one, two = measure(samples(ONE_VOICE), 0.1), measure(samples([*ONE_VOICE, *OTHER]), 0.1)
    assert str(evenness(one)) == "even" and list(advice(one)) == []
    assert two.uniformity < 50 < 70 < one.uniformity
    assert [str(line) for line in advice(two)] == [
        "The texts differ a lot in style: train a LoRA for each style, or keep one of them."
    ]


def test_what_to_change():
    few = list(advice(measure(samples(ONE_VOICE[:10]), 0.1)))
    assert str(few[0]).startswith("These are few: add 20 more; from 30 texts on")
    both = measure(samples([*ONE_VOICE, *["小船在河边等着，它不着急。"] * 10]), 0.1)
    assert "two languages" in str(next(advice(both)))
    many = measure(samples(ONE_VOICE * 60), 0.1)
    assert "beyond 2000 texts" in str(next(advice(many)))


def test_tokens_by_the_models_tokenizer_or_estimated(tiny_llm):
    count = counter(str(tiny_llm))
    assert count is not None and count("The river wakes") <= 4
    assert counter("no/such-model") is None and counter("/no/such/folder") is None
    assert estimated_tokens("The river wakes") == 5 and estimated_tokens("河水醒了") == 5


def test_before_a_training(tmp_path, tiny_llm):
    path = tmp_path / "past.txt"
    pairs = zip(THINGS, THINGS[::-1], strict=True)
    path.write_text(
        "\n\n".join(f"The {one} waits for the {other}. It does not mind." for one, other in pairs)
    )
    settings = TextTraining(train_data_path=path, base_model=str(tiny_llm))
    said = [str(line) for line in of_training(settings)]
    assert said[0] == "12 texts, 1 of them held out to judge by (8 %)"
    assert said[1].endswith("min of speech, 3 s a text") and not said[1].startswith("about")
    assert any("12 texts begin or end with: It does not mind." in line for line in said)


def test_a_set_is_made_and_none_overwritten(tmp_path):
    path, output = tmp_path / "past.txt", tmp_path / "out" / "train.jsonl"
    path.write_text(
        "\n\n".join(f"Ask {thing}@b.cn. The {thing} waits for me. It does not mind." for thing in THINGS)
    )
    settings = TextsSettings(texts=path, output=output, mask=True, drop_repeated=True)
    said, written = made(settings)
    assert written == output and not any("personal" in str(line) for line in said)
    assert [one.reply for one in read_file(output)] == [
        f"Ask [email]. The {thing} waits for me." for thing in THINGS
    ]
    with pytest.raises(Mistake, match="is there already"):
        made(settings)
    assert made(TextsSettings(texts=path))[1] is None
