"""Strangers' files in a project's library and the jobs' folder: the tabs stand, no template is filled."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.jobs import Runner
from core.jobstate import read_state
from core.messages import Mistake, Sentence, as_plain, from_plain
from core.project import Project
from tabs.jobs import panel
from tabs.shell.wiring import Page
from tabs.train import lora_list, proof
from tests.hostile import weights as hostile

BOMB = "{a:>300000000}"
KNOWN = "{count} × {name}"


def shelf(project: Project, language: str = "en") -> str:
    began = time.monotonic()
    said = lora_list.shelf(Page(language), [*project.image_loras(), *project.text_loras()])
    assert time.monotonic() - began < 20 and len(said) < 1_000_000
    return said


@pytest.fixture
def project(tmp_path: Path) -> Project:
    mine = Project(tmp_path / "mine")
    hostile.lora(hostile.pair())(mine.loras() / "good.safetensors")
    return mine


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "advice",
    [
        [{"template": BOMB, "values": {"a": 1}}],
        [{"template": "{a.__class__.__mro__}", "values": {"a": 1}}],
        [{"template": "{a[0]}", "values": {"a": 1}}],
        [{"template": BOMB}],
        [{"template": 3, "values": {"a": 1}}],
        [{"values": {}}],
        [{"template": "x", "values": [1]}],
        [{"template": "x" * 1_000_000, "values": {}}],
        [
            {
                "template": "The LoRA {name} is there.",
                "values": {"text": 1, "self": 2, "language": 3, "template": 4},
            }
        ],
        [["a", ["b", ["c"]]]],
        ["a" * 1_000_000],
        "a text",
        7,
        {"template": "x"},
        [None, True, 1.5],
    ],
    ids=lambda advice: str(advice)[:60],
)
def test_a_strangers_advice_is_shown_as_it_stands(advice: Any, language: str, project: Project) -> None:
    (project.loras() / "good.yaml").write_text(yaml.safe_dump({"advice": advice})[:400_000])
    said = shelf(project, language)
    assert "<strong>good</strong>" in said and "<class" not in said and " " * 10_000 not in said


def test_the_studios_own_advice_is_said_in_the_pages_language(project: Project) -> None:
    own = Sentence(
        "{name} does nothing without {other}: set {other}={value}.", name="a", other="b", value="c"
    )
    (project.loras() / "good.yaml").write_text(yaml.safe_dump({"advice": [as_plain(own)]}))
    assert str(own) in shelf(project) and "a does nothing" not in shelf(project, "zh")


@pytest.mark.parametrize(
    "values", [{}, {"name": 1}, {"share": "many", "rank": 1, "name": "x"}, {"share": [1]}]
)
def test_values_that_do_not_fit_a_known_template_break_nothing(values: Any, project: Project) -> None:
    template = "Rank {rank} keeps {share:.1%} of what {name} adds; a higher rank keeps more."
    made = {"advice": [{"template": template, "values": values}]}
    (project.loras() / "good.yaml").write_text(yaml.safe_dump(made))
    assert "keeps {share" in shelf(project)


@pytest.mark.parametrize("name", hostile.LINEAGES)
def test_a_bad_lineage_breaks_no_tab(name: str, project: Project) -> None:
    hostile.LINEAGES[name](project.loras() / "good.yaml")
    assert "<strong>good</strong>" in shelf(project)


def test_bad_files_in_the_library_break_no_tab(project: Project) -> None:
    for at, put in enumerate(hostile.FILES.values()):
        put(project.loras() / f"bad{at}.safetensors")
        (folder := project.loras() / f"voice{at}").mkdir()
        put(folder / "adapter_config.json")
        hostile.voice(project.loras() / f"deep{at}")
        put(project.loras() / f"deep{at}" / "lineage.yaml")
    said = shelf(project)
    assert "<strong>good</strong>" in said and "<strong>bad3</strong>" not in said


def test_a_sentence_from_a_file_is_not_filled_in() -> None:
    began = time.monotonic()
    read = from_plain({"template": BOMB, "values": {"a": "x"}})
    assert read == BOMB and read.template == BOMB and read.values == {"a": "x"}
    assert time.monotonic() - began < 1
    deep: Any = "x"
    for _ in range(500):
        deep = {"template": "{a}", "values": {"a": deep}}
    assert len(str(from_plain(deep))) < 10


def job(folder: Path, **values: Any) -> Path:
    """A job's file, as the runner wrote it, with other values."""
    runner = Runner(folder)
    state = runner.wait(runner.submit("image", "A title", lambda: iter(())), 20)
    runner.close()
    file = folder / f"{state.id}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return file


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_jobs_file_has_no_template_filled(language: str, tmp_path: Path) -> None:
    bomb = {"template": BOMB, "values": {"a": "x"}}
    said = {"status": "failed", "error": "an error", "error_template": BOMB, "error_values": {"a": "x"}}
    state = read_state(job(tmp_path, log=[bomb, "a line"], **said))
    assert state is not None
    began = time.monotonic()
    shown = panel.body(state, Page(language))
    assert time.monotonic() - began < 5 and len(shown) < 10_000 and "a line" in shown


def test_a_failed_jobs_mistake_is_said_in_chinese_with_its_numbers(tmp_path: Path) -> None:
    """Numbers were kept as text, which no template's {needed:.1f} takes."""
    runner = Runner(tmp_path)

    def failing() -> Any:
        raise Mistake(
            "The full model takes {needed:.1f} GB and {folder} has {free:.1f} GB free; make room, or choose "
            "another output.",
            needed=3.25,
            folder=tmp_path,
            free=1.0,
        )
        yield

    state = runner.wait(runner.submit("merge", "A title", failing), 20)
    runner.close()
    for one in (state, read_state(tmp_path / f"{state.id}.json")):
        assert one is not None and "3.2 GB" in panel.body(one, Page("zh"))
        assert "The full model" not in panel.body(one, Page("zh"))


def test_names_from_files_are_shown_short_and_without_signs_for_the_terminal() -> None:
    said = str(Mistake("{path} has {name}.", path=Path("a\x1b[2J"), name="x" * 100_000))
    assert said.isprintable() and len(said) < 1000 and said.startswith("a\ufffd[2J has xxx")


@pytest.mark.parametrize("values", [[], {"figures": 3}])
def test_a_damaged_proof_is_told(values: Any, project: Project) -> None:
    lora = project.image_loras()[0]
    (folder := project.loras() / "good.proof").mkdir()
    (folder / "proof.json").write_text(json.dumps(values))
    with pytest.raises(Mistake, match=r"proof\.json is damaged"):
        proof.proof(Page("en"), lora)
    assert os.path.isdir(folder)
