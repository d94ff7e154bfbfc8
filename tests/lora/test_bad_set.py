"""A set made bad on purpose: three pictures, repeated twenty times, at far too high a rate.

One run of a tiny base; pre-flight, advisor, library and proof say what is wrong with it.
"""

from __future__ import annotations

import shutil
import statistics

import pytest
from PIL import Image

from core.lineage import read_lineage
from core.lora import preflight
from core.lora.image.dataset import kept_out
from core.lora.proof import image_report
from core.lora.proof import page as proof_page
from core.lora.prove import prove
from core.lora.train import train
from core.messages import from_plain
from core.settings.lora_jobs import ProofSettings
from core.settings.training import ImageTraining

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
    assert [(one.template, one.values) for one in kept] == [(one.template, one.values) for one in said[:2]]
    assert kept[0].template.startswith("It over-fits: the held-out loss was lowest")


def test_the_proof_takes_no_chance_for_style(reports, tmp_path):
    """Gain and spread are those of three proofs with a seed each; a gain within chance is none."""
    found = image_report.read(proof_page.folder_of(reports[-1].result))
    assert len(found.seeds) == 3 and [one.weight for one in found.figures] == [0, 0.5, 0.75, 1, 1.25]
    lora, gains = tmp_path / reports[-1].result.name, []
    for source in (reports[-1].result, reports[-1].result.with_suffix(".yaml")):
        shutil.copy(source, tmp_path)
    for seed in found.seeds:
        settings = ProofSettings(lora=lora, weights=(1.0,), seeds=1, seed=seed)
        page = list(prove(settings))[-1].result
        gains.append(image_report.read(page.parent).figures[-1].gain)
    whole = next(one for one in found.figures if one.weight == 1)
    assert whole.gain == pytest.approx(statistics.mean(gains), abs=1e-5)
    assert whole.spread == pytest.approx(statistics.stdev(gains), abs=1e-5)
    beyond_chance = statistics.mean(gains) > statistics.stdev(gains) / 3**0.5
    assert (whole in found.gaining) == beyond_chance
