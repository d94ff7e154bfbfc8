"""Drawn pictures at the film's size: plainly, or with hard edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.bases import picture_base
from core.bases.places import EMBEDDED
from core.video.picture.enlarge import crisp, enlarge

INK, PAPER = (40, 60, 90), (230, 220, 200)


def soft_disc(side: int) -> np.ndarray:
    """A dark disc with an edge as soft as a small base's drawing has it."""
    picture = np.full((side, side, 3), PAPER, np.uint8)
    cv2.circle(picture, (side // 2, side // 2), side // 4, INK, -1)
    return cv2.GaussianBlur(picture, None, side / 128)


def between(picture: np.ndarray) -> float:
    """The share of pixels that are neither ink nor paper."""
    return float(
        np.mean([np.abs(picture.astype(int) - colour).sum(2) > 40 for colour in (INK, PAPER)]) * 2 - 1
    )


@pytest.mark.parametrize("edges", ["plain", "crisp"])
@pytest.mark.parametrize("size", [(117, 209), (209, 117), (64, 64), (20, 30)])
def test_the_size_is_exactly_the_one_asked_for(size: tuple[int, int], edges: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (56, 32, 3), np.uint8)
    made = enlarge(picture, *size, edges)
    assert (made.shape, made.dtype) == ((size[1], size[0], 3), np.uint8)


@pytest.mark.parametrize("side", [256, 600, 1300])
def test_crisp_edges_are_hard_at_any_size_and_stay_where_they_were(side: int) -> None:
    small = soft_disc(128)
    plain, hard = enlarge(small, side, side, "plain"), enlarge(small, side, side, "crisp")
    assert between(hard) < 0.7 * between(plain)
    dark = [(made.mean(2) < 140).mean() for made in (plain, hard)]
    assert dark[1] == pytest.approx(dark[0], rel=0.03)


def test_flat_areas_stay_as_they_are() -> None:
    flat = np.full((80, 60, 3), (12, 200, 77), np.uint8)
    assert (crisp(flat) == flat).all()


def test_a_picture_that_is_shrunk_is_not_touched_up() -> None:
    large = soft_disc(256)
    assert (enlarge(large, 64, 64, "crisp") == enlarge(large, 64, 64, "plain")).all()


def test_the_embedded_base_wants_hard_edges_and_others_plain_ones(tiny_base: object) -> None:
    assert picture_base.drawing(EMBEDDED).edges == "crisp"
    assert picture_base.drawing(str(tiny_base)).edges == "plain"
