"""Where the sentences of a model's answers end, and where long ones are cut."""

from __future__ import annotations

from core.texts.speech import ended_sentences, passages


def test_sentences_end_where_they_should() -> None:
    assert ended_sentences('Mr. Li waits. "Is it late?" he asks. And the') == [
        "Mr. Li waits.",
        '"Is it late?"',
        "he asks.",
    ]
    assert ended_sentences("Well... it is 3.5 meters! Yes.") == ["Well...", "it is 3.5 meters!", "Yes."]


def test_chinese_sentences_end_at_their_own_marks() -> None:
    text = "清晨，小镇醒来。“这么早？”老人问！水还在流……没有人答"
    assert ended_sentences(text) == ["清晨，小镇醒来。", "“这么早？”", "老人问！"]
    assert ended_sentences("长3.5公里。走完了。") == ["长3.5公里。", "走完了。"]


def test_a_long_sentence_is_cut_without_losing_a_mark() -> None:
    """A comma that follows another, or comes first, was no token, and so was lost."""
    text = "，" + "水壶在炉子上哼着歌，，狐狸在等他的茶；" * 12
    assert "".join(passages([text], 6)) == text
