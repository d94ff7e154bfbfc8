"""The advisor: silent on a good run, telling on runs made bad on purpose; settings that would do nothing."""

from __future__ import annotations

import pytest

from core.lora import kinds
from core.lora.estimate.advice import advise
from core.lora.estimate.unused import unused
from core.messages import Sentence
from core.settings.training import ImageTraining, TextTraining

TEXT, IMAGE = TextTraining(learning_rate=1e-3, epochs=7), ImageTraining(learning_rate=1e-3, epochs=12)
PRODIGY = IMAGE.model_copy(update={"optimizer": "prodigy"})
LIMITED = IMAGE.model_copy(update={"max_steps": 100})
FALLING = [4 - step / 50 for step in range(100)]
NOISY = [0.3, 0.2, 0.4, 0.25] * 25


def told(settings, samples, *curves):
    """As a training tells it."""
    kind = kinds.of(settings)
    return [*advise(settings, *curves, kind.LOSS_TELLS), *kind.few(settings, samples)]


def test_a_good_run_gets_no_advice():
    assert told(TEXT, 100, FALLING, [(50, 3.0), (100, 2.9)], 4.5) == []
    assert told(IMAGE, 30, NOISY, [], 0.0) == []
    # The looks of image-quick on the sample's pictures.
    looks = [(17, 0.0948), (34, 0.0955), (51, 0.0922), (102, 0.0909), (170, 0.0911), (192, 0.0910)]
    assert told(IMAGE, 30, NOISY, looks, 0.1072) == []


@pytest.mark.parametrize(
    ("settings", "samples", "losses", "held_out", "base", "what", "change"),
    [
        (TEXT, 100, FALLING, [(100, 5.0)], 4.5, "worse than the base", "learning_rate=0.0003"),
        (TEXT, 100, FALLING, [(50, 3.0), (100, 3.6)], 4.5, "lowest at step 50", "epochs=4"),
        (TEXT, 100, FALLING[:50] + FALLING[:50][::-1], [], 0, "rose again", "learning_rate=0.0003"),
        (TEXT, 100, [4.0] * 60, [], 0, "hardly learnt", "learning_rate=0.003"),
        (TEXT, 8, FALLING, [], 0, "8 texts are few", "dropout=0.1"),
        (IMAGE, 30, NOISY, [(50, 0.12), (100, 0.13)], 0.1, "worse than the base", "learning_rate=0.0003"),
        (IMAGE, 30, NOISY, [(50, 0.09), (100, 0.099)], 0.1, "lowest at step 50", "epochs=6"),
        (LIMITED, 30, NOISY, [(25, 0.09), (100, 0.099)], 0.1, "lowest at step 25", "max_steps=25"),
        (IMAGE, 30, NOISY, [(50, 0.0996), (100, 0.0995)], 0.1, "too weak", "learning_rate=0.003"),
        (IMAGE, 30, [*NOISY, *(2 * loss for loss in NOISY[:30])], [], 0, "rose again", "learning_rate"),
        (IMAGE, 3, NOISY, [], 0, "3 pictures are few", "dropout=0.1"),
        # Prodigy chooses its rate itself, so that is never what to change.
        (PRODIGY, 30, NOISY, [(50, 0.12), (100, 0.13)], 0.1, "too high", "optimizer=adamw, learning_"),
        (PRODIGY, 30, NOISY, [(50, 0.0996), (100, 0.0995)], 0.1, "too weak", "epochs=24"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_setting_to_change(
    settings, samples, losses, held_out, base, what, change
):
    (said,) = told(settings, samples, losses, held_out, base)
    assert isinstance(said, Sentence) and what in said and f"set {change}" in said


@pytest.mark.parametrize(
    ("changes", "what", "change"),
    [
        ({"early_stop": 3}, "early_stop does nothing", "holdout=0.1"),
        ({"validate_steps": 5}, "validate_steps does nothing", "holdout=0.1"),
        ({"holdout": 0.1}, "holds nothing out", "from 10 on"),
        ({"keep_tags": 2}, "without shuffle_tags", "shuffle_tags=true"),
        ({"reg_weight": 0.5}, "without reg_data_dir", "reg_data_dir=FOLDER"),
        ({"text_encoder_lr": 1e-5}, "without train_text_encoder", "train_text_encoder=true"),
        ({"optimizer": "prodigy", "learning_rate": 1e-3}, "learning_rate does nothing", "optimizer=adamw"),
        ({"warmup_steps": 40}, "never ends", "warmup_steps=4"),
    ],
)
def test_a_setting_that_would_do_nothing_is_named(changes, what, change):
    chosen = ImageTraining(**changes)
    (said,) = unused(chosen, steps=40, samples=6, held_out=0)
    assert what in said and change in said


def test_settings_that_work_together_are_passed_over():
    chosen = ImageTraining(
        holdout=0.1, early_stop=3, keep_tags=2, shuffle_tags=True, warmup_steps=4, text_encoder_lr=1e-5,
        train_text_encoder=True, reg_weight=0.5, reg_data_dir="others",
    )  # fmt: skip
    assert list(unused(chosen, steps=40, samples=30, held_out=3)) == []
    assert list(unused(ImageTraining(), steps=40, samples=30, held_out=0)) == []
    assert list(unused(TextTraining(), steps=40, samples=30, held_out=3)) == []
