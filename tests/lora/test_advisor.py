"""The advisor: silent on a good run, telling on runs made bad on purpose."""

from __future__ import annotations

import pytest

from core.lora.advisor import advise
from core.settings import ImageTraining, TextTraining

TEXT, IMAGE = TextTraining(learning_rate=1e-3, epochs=7), ImageTraining()
FALLING = [4 - step / 50 for step in range(100)]


def test_a_good_run_gets_no_advice():
    assert advise(TEXT, 100, FALLING, [(50, 3.0), (100, 2.9)], 4.5) == []
    assert advise(IMAGE, 30, [0.3, 0.2, 0.4] * 30, [], 0.0) == []


@pytest.mark.parametrize(
    ("samples", "losses", "held_out", "word"),
    [
        (100, FALLING, [(100, 5.0)], "worse than the base"),
        (100, FALLING, [(50, 3.0), (100, 3.6)], "lowest at step 50"),
        (100, FALLING[:50] + FALLING[:50][::-1], [], "rose again"),
        (100, [4.0] * 60, [], "hardly learnt"),
        (8, FALLING, [], "8 samples are few"),
    ],
)
def test_what_is_wrong_is_said_with_the_setting_to_change(samples, losses, held_out, word):
    said = advise(TEXT, samples, losses, held_out, 4.5)
    assert len(said) == 1 and word in said[0]
