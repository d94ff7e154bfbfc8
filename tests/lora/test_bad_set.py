"""A set made bad on purpose: three pictures, repeated twenty times, at far too high a rate.

One run of a tiny base; pre-flight, advisor, library and proof say what is wrong with it.
"""

from __future__ import annotations

import pytest
from PIL import Image

from core.jobs import from_plain
from core.lora import preflight, proofpage, report
from core.lora.pictures import kept_out
from core.lora.train import train
from core.project import read_lineage
from core.settings import ImageTraining

FEW = "3 pictures are few: from 10 on it learns the style and not the pictures."


@pytest.fixture(scope="module")
def chosen(tiny_base, tmp_path_factory):
    """The settings; the picture that is unlike the others is the one held out."""
    folder = tmp_path_factory.mktemp("bad")
    chosen = ImageTraining(
        base_model=str(tiny_base),
        train_data_dir=folder / "data",
        output_dir=folder / "run",
        batch_size=2,
        epochs=1,
        lora_rank=4,
        precision="fp32",
        learning_rate=0.1,
        target_modules=("all",),
        holdout=0.34,
        keep_loras=0,
        prove=True,
        text_encoder_lr=0.01,
    )
    pictures = chosen.train_data_dir / "20_ink"
    pictures.mkdir(parents=True)
    for number in range(3):
        odd = number in kept_out(3, chosen)
        picture = Image.effect_noise((96, 96), 200) if odd else Image.new("L", (96, 96), 10 * number)
        picture.convert("RGB").save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text("a shore")
    return chosen


@pytest.fixture(scope="module")
def reports(chosen):
    """What its training reported."""
    return list(train(chosen))


def test_the_pre_flight_names_what_is_wrong_beforehand(chosen):
    said = [str(line) for line in preflight.lines(chosen)]
    data = "3 pictures (1 held out, 40 a pass with their repeats)"
    assert said[0] == f"{data} × 1 passes, 2 at a time: 20 steps"
    assert any(line.startswith(FEW) for line in said)
    assert "text_encoder_lr does nothing without train_text_encoder: set train_text_encoder=true." in said


def test_the_advisor_reads_the_curves_and_counts_pictures_once(reports):
    said = [report.text for report in reports if report.message == "Saving the LoRA" and report.text]
    looks = [report.held_out for report in reports if report.held_out is not None]
    assert len(looks) == 10 and looks[-1] > 1.05 * min(looks)
    assert said[0].startswith("It over-fits") and "set max_steps=" in said[0]
    assert said[1].startswith(FEW) and said[1].endswith("set dropout=0.1.")
    kept = [from_plain(one) for one in read_lineage(reports[-1].result)["advice"]]
    assert kept == said[:2] and kept[0].template.startswith("It over-fits: the held-out loss was lowest")


def test_the_proof_takes_no_chance_for_style(reports):
    found = report.read(proofpage.folder_of(reports[-1].result))
    assert len(found.seeds) == 3 and [one.weight for one in found.figures] == [0, 0.5, 0.75, 1, 1.25]
    for one in found.gaining:
        assert one.gain > one.spread / 3**0.5
    assert found.advised is None or found.advised in found.gaining
