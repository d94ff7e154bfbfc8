"""How one picture gives way to the next."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest

from core.settings.style import TRANSITIONS
from core.video.picture.transitions import KINDS, between
from core.video.storyboard import board

BEFORE = np.random.default_rng(0).integers(0, 256, (120, 68, 3), np.uint8)
AFTER = np.random.default_rng(1).integers(0, 256, (120, 68, 3), np.uint8)


def test_they_stand_everywhere_by_the_same_names() -> None:
    assert {*TRANSITIONS} == {"cut", *KINDS}
    assert {*get_args(board.Transition)} == {"auto", *TRANSITIONS}


@pytest.mark.parametrize("kind", KINDS)
def test_one_begins_with_the_picture_before_and_ends_with_the_next(kind: str) -> None:
    np.testing.assert_array_equal(between(kind, BEFORE, AFTER, 0), BEFORE)
    np.testing.assert_array_equal(between(kind, BEFORE, AFTER, 1), AFTER)
    middle = between(kind, BEFORE, AFTER, 0.5)
    assert middle.dtype == np.uint8 and middle.shape == BEFORE.shape
    assert (middle != BEFORE).any() and (middle != AFTER).any()


def test_no_two_look_the_same() -> None:
    middles = [between(kind, BEFORE, AFTER, 0.4).tobytes() for kind in KINDS]
    assert len({*middles}) == len(KINDS)


def test_a_slide_pushes_to_the_left_and_a_wipe_goes_to_the_right() -> None:
    dark, light = np.zeros_like(BEFORE), np.full_like(BEFORE, 255)
    slid, wiped = (between(kind, dark, light, 0.5) for kind in ("slide", "wipe"))
    assert slid[:, 0].max() == 0 and slid[:, -1].min() == 255
    assert wiped[60, 0].min() == 255 and wiped[60, -1].max() == 0


def test_a_flash_is_white_once_and_a_whip_smears_along_its_way() -> None:
    lightest = max(between("flash", BEFORE, AFTER, share).min() for share in np.linspace(0, 1, 101))
    assert lightest > 250
    rough = np.abs(np.diff(BEFORE.astype(int), axis=1)).mean()
    smeared = np.abs(np.diff(between("whip", BEFORE, AFTER, 0.5).astype(int), axis=1)).mean()
    assert smeared < rough / 4


@pytest.mark.parametrize("kind", ["zoom", "whip", "wipe", "slide", "fade"])
def test_what_moves_does_so_without_a_jump(kind: str) -> None:
    smooth = np.linspace(0, 255, 68)[None, :, None].repeat(120, 0).repeat(3, 2).astype(np.uint8)
    frames = [between(kind, smooth, smooth[:, ::-1].copy(), s).astype(int) for s in np.linspace(0, 1, 61)]
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
    assert max(steps) < 6 * np.mean(steps)
