"""What texts share with known ones, and with themselves, in words and in Chinese characters."""

from __future__ import annotations

import pytest

from core.texts.overlap import Known, Run, dense, repeated

KNOWN = Known(
    [
        "The old bridge lets the rain go first. It is in no hurry.",
        "No steam now. The tea waits for the talk to finish.",
    ]
)


def test_a_planted_copy_is_found_as_it_stands_in_the_text():
    text = "Morning comes. Then THE TEA waits, for the talk: to finish! And we go."
    assert KNOWN.longest(text) == Run(8, "THE TEA waits, for the talk: to finish")
    assert KNOWN.share("The tea waits for the talk to finish") == 1


def test_no_passage_runs_from_one_text_into_the_next():
    assert KNOWN.longest("It is in no hurry no steam now").length == 5
    assert KNOWN.longest("Boats everywhere") == Run(0, "") == Known([]).longest("The tea")


def test_the_share_counts_runs_of_five_words():
    assert KNOWN.share("the rain go first it sleeps") == pytest.approx(1 / 2)
    assert KNOWN.share("The tea") == 0


def test_chinese_is_counted_in_characters():
    known = Known(["老桥让雨先走，它不着急。"])
    assert known.longest("后来，老桥让雨先走了。") == Run(6, "老桥让雨先走")
    assert known.longest("他用iPhone拍老桥").length == 2
    assert dense(["老桥让雨先走", "ok"]) and not dense(["a bridge in the rain 桥"])


def test_a_text_that_says_it_again_repeats_itself():
    assert repeated("The boat waits. The boat waits. The boat waits.") == pytest.approx(1 - 3 / 7)
    assert repeated("The boat waits for the town to wake.") == 0 == repeated("Yes.")
