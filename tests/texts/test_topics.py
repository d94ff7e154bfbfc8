"""Topics from a real small model: only where there was none, kept when stopped, and never nonsense."""

import pytest

from core.jobs import Mistake
from core.settings import TopicsSettings
from core.texts import editing, topics
from core.texts.samples import TextSample, topic_of
from core.texts.topics import usable, without_topic, write_topics

REPLIES = ("The river wakes before the town does.", "A heron waits for its breakfast in the mist.")


def test_texts_with_a_topic_stay_and_a_stop_keeps_what_is_found(tmp_path, tiny_llm, monkeypatch):
    monkeypatch.setattr(topics, "DRAWN", 2)
    monkeypatch.setattr(topics, "TOKENS", 4)
    mine = TextSample("my own topic", "Nobody hurries here, not even the clock.")
    editing.save(tmp_path, [mine, *(TextSample(topic_of(reply), reply) for reply in REPLIES)])
    settings = TopicsSettings(texts=tmp_path, base_model=str(tiny_llm))
    job = write_topics(settings)
    assert [next(job).step for _ in range(3)] == [0, 0, 1]
    job.close()
    whole = editing.current(tmp_path)
    assert whole[0].topic == "my own topic" and whole[2].topic == topic_of(REPLIES[1])
    done = list(write_topics(settings))[-1]
    assert done.result == tmp_path / "train.jsonl"
    assert [one.reply for one in editing.current(tmp_path)] == [mine.reply, *REPLIES]


def test_nothing_to_find_is_said(tmp_path, tiny_llm):
    editing.save(tmp_path, [TextSample("mine", REPLIES[0])])
    with pytest.raises(Mistake, match="has a topic of its own already"):
        next(write_topics(TopicsSettings(texts=tmp_path, base_model=str(tiny_llm))))
    assert without_topic([TextSample("", REPLIES[0])]) == [TextSample("", REPLIES[0])]


@pytest.mark.parametrize(
    ("answer", "topic"),
    [
        (' Topic: "a river at dawn."\nIt is', "a river at dawn"),
        ("主题：清晨的河", "清晨的河"),
        ("", ""),
        ("...", ""),
        ("The river wakes before the town", ""),  # the text itself
        ("a very long topic that says far too many things at once", ""),
    ],
)
def test_an_answer_is_a_topic_or_nothing(answer, topic):
    assert usable(answer, REPLIES[0]) == topic
