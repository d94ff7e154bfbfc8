"""The better writer's storyboards of twelve topics in two languages: counted, and printed to be read (-s)."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.settings.style import load_style
from core.settings.video import WriteSettings
from core.texts.letters import HAN_SIGN
from core.texts.llamacpp import LlamaCpp
from core.texts.overlap import dense, plain
from core.texts.speech import ended_sentences
from core.video.script.language import CHINESE, language_of
from core.video.script.prompts import shows
from core.video.script.scoring import faults
from core.video.script.write import speech_seconds, wishes, write
from core.video.storyboard.board import Scene, Storyboard
from tests.running import finished

TOPICS = (
    "quarterly tax tips for freelancers",
    "why bees dance",
    "how a poem is born",
    "three stretches for desk workers",
    "a rainy night in the old town",
    "the history of tea",
    "how black holes form",
    "saving on groceries",
    "a cat who runs a bakery",
    "learn the ukulele",
    "how to pick a ripe watermelon",
    "a folding bicycle for the city",
    "自由职业者的季度报税小贴士",
    "蜜蜂为什么跳舞",
    "一首诗歌的诞生",
    "上班族的三个拉伸动作",
    "老城的雨夜",
    "茶的历史",
    "黑洞是怎么形成的",
    "买菜怎么省钱",
    "一只开面包店的猫",
    "零基础学尤克里里",
    "如何挑西瓜",
    "一辆适合城市的折叠自行车",
)
SCENES = 6
# Shares of lines that a check finds unfit and of pictures that name nothing of their line; pairs of lines in
# much the same words; share of films within a third of their time. A reading of 21 topics had 1 of 126 lines,
# 6 of 72 pictures, 11 of 315 pairs, and all films.
UNFIT, OFF, ALIKE, IN_TIME = 0.05, 0.2, 20, 0.9


@dataclass(frozen=True)
class Written:
    """A topic's storyboard, and the seconds that it took."""

    topic: str
    board: Storyboard
    seconds: float


@pytest.fixture(scope="module")
def written(
    real_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Written]]:
    """Storyboards for a picture base that takes any word."""
    file = real_model("qwen") / "qwen.gguf"
    engine = LlamaCpp(str(file), file)
    base = tmp_path_factory.mktemp("base")
    (base / "model_index.json").write_text("{}", encoding="utf-8")
    models = {"text_base": str(file), "image_base": str(base)}

    @functools.cache
    def of(topic: str) -> Written:
        began = time.monotonic()
        board = finished(write(WriteSettings(topic=topic, scenes=SCENES, **models), engine))[1]
        print(f"\n{topic}: {time.monotonic() - began:.0f} s", flush=True)
        for scene in board.scenes:
            print(f"  {scene.about} | {scene.say}\n      [{scene.shot}] {scene.draw}", flush=True)
        return Written(topic, board, time.monotonic() - began)

    yield of
    engine.close()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_storyboard_has_all_its_scenes_in_the_topics_language_and_english_prompts(
    written: Callable[[str], Written], topic: str
) -> None:
    board = written(topic).board
    assert len(board.scenes) == SCENES
    for scene in board.scenes:
        assert dense([scene.say]) == language_of(topic).dense, scene.say
        assert len(plain(scene.draw)) >= 4 and not HAN_SIGN.search(scene.draw), scene.draw
        assert not any(map(str.isdigit, scene.say)), scene.say
    said = [tuple(plain(one)) for scene in board.scenes for one in ended_sentences(scene.say)]
    assert len(set(said)) == len(said), "no sentence is said twice"
    assert len({scene.draw for scene in board.scenes}) == SCENES


def test_what_the_storyboards_are_worth(written: Callable[[str], Written]) -> None:
    """Counted over all: lines that a check finds unfit, lengths, pictures that show what is said."""
    boards = [written(topic).board for topic in TOPICS]
    scenes = [(scene, board) for board in boards for scene in board.scenes]
    english = [scene for scene, board in scenes if language_of(board.topic) is not CHINESE]
    unfit = [scene.say for scene, board in scenes if _unfit(scene, board)]
    off = [scene.draw for scene in english if not shows(scene.draw, scene.say, scene.about)]
    pairs = (pair for board in boards for pair in itertools.combinations(board.scenes, 2))
    alike = sum(_shared(*pair) for pair in pairs)
    lengths = [_length(board) for board in boards]
    print(f"\nunfit lines {len(unfit)} of {len(scenes)}: {unfit}")
    print(f"pictures off their line {len(off)} of {len(english)}: {off}")
    print(f"pairs of lines in much the same words: {alike}")
    print(f"lengths, of those asked for: {sorted(round(one, 2) for one in lengths)}")
    print(f"seconds a storyboard: {sorted(round(written(topic).seconds) for topic in TOPICS)}")
    assert len(unfit) <= len(scenes) * UNFIT
    assert len(off) <= len(english) * OFF
    assert alike <= ALIKE
    assert sum(abs(one - 1) <= 0.35 for one in lengths) >= len(boards) * IN_TIME


def _unfit(scene: Scene, board: Storyboard) -> bool:
    found = faults(scene.say, language=language_of(board.topic))
    return bool(set(found) - {"instruction", "a year or a price"})


def _shared(one: Scene, other: Scene) -> bool:
    """Whether two lines share half of their words' pairs."""
    mine, yours = (set(itertools.pairwise(plain(scene.say))) for scene in (one, other))
    return 2 * len(mine & yours) >= min(len(mine), len(yours))


def _length(board: Storyboard) -> float:
    """How long a film's words take, of the time asked for."""
    settings = WriteSettings(topic=board.topic, scenes=SCENES)
    chosen = load_style(board.film.style)
    spoken = sum(map(wishes(settings, chosen).spoken, (scene.say for scene in board.scenes)))
    return spoken / (SCENES * speech_seconds(settings, chosen))
