"""Every training script runs a few steps at size tiny, goes on from its state, and exports what loads."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from assets.build import (
    autoencoder,
    base,
    data,
    decoder,
    frame,
    judge,
    labeller,
    loras,
    muon,
    scenes,
    styles,
    training,
)
from core.lora.adapters import image_file


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A state folder and a models folder with everything that the tiny scripts made in their first slices."""
    folder = tmp_path_factory.mktemp("build 构建")
    run(folder, autoencoder, "--steps", "2")
    run(folder, data, "--count", "8", "--shard", "8")
    run(folder, base, "--stage", "text", "--steps", "2")
    run(folder, base, "--stage", "unet", "--steps", "3")
    run(folder, base, "--stage", "export")
    return folder


def run(folder, module, *words):
    """Runs a script's `main` as its command line does."""
    before = sys.argv
    sys.argv = [module.__name__, "--size", "tiny", "--state", str(folder / "state")]
    sys.argv += ["--models", str(folder / "models"), *words]
    try:
        module.main()
    finally:
        sys.argv = before


def facts_of(folder, name):
    state = training.load_state(folder / "state" / name)
    assert state is not None
    return state[1]


def test_orthogonalise_makes_singular_values_alike():
    matrices = torch.randn(2, 24, 60, generator=torch.Generator().manual_seed(0))
    for shape in (matrices, matrices.mT):
        values = torch.linalg.svdvals(muon.orthogonalise(shape))
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_muon_learns_a_matrix():
    torch.manual_seed(0)
    layer, wanted = torch.nn.Linear(8, 8), torch.randn(8, 8) * 0.2
    optimizer = muon.Muon(muon.groups(layer, lr=2e-2, adam_lr=2e-2))
    x = torch.randn(64, 8)
    losses = []
    for _ in range(150):
        loss = (layer(x) - x @ wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 20


def test_state_is_whole_and_in_small_files(tmp_path):
    tensors = {
        "large": torch.arange(8_000_000, dtype=torch.float32).view(8000, 1000),
        "step": torch.tensor(3.0),
    }
    training.save_state(tmp_path / "state", tensors, {"step": 3})
    training.save_state(tmp_path / "state", tensors, {"step": 4})
    files = list((tmp_path / "state").glob("*.safetensors"))
    assert len(files) > 1
    assert all(file.stat().st_size <= 15_000_000 for file in files)
    stands = training.load_state(tmp_path / "state")
    assert stands is not None
    read, facts = stands
    assert facts == {"step": 4}
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_normalised_latents_are_as_large_as_what_they_change_in_the_picture():
    torch.manual_seed(0)
    model = autoencoder.build("tiny").eval()
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    before = autoencoder.reconstruct(model, pictures).astype(int)
    autoencoder.normalise(model, pictures)
    latents = data.encode(model, pictures)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 0.03
    deviation = latents.std(dim=(0, 2, 3))
    assert deviation.square().mean().sqrt() == pytest.approx(1, abs=0.03)
    answers = autoencoder._change(model, latents)
    off_axis = answers - torch.diag(answers.diag())
    assert off_axis.abs().max() < 0.3 * answers.diag().max()
    assert np.abs(autoencoder.reconstruct(model, pictures).astype(int) - before).mean() < 2


def test_box_weights_are_threefold_inside_and_mean_one():
    weights = base.box_weights(torch.tensor([[0.0, 0.0, 0.5, 1.0]]), 4, 4)
    assert weights.mean() == pytest.approx(1)
    assert weights[0, 0, 0, 0] == pytest.approx(3 * weights[0, 0, 0, 3].item())


def test_tokens_are_clips_own():
    words = base.tokenizer()
    ids = base.tokenise(words, ["a fox at night", ""])
    assert ids.shape == (2, base.LENGTH)
    assert words.convert_ids_to_tokens(ids[0, 1:5].tolist()) == ["a</w>", "fox</w>", "at</w>", "night</w>"]
    assert ids[1, 1:].unique().tolist() == [base.WORDS - 1]


def test_the_exported_base_draws(built):
    from diffusers import StableDiffusionPipeline

    folder = built / "models" / "base"
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    assert pipe.tokenizer.model_max_length == base.LENGTH
    pictures = base.draw(pipe, ["a fox in a forest"], 64, 128, seed=1)
    assert pictures.shape == (1, 128, 64, 3)
    assert json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))["object"]
    assert json.loads((folder / "studio.json").read_text(encoding="utf-8"))["steps"] == base.STEPS


def test_the_export_draws_what_the_training_drew(built):
    from diffusers import StableDiffusionPipeline

    parser = training.arguments("", 1)
    options = parser.parse_args(
        ["--size", "tiny", "--state", str(built / "state"), "--models", str(built / "models")]
    )
    learner = base.Learner(options, torch.device("cpu"))
    text, unet = learner.finished()
    exported = StableDiffusionPipeline.from_pretrained(built / "models" / "base", torch_dtype=torch.float32)
    own = base.pipeline(text, unet, exported.vae, learner.words)
    pictures = [base.draw(pipe, ["a fox"], 64, 64, seed=1).astype(int) for pipe in (own, exported)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 2


def test_a_training_without_state_goes_on_from_a_finished_base(built, tmp_path):
    shutil.copytree(built / "models", tmp_path / "models")
    shutil.copytree(built / "state" / "latents", tmp_path / "state" / "latents")
    before = UNet2DConditionModel.from_pretrained(built / "models" / "base" / "unet", dtype=torch.float32)
    told = json.loads((built / "models" / "base" / "studio.json").read_text(encoding="utf-8"))
    run(tmp_path, base, "--stage", "unet", "--steps", "1", "--go-on-from", str(built / "models"))
    tensors, facts = training.load_state(tmp_path / "state" / "unet")
    assert facts["samples"] == told["samples"] + base.SIZES["tiny"]["batch"]
    moved = [
        (tensors[f"model/unet.{name}"] - weight).abs().max().item()
        for name, weight in before.named_parameters()
    ]
    assert 0 < max(moved) < 0.01


def test_slices_go_on(built):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    vae = built / "models" / "base" / "vae"
    before = AutoencoderKL.from_pretrained(vae, dtype=torch.float32)
    for step in (1, 2):
        run(built, decoder, "--steps", "1", "--rate", "0.01")
        assert facts_of(built, "decoder") == {"step": step}
    after = AutoencoderKL.from_pretrained(vae, dtype=torch.float32)
    assert torch.equal(data.encode(before, pictures), data.encode(after, pictures))
    assert any(not torch.equal(p, q) for p, q in zip(before.parameters(), after.parameters(), strict=True))
    before = facts_of(built, "unet")
    run(built, base, "--stage", "unet", "--steps", "5", "--workers", "2", "--finish")
    after = facts_of(built, "unet")
    assert after["steps"] > before["steps"]
    assert after["samples"] - before["samples"] == 4 * (after["steps"] - before["steps"])


def test_the_redrawn_latents_are_near_the_scenes_own(built):
    """As a UNet that predicts no velocity leaves them: the signal's share at the noise's depth, and noise."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(built / "models" / "base", torch_dtype=torch.float32)
    torch.nn.init.zeros_(pipe.unet.conv_out.weight)
    torch.nn.init.zeros_(pipe.unet.conv_out.bias)
    latents = torch.randn(2, 16, 8, 4, generator=torch.Generator().manual_seed(0))
    again = decoder.redrawn(pipe, latents, ["a fox", "a cup"], seed=1)
    assert torch.equal(again, decoder.redrawn(pipe, latents, ["a fox", "a cup"], seed=1))
    likeness = torch.nn.functional.cosine_similarity(again.flatten(), latents.flatten(), dim=0)
    assert 0.7 < likeness < 0.99


def test_sentences_are_read_as_open_clip_reads_them():
    torch.manual_seed(0)
    model = labeller.build("tiny").eval()
    said = ["a fox", "a cup of tea on a table at night in the rain"]
    with torch.no_grad():
        own = model.encode_text(labeller.tokenise(said), normalize=True)
        assert torch.allclose(labeller.read_texts(model, said, torch.device("cpu")), own, atol=1e-5)


def _grey(level):
    return np.full((2, 2, 3), level, np.uint8), {"level": str(level)}


def test_drawn_pictures_are_kept_and_only_what_is_missing_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "KEPT", 2)
    pictures, told = data.kept(tmp_path, _grey, [1, 2, 3], workers=1)
    assert pictures[:, 0, 0, 0].tolist() == [1, 2, 3] and [one["level"] for one in told] == ["1", "2", "3"]
    (tmp_path / "000002.npz").unlink()
    pictures, _ = data.kept(tmp_path, _grey, [7, 8, 9], workers=1)  # only the second file is drawn anew
    assert pictures[:, 0, 0, 0].tolist() == [1, 2, 9]


@pytest.mark.parametrize("name", styles.STYLES)
@pytest.mark.parametrize("masked", [True, False])
def test_a_style_repeats_itself_and_changes_the_picture(name, masked):
    scene = scenes.draw(3, 96, 128)
    mask = scene.mask if masked else None
    one, other = (styles.STYLES[name](scene.image, 5, mask) for _ in range(2))
    assert np.array_equal(one, other) and one.shape == scene.image.shape and one.dtype == np.uint8
    assert np.abs(one.astype(int) - scene.image).mean() > 8
    assert one.std() > 15


def test_the_labeller_loads_in_open_clip(built):
    import open_clip
    from PIL import Image

    run(built, labeller, "--steps", "2")
    shutil.rmtree(built / "state" / "labeller")  # a training whose state was lost goes on from the weights
    run(built, labeller, "--steps", "1", "--go-on-from", str(built / "models"))
    assert facts_of(built, "labeller")["step"] == 3
    location = f"local-dir:{built / 'models' / 'labeller'}"
    model, preprocess = open_clip.create_model_from_pretrained(location)
    tokens = open_clip.get_tokenizer(location)(["a fox in a forest", "a cup on a table"])
    assert torch.equal(tokens, labeller.tokenise(["a fox in a forest", "a cup on a table"]))
    seen = model.encode_image(preprocess(Image.new("RGB", (90, 160)))[None], normalize=True)
    assert (model.encode_text(tokens, normalize=True) @ seen.T).shape == (2, 1)


def test_starter_loras_are_trained_and_judged(built):
    """They are made by the studio's own training, called by their trigger, and judged with the base."""
    folder = built / "loras"
    before = sys.argv
    sys.argv = ["loras", "--size", "tiny", "--state", str(built / "state"), "--models", str(built / "models")]
    sys.argv += ["--output", str(folder), "epochs=1", "precision=fp32", "lora_rank=2"]
    try:
        loras.main()
    finally:
        sys.argv = before
    for name, starter in loras.STARTERS.items():
        assert image_file.trigger(folder / f"{name}.safetensors") == starter.trigger
    run(built, judge, "--steps", "2", "--loras", str(folder))
    figures = json.loads((built / "models" / "figures.json").read_text(encoding="utf-8"))
    assert {"real-plain", "square", "ink-wash", "ink-wash-off", "real-neon-night"} <= figures.keys()
    assert all(0 <= figures[name]["object"] <= 1 and "look" in figures[name] for name in figures)


def test_a_frame_is_measured(built, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["frame", "--base", str(built / "models" / "base"), "--frames", "1"])
    frame.main()
    told = json.loads(capsys.readouterr().out)
    assert told["seconds"] > 0 and 0.1 < told["memory_gb"] < 16
    assert told["size"][1] > told["size"][0]
