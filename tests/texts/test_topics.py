"""Topics from a real small model: only where there was none, kept when stopped, and never nonsense."""

import pytest

from core.messages import Mistake
from core.settings.data import TopicsSettings
from core.texts import editing, topics
from core.texts.samples import TextSample, messages, read_samples, topic_of
from core.texts.topics import drawn, request, suggested, usable, without_topic, write_topics
from core.texts.writer import Writer

REPLIES = ("The river wakes before the town does.", "A heron waits for its breakfast in the mist.")


def test_texts_with_a_topic_stay_and_a_stop_keeps_what_is_found(tmp_path, tiny_llm, monkeypatch):
    monkeypatch.setattr(topics, "DRAWN", 2)
    monkeypatch.setattr(topics, "TOKENS_A_WORD", 1)
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
    (tmp_path / "none").mkdir()
    with pytest.raises(Mistake, match="holds no texts"):
        next(write_topics(TopicsSettings(texts=tmp_path / "none")))
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


def test_a_questions_mark_stays_and_a_question_may_be_longer():
    asked = " Question: 'How long does it take until my parcel is here with me?'"
    assert usable(asked, REPLIES[0], "talk") == "How long does it take until my parcel is here with me?"
    assert usable("We wake before the town", REPLIES[0], "talk") == ""
    assert usable(asked, REPLIES[0]) == "" and usable("What?", REPLIES[0]) == "What"


def test_each_kind_of_texts_is_asked_for_its_own_kind_of_topic(tiny_llm, monkeypatch):
    assert "question of a customer" in request(REPLIES[0], "talk")[-1]["content"]
    assert (
        "product" in request(REPLIES[0], "pitch")[-1]["content"]
        and request("x", "pitch")[-1]["role"] == "user"
    )
    writer, sample = Writer(str(tiny_llm), "fp32"), TextSample("", REPLIES[0])
    offered = [topic_of(REPLIES[0]), "the town", "where is the river?", "a boat"]
    monkeypatch.setattr(topics, "drawn", lambda *asked: offered[1:] if asked[-1] == "talk" else [])
    best = max(offered, key=lambda topic: writer.log_probs(messages(topic, task="talk"), REPLIES[:1])[0])
    assert suggested(writer, sample, 0, "talk") == best
    assert suggested(writer, sample, 0, "continue") == offered[0]
    monkeypatch.undo()
    monkeypatch.setattr(topics, "TOKENS_A_WORD", 1)
    assert all(usable(topic, REPLIES[0], "talk") == topic for topic in drawn(writer, sample, 0, "talk"))


def test_of_a_file_the_result_stands_beside_it(tmp_path, tiny_llm, monkeypatch):
    monkeypatch.setattr(topics, "DRAWN", 1)
    monkeypatch.setattr(topics, "TOKENS_A_WORD", 1)
    file = tmp_path / "old 稿.txt"
    file.write_text("\n\n".join(REPLIES), encoding="utf-8")
    settings = TopicsSettings(texts=file, base_model=str(tiny_llm))
    made = [list(write_topics(settings))[-1].result for _ in range(2)]
    assert [path.name for path in made] == ["old 稿-topics.jsonl", "old 稿-topics-2.jsonl"]
    assert [one.reply for one in read_samples(made[0])] == list(REPLIES)
    with pytest.raises(Mistake, match="choose another output"):
        next(write_topics(settings.model_copy(update={"output": file})))
