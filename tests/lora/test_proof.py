"""The proof of an image LoRA: pairs at the same seeds, scores, the copying check, the advice, the page."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from core import commands
from core.bases import labeller
from core.images.tagging import Tagger
from core.lora.adapters import fuse, image_file
from core.lora.image.sampler import Artist, sampling
from core.lora.proof import image as image_proof
from core.lora.proof import image_report
from core.lora.proof import page as proof_page
from core.lora.proof.image_report import Figures, Proof
from core.lora.proof.scores import Judge, known
from core.lora.prove import prove
from core.lora.train import train
from core.messages import Mistake
from core.settings.lora_jobs import ProofSettings
from core.settings.training import ImageTraining

BASE = Figures(None, 0.0, 0.60, 0.0, 0.0, 0.30, 0.0, "1.png", 0.7, 0.5, 0)


@pytest.fixture(scope="module")
def trained(tiny_base, picture_folder, tmp_path_factory):
    """A LoRA trained in a project's places, with two kept along the way, proved at the end."""
    folder = tmp_path_factory.mktemp("proof")
    settings = ImageTraining(
        base_model=str(tiny_base),
        train_data_dir=picture_folder,
        output_dir=folder / "runs" / "ink",
        lora_dir=folder / "loras",
        batch_size=2,
        epochs=3,
        lora_rank=4,
        precision="fp32",
        learning_rate=1e-2,
        trigger="inkwash",
        prove=True,
        look_share=0,
    )
    return list(train(settings))[-1].result


@pytest.fixture
def judge():
    """A judge over five blots, one as good as the other."""
    tagger = Tagger(labeller.load())
    return Judge(tagger, [known(tagger, f"{seed}.png", blots(seed)) for seed in range(5)])


def blots(seed: int) -> Image.Image:
    """Dark blots on paper, each seed's its own."""
    picture, random = Image.new("RGB", (96, 96), "#f4ecd8"), np.random.default_rng(seed)
    for x, y, radius in random.integers((0, 0, 6), (96, 96, 24), (6, 3)):
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill="#2c2722")
    return picture


def settings_for(lora: Path, **changes: object) -> ProofSettings:
    return ProofSettings(**{"lora": lora, "seeds": 1, "weights": (1.0,), "prompts": ("a boat",)} | changes)


def test_a_training_leaves_loras_along_the_way_and_its_proof(trained):
    kept = sorted((trained.parent.parent / "runs" / "ink" / "kept" / trained.stem).iterdir())
    assert [path.name for path in kept] == ["step-00000003.safetensors", "step-00000006.safetensors"]
    first, second, final = (image_file.read(path) for path in (*kept, trained))
    assert first.layers.keys() == final.layers.keys()
    assert first.metadata["ss_steps"] == "3" and image_file.trigger(kept[0]) == "inkwash"
    assert "ss_training_finished_at" not in first.metadata
    changes = [max(float(layer.up.abs().max()) for layer in one.layers.values()) for one in (first, second)]
    assert 0 < changes[0] != changes[1]
    found = image_report.read(proof_page.folder_of(trained))
    assert [one.step for one in found.figures] == [None, *[3] * 4, *[6] * 4, *[None] * 4]
    assert found.prompts == ("inkwash, a river", "inkwash, a bridge", "inkwash, a lamp")
    run = trained.parent.parent / "runs" / "ink"
    for name in ("proof.html", "proof.json"):
        assert (run / name).read_bytes() == (proof_page.folder_of(trained) / name).read_bytes()


def test_at_weight_0_it_is_the_base_and_afterwards_too(trained, tiny_base):
    artist = Artist(sampling(str(tiny_base), [], 32, 32))
    base = artist.draw("inkwash, a boat", 3)
    for weight, same in ((0.0, True), (1.0, False)):
        with fuse.fused(artist.pipeline, [(trained, weight)]):
            assert np.array_equal(artist.draw("inkwash, a boat", 3), base) == same
    assert np.array_equal(artist.draw("inkwash, a boat", 3), base)


def test_the_same_seed_gives_the_same_figures(trained, tmp_path):
    lora = shutil.copy(trained, tmp_path / "ink.safetensors")
    shutil.copy(trained.with_suffix(".yaml"), tmp_path / "ink.yaml")
    found = []
    for seed in (5, 5, 6):
        page = list(prove(settings_for(Path(lora), seed=seed)))[-1].result
        found.append(image_report.read(page.parent))
    assert found[0] == found[1] and found[0].figures[1] != found[2].figures[1]
    base, lora_figures = found[0].figures
    assert (base.weight, base.gain, base.kept, base.spread) == (0, 0, 0, 0)
    assert lora_figures.gain == pytest.approx(lora_figures.style - base.style)
    assert lora_figures.kept == pytest.approx(lora_figures.prompt - base.prompt)


def test_the_spread_is_that_of_seeds_not_of_prompts():
    def scores(*styles):
        return [image_proof.Score(style, 0.2, "a.png", 0.5, 0.1, False) for style in styles]

    base = scores(0.1, 0.2, 0.5, 0.6)  # two prompts at two seeds each
    even = image_proof.compare(4, 1.0, scores(0.3, 0.4, 0.6, 0.7), base, seeds=2)
    assert even.gain == pytest.approx(0.15) and even.spread == pytest.approx(0)
    uneven = image_proof.compare(4, 1.0, scores(0.3, 0.2, 0.7, 0.6), base, seeds=2)
    assert uneven.gain == pytest.approx(0.1) and uneven.spread == pytest.approx(0.2 / 2**0.5)


def test_a_training_picture_is_a_copy_and_a_new_one_is_not(judge):
    shown = [blots(2), ImageOps.mirror(blots(2)), blots(99)]
    own, mirrored, new = judge.score(shown, ["a boat"] * 3)
    assert own.copied and own.nearest == "2.png"
    assert own.likeness == pytest.approx(1, abs=1e-4) and own.correlation == pytest.approx(1, abs=1e-4)
    assert mirrored.correlation == pytest.approx(1, abs=1e-4)
    assert not new.copied and new.correlation < 0.9
    worn = blots(3).resize((48, 48)).resize((96, 96)).point(lambda value: value * 0.9 + 10)
    assert judge.score([worn], ["a boat"])[0].copied


def test_style_is_the_likeness_to_the_training_pictures(judge):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    alike, unlike = judge.score([blots(77), noise], ["a boat", "a boat"])
    assert alike.style > unlike.style
    assert judge.own_style <= judge.own_likeness <= 1


def proof_of(*figures: Figures) -> Proof:
    return Proof("ink.safetensors", "embedded", ("a boat",), (1, 2), 0.8, 0.9, 0.6, (BASE, *figures))


def test_advised_is_the_most_style_that_keeps_the_prompt_and_copies_nothing():
    mild = replace(BASE, step=4, weight=0.5, style=0.64, gain=0.04, kept=-0.01)
    good = replace(BASE, weight=1.0, style=0.70, gain=0.10, spread=0.01, kept=-0.04)
    loud = replace(BASE, weight=1.25, style=0.75, gain=0.15, kept=-image_report.PROMPT_LOSS - 0.01)
    copy = replace(BASE, step=4, weight=1.25, style=0.80, gain=0.20, copies=1)
    whole = proof_of(mild, good, loud, copy)
    assert whole.advised == good
    assert image_report.advice(whole).startswith(
        "Use the finished LoRA at weight 1: its style score is 0.100 above"
    )
    assert "the LoRA of step 4 at weight 0.5" in image_report.advice(proof_of(mild, loud, copy))
    assert "repeats training pictures" in image_report.advice(proof_of(copy))
    assert "loses the prompt" in image_report.advice(proof_of(loud, copy))
    assert "no weight" in image_report.advice(proof_of(replace(mild, gain=-0.01))).lower()
    assert proof_of(loud, copy).advised is None


def test_advised_is_more_than_chance_and_the_mildest_of_those_alike():
    def one(step, weight, gain, spread):
        return replace(BASE, step=step, weight=weight, gain=gain, spread=spread)

    chance = proof_of(one(None, 1.0, 0.02, 0.03))  # its standard error over two seeds is 0.021
    assert chance.advised is None and "than chance would have it" in image_report.advice(chance)
    assert proof_of(one(None, 1.0, 0.022, 0.03)).advised is not None
    strong, mild, weak = one(None, 1.25, 0.10, 0.02), one(None, 0.75, 0.09, 0.0), one(None, 0.5, 0.08, 0.0)
    early, late = one(4, 0.75, 0.088, 0.0), one(8, 0.75, 0.089, 0.0)
    assert proof_of(strong, weak).advised == strong
    assert proof_of(strong, mild, weak).advised == mild
    assert proof_of(strong, mild, weak, late, early).advised == early


def test_the_page_stands_alone_and_shows_every_pair(trained):
    text = (proof_page.folder_of(trained) / "proof.html").read_text(encoding="utf-8")
    assert "http" not in text and "<script" not in text
    pictures = re.findall(r"src='data:image/jpeg;base64,([^']+)'", text)
    assert len(pictures) == text.count("<img") == 3 * (3 * 3) * (1 + 4)
    assert {Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures} == {(32, 32)}
    found = image_report.read(proof_page.folder_of(trained))
    assert text.count("<tr") >= 1 + len(found.figures) and image_report.advice(found).split(":")[0] in text
    assert all(prompt in text for prompt in found.prompts)


def test_stopping_keeps_what_was_judged(trained, tmp_path):
    lora = Path(shutil.copy(trained, tmp_path / "ink.safetensors"))
    shutil.copy(trained.with_suffix(".yaml"), tmp_path / "ink.yaml")
    job = prove(settings_for(lora, weights=(0.5, 1.0)))
    for step in job:
        if step.text and "weight 0.5" in step.text:
            break
    job.close()
    assert [one.weight for one in image_report.read(proof_page.folder_of(lora)).figures] == [0, 0.5]


def test_prompts_are_held_out_captions_and_have_the_trigger_once(image_settings):
    images = [image_proof.CaptionedImage(Path(f"{n}.png"), f"inkwash, thing {n}") for n in range(10)]
    chosen = image_settings(holdout=0.3)
    held_out = {f"inkwash, thing {n}" for n in image_proof.kept_out(10, chosen)}
    assert set(image_proof._prompts(images, chosen)) == held_out
    assert image_proof._prompts(images, image_settings(sample_prompts=("tea",))) == ("tea",)
    assert image_proof._called("tea", "inkwash") == "inkwash, tea"
    assert image_proof._called("inkwash, tea", "inkwash") == "inkwash, tea"
    assert image_proof.plain("inkwash, tea", "inkwash") == "tea"


def test_what_is_missing_is_said(trained, picture_folder, tmp_path):
    lora = Path(shutil.copy(trained, tmp_path / "downloaded.safetensors"))
    with pytest.raises(Mistake, match="says which pictures"):
        list(prove(ProofSettings(lora=lora)))
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(picture_folder / "0.png", bare)
    with pytest.raises(Mistake, match="no captions"):
        list(prove(ProofSettings(lora=lora, pictures=bare)))
    with pytest.raises(Mistake, match="There is no LoRA"):
        list(prove(ProofSettings(lora=tmp_path / "none.safetensors")))


def test_the_command_prints_the_page_last(trained, tmp_path, tiny_base, picture_folder, capsys):
    lora = Path(shutil.copy(trained, tmp_path / "downloaded.safetensors"))
    arguments = ["prove", str(lora), "--base", str(tiny_base), "--pictures", str(picture_folder)]
    small = ["--prompts", "tea", "--weights", "0.8", "--seeds", "1"]
    assert commands.run([*arguments, *small], lambda _: 0) == 0
    page = Path(capsys.readouterr().out.splitlines()[-1])
    assert page == tmp_path / "downloaded.proof" / "proof.html" and page.is_file()
    assert image_report.read(page.parent).prompts == ("inkwash, tea",)


def test_the_advised_one_is_taken_where_that_is_asked(trained, monkeypatch, capsys):
    monkeypatch.setattr(Proof, "advised", property(lambda found: found.figures[1]))
    small = ["--prompts", "tea", "--weights", "0.8", "--seeds", "1"]
    copied = Path(shutil.copytree(trained.parent, trained.parent.parent / "others")) / trained.name
    assert commands.run(["prove", str(copied), *small, "--use-advised"], lambda _: 0) == 0
    kept = trained.parent.parent / "runs" / "ink" / "kept" / trained.stem / "step-00000003.safetensors"
    taken = copied.with_name("lora_v2_ink_r4_ep1.safetensors")
    assert taken.read_bytes() == kept.read_bytes()
    said = capsys.readouterr()
    assert taken.name in said.out + said.err and said.out.splitlines()[-1].endswith("proof.html")


def test_a_lora_of_stable_diffusion_xl_is_proved_as_well(sdxl_folder, sdxl_lora, picture_folder):
    given = settings_for(sdxl_lora, base=str(sdxl_folder), pictures=picture_folder)
    page = list(prove(given))[-1].result
    base, lora = image_report.read(page.parent).figures
    assert (base.weight, lora.weight) == (0, 1) and lora.gain != 0


def test_a_base_is_drawn_with_as_it_was_trained_on(trained, picture_folder):
    assert image_proof.find(settings_for(trained)).prediction == "auto"
    assert image_proof.find(settings_for(trained, prediction="v_prediction")).prediction == "v_prediction"
    velocity = ImageTraining(train_data_dir=picture_folder, prediction="v_prediction")
    assert image_proof._prediction(settings_for(trained), velocity) == "v_prediction"
    assert image_proof._prediction(settings_for(trained, base="other"), velocity) == "auto"
