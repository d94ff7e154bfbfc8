"""The proof of a text LoRA: held-out topics, figures of base and LoRAs, copying, the advice, the page."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core import commands
from core.lora.proof import page as proof_page
from core.lora.proof import text as text_proof
from core.lora.proof import text_report
from core.lora.proof.text_report import Figures, Proof, Traits
from core.lora.prove import prove
from core.lora.text import recipe as text_recipe
from core.lora.train import train
from core.messages import Mistake
from core.settings.lora_jobs import ProofSettings, TextProofSettings, proving
from core.settings.training import TextTraining
from core.texts.samples import TextSample, evenly
from core.texts.speech import spoken_seconds
from tabs.shell.words import say

TRAITS = Traits(5, "waits for the talk to", 0.02, 0, 0.0, 1.0, 6.0, 0.11)
BASE = Figures(False, None, 40.0, 0.0, 0.0, replace(TRAITS, ended=0.1), (("The scene opens.",),))
GOOD = Figures(True, None, 12.0, 0.8, 0.05, TRAITS, (("A boat waits.",),))


@pytest.fixture(scope="module", autouse=True)
def short_replies():
    """Replies of a few words: writing them takes most of a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_proof, "MOST_TOKENS", 20)
        patch.setattr(text_recipe, "SAMPLE_TOKENS", 4)
        yield


@pytest.fixture(scope="module")
def trained(tiny_llm, text_file, tmp_path_factory):
    """A text LoRA trained in a project's places, with one kept along the way, proved at the end."""
    folder = tmp_path_factory.mktemp("proof")
    settings = TextTraining(
        base_model=str(tiny_llm),
        train_data_path=text_file,
        output_dir=folder / "runs" / "voice",
        lora_dir=folder / "loras",
        batch_size=2,
        epochs=3,
        lora_rank=4,
        precision="fp32",
        learning_rate=1e-2,
        holdout=0.5,
        keep_loras=1,
        prove=True,
        look_share=0,
    )
    return list(train(settings))


def copied(lora: Path, folder: Path) -> Path:
    """The LoRA elsewhere, with its lineage, without its proof."""
    return Path(shutil.copytree(lora, folder / "voice.5"))


def quick(lora: Path, **changes: object) -> TextProofSettings:
    return TextProofSettings(**{"lora": lora, "topics": 2, "replies": 1} | changes)


def test_a_training_keeps_one_along_the_way_and_its_proof(trained):
    lora = trained[-1].result
    run = lora.parent.parent / "runs" / "voice"
    kept = sorted((run / "kept" / lora.name).iterdir())
    assert [(path.name, (path / "adapter_config.json").is_file()) for path in kept] == [
        ("step-00000004", True)
    ]
    found = text_report.read(proof_page.folder_of(lora))
    assert [(one.lora, one.step) for one in found.figures] == [(False, None), (True, 4), (True, None)]
    assert (len(found.topics), found.held_out, found.known, found.changed) == (5, 5, 5, False)
    assert found.enough and all(len(one.replies) == 5 and len(one.replies[0]) == 3 for one in found.figures)
    for name in ("proof.html", "proof.json"):
        assert (run / name).read_bytes() == (proof_page.folder_of(lora) / name).read_bytes()


def test_perplexity_is_the_trainings_own(trained):
    line = next(one.text for one in reversed(trained) if one.text and "held out perplexity" in one.text)
    lora, base = (float(part.rsplit(" ", 1)[1]) for part in line.split(", ")[2:4])
    figures = text_report.read(proof_page.folder_of(trained[-1].result)).figures
    assert figures[0].perplexity == pytest.approx(base, rel=1e-3)
    assert figures[-1].perplexity == pytest.approx(lora, rel=1e-3) and lora < base


def test_the_same_seed_gives_the_same_figures_and_the_command_prints_the_page(trained, tmp_path, capsys):
    lora = copied(trained[-1].result, tmp_path)
    list(prove(quick(lora, seed=5)))
    first = text_report.read(proof_page.folder_of(lora))
    assert (
        commands.run(["prove", str(lora), "--topics", "2", "--replies", "1", "--seed", "5"], lambda _: 0) == 0
    )
    page = Path(capsys.readouterr().out.splitlines()[-1])
    assert page == tmp_path / "voice.5.proof" / "proof.html"
    assert text_report.read(page.parent) == first
    assert not first.enough and first.figures[-1].style is None
    list(prove(quick(lora, seed=6)))
    assert text_report.read(page.parent).figures[0].replies != first.figures[0].replies


def test_other_texts_are_judged_by_and_a_copy_of_training_texts_is_found(trained, tmp_path):
    lora = copied(trained[-1].result, tmp_path)
    things = ["clouds", "geese", "lanterns", "mills", "orchards", "quays", "ferries", "barns"]
    replies = [f"{one.title()} like {one}, and {one} only; so go {one} home." for one in things]
    (tmp_path / "new.txt").write_text("\n\n".join(replies), encoding="utf-8")
    subject = text_proof.find(quick(lora, texts=tmp_path / "new.txt"))
    assert {one.reply for one in subject.held_out} <= set(replies) and len(subject.training) == 5
    work = text_proof._Work.__new__(text_proof._Work)
    work.known, work.copied_from = text_proof.Known(one.reply for one in subject.training), 8
    learnt = subject.training[0].reply
    own, new = (work._traits([text_proof.Reply(text, True)]) for text in (f"So. {learnt}", replies[0]))
    assert own.copies == 1 and own.passage == learnt.rstrip(".") and own.shared > 0.5
    assert new.copies == 0 and new.longest < 4 and 2 < new.seconds < 5


def test_changed_texts_are_told(trained, tmp_path, text_file):
    lora = copied(trained[-1].result, tmp_path)
    moved = Path(shutil.copy(text_file, tmp_path / "train.jsonl"))
    lineage = (lora / "lineage.yaml").read_text(encoding="utf-8").replace(str(text_file), str(moved))
    (lora / "lineage.yaml").write_text(lineage, encoding="utf-8")
    assert not text_proof.find(quick(lora)).changed
    lines = moved.read_text(encoding="utf-8").splitlines()
    moved.write_text("\n".join(lines[1:]), encoding="utf-8")
    assert text_proof.find(quick(lora)).changed


def test_what_is_missing_is_said(trained, tmp_path):
    lora = copied(trained[-1].result, tmp_path)
    made = (lora / "lineage.yaml").read_text(encoding="utf-8")
    (lora / "lineage.yaml").write_text(made.replace("holdout: 0.5", "holdout: 0.0"), encoding="utf-8")
    with pytest.raises(Mistake, match="held no texts out"):
        text_proof.find(quick(lora))
    (lora / "lineage.yaml").unlink()
    with pytest.raises(Mistake, match="says what it was trained on"):
        list(prove(quick(lora)))


def test_the_loras_kind_decides_which_settings_are_known(trained, tmp_path):
    lora = trained[-1].result
    assert isinstance(proving({"lora": lora}), TextProofSettings)
    assert isinstance(proving({"lora": tmp_path / "ink.safetensors"}), ProofSettings)
    with pytest.raises(Mistake, match="unknown setting weights"):
        commands.run(["prove", str(lora), "--weights", "0.5"], lambda _: 0)


def test_the_spoken_length_is_held_against_the_creators_own_text(trained):
    assert text_proof.off_by("A boat waits.", "A boat waits.") == 0
    assert text_proof.off_by("One. " * 40, "One. " * 20) == pytest.approx(1, abs=0.1)
    assert text_proof.off_each_other([4.0, 5.0]) == pytest.approx((0.25 + 0.2) / 2)
    assert text_proof.off_each_other([4.0]) is None
    found = text_report.read(proof_page.folder_of(trained[-1].result))
    assert 0 < found.own_traits.off < 0.1
    for one in found.figures:
        said = [spoken_seconds(text) for mine in one.replies for text in mine]
        asked = [
            spoken_seconds(text) for text, mine in zip(found.own, one.replies, strict=True) for _ in mine
        ]
        off = sum(abs(mine - own) / own for mine, own in zip(said, asked, strict=True)) / len(said)
        assert one.traits.off == pytest.approx(off)


def test_spread_samples_are_held_out_ones_in_order():
    samples = [TextSample(str(n), "x") for n in range(10)]
    assert [one.topic for one in evenly(samples, 4)] == ["0", "2", "5", "7"]
    assert evenly(samples[:2], 4) == samples[:2]


def proof_of(*figures: Figures, **changes: object) -> Proof:
    values = {"lora": "lora_v1", "base": "embedded", "topics": ("a <boat>",), "seed": 1, "own": ("Mine.",),
              "own_traits": TRAITS, "held_out": 9, "known": 90, "changed": False, "told": 0.97,
              "trusted": True, "enough": True, "figures": (BASE, *figures)}  # fmt: skip
    return Proof(**values | changes)


def test_advised_is_the_most_style_without_a_fault():
    mild = replace(GOOD, step=40, style=0.3)
    copy = replace(GOOD, step=80, style=0.95, traits=replace(TRAITS, copies=2, longest=14))
    endless = replace(GOOD, step=90, style=0.9, traits=replace(TRAITS, ended=0.5))
    repeats = replace(GOOD, step=95, style=0.9, traits=replace(TRAITS, repeated=0.3))
    long = replace(GOOD, step=97, style=0.9, traits=replace(TRAITS, off=0.4))
    assert proof_of(mild, GOOD, copy, endless, repeats, long).advised == GOOD
    assert proof_of().faults(replace(GOOD, traits=replace(TRAITS, off=None))) == []
    assert "Use the finished LoRA" in text_report.advice(proof_of(mild, GOOD))[0]
    assert "weak: raise epochs" in text_report.advice(proof_of(mild, copy))[1]
    for one, said in (
        (copy, "lower epochs or add texts"),
        (endless, "max_length"),
        (repeats, "learning_rate"),
        (long, "are 40% longer or shorter than your texts on the same topics (yours differ by 11%"),
    ):
        assert proof_of(one).advised is None and said in text_report.advice(proof_of(one))[0]
    near = replace(GOOD, style=0.04)
    assert "None comes nearer" in text_report.advice(proof_of(near))[0]


def test_without_a_style_the_perplexity_advises_and_the_reason_is_said():
    blind = replace(GOOD, style=None, spread=0.0)
    worse = replace(blind, step=40, perplexity=20.0)
    few = text_report.advice(proof_of(worse, blind, trusted=False, enough=False))
    assert "Use the finished LoRA: its perplexity" in few[0] and "raise holdout" in few[1]
    alike = text_report.advice(proof_of(blind, trusted=False, told=0.55, known=0, changed=True))
    assert "right in 55% of pairs" in alike[1] and "copying" in alike[2] and "changed" in alike[3]


def test_the_page_stands_alone_in_both_languages(tmp_path):
    found = proof_of(replace(GOOD, step=40, style=0.3), GOOD)
    page = text_report.write(found, tmp_path)
    html = page.read_text(encoding="utf-8")
    assert "http" not in html and "<script" not in html and "a &lt;boat&gt;" in html
    assert html.count("class=st-best") == 1 and html.count("<details open>") == 1
    assert all(
        said in html for said in ("Mine.", "The scene opens.", "A boat waits.", "waits for the talk to")
    )
    assert text_report.read(tmp_path) == found and text_report.read(tmp_path / "none") is None
    assert json.loads((tmp_path / "proof.json").read_text())["advised"] == {"step": None}
    chinese = text_report.body(found, lambda words, **values: say("zh", words, **values))
    assert "建议使用最终的 LoRA" in chinese and "困惑度" in chinese and "时长偏差" in chinese
    assert html.count("<td>11%</td>") == 4 and "Off by" in html
    assert math.isclose(text_report.read(tmp_path).figures[1].perplexity, 12.0)
