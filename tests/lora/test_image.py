"""The image recipe: caching that equals encoding anew, buckets, loss weights, and a file that loads."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors import safe_open

from core import families
from core.bases import picture_base
from core.families import diffusion, stable_diffusion
from core.lora.adapters import fuse, image_file
from core.lora.engine import loop
from core.lora.engine.step import Stepper
from core.lora.image import buckets, prompts
from core.lora.image import latents as image_latents
from core.lora.train import train
from core.messages import Mistake
from core.progress import outcome
from core.settings import reading, training
from tests.running import last


@pytest.fixture
def recipe(recipe_of, image_settings):
    return recipe_of(image_settings())


def test_buckets_keep_shape_and_area():
    assert buckets.bucket((1000, 1000), 512 * 512, 64) == (512, 512)
    assert buckets.bucket((1080, 1920), 512 * 512, 64) == (384, 640)
    width, height = buckets.bucket((5000, 100), 512 * 512, 64)
    assert width / height <= 2.5 and width % 64 == height % 64 == 0
    assert buckets.nearest((1080, 1900), [(256, 256), (256, 448), (448, 256)]) == (256, 448)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_photo_loses_little_on_a_base_that_draws_any_size(family):
    for size in ((3000, 4000), (4000, 3000), (4032, 3024), (1000, 1000)):
        width, height = buckets.training_size(size, 0, 32, family.DRAWING)
        kept = min(size[0] * height, size[1] * width) / max(size[0] * height, size[1] * width)
        assert kept > 0.95 and width * height <= family.DRAWING.square[0] ** 2, size
        assert width % 64 == height % 64 == 0
    own = replace(family.DRAWING, only=True)
    assert buckets.training_size((3000, 4000), 0, 32, own) in (own.square, own.portrait)


def test_a_cut_follows_the_focus_as_far_as_the_edges_allow():
    wide = Image.new("RGB", (300, 100), "blue")
    wide.paste("red", (240, 0, 300, 100))  # its right fifth
    for focus, red in (((0.5, 0.5), 0.0), ((0.7, 0.0), 0.2), ((1.0, 0.5), 0.6)):
        cut = np.asarray(buckets.cover(wide, (30, 30), focus))
        assert (cut[..., 0] > 127).mean() == pytest.approx(red, abs=0.04), focus
    assert buckets.framing((300, 100), (30, 30), (1.0, 0.5)) == (100, 300, 0, 60, 30, 30)
    assert buckets.framing((300, 100), (30, 30), (0.5, 0.9)) == buckets.framing((300, 100), (30, 30))


def test_a_moved_cut_is_encoded_anew_and_counts_as_a_change(recipe_of, image_settings, tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    Image.effect_mandelbrot((200, 90), (-2, -1, 1, 1), 20).convert("RGB").save(folder / "a.png")
    found = []
    for focus in ("", "0.1 0.5", "0.9 0.5"):
        (folder / "metadata.csv").write_text(f"file_name,focus,text\na.png,{focus},a shore\n")
        found.append(recipe_of(image_settings(train_data_dir=folder, batch_size=1, flip=False)))
    assert len({one.pictures[0].posterior.sum().item() for one in found}) == 3
    assert len({one.pictures[0].framing for one in found}) == 3
    assert len({one.facts.data for one in found}) == 3


def test_pictures_get_the_base_sizes_and_none_is_dropped(recipe):
    assert [p.size for p in recipe.pictures] == [(32, 32), (32, 32), (32, 56)] * 2
    for epoch in range(3):
        batches = [batch for update in recipe.epoch(epoch, 1) for batch in update]
        assert sorted(place for batch in batches for place in batch) == list(range(6))
        assert all(len({recipe.pictures[recipe.numbers[p]].size for p in batch}) == 1 for batch in batches)


def test_cached_latents_equal_the_pipeline_autoencoder(recipe, image_settings):
    pipeline = picture_base.load(image_settings().base_model)
    picture = recipe.pictures[0]
    pixels = np.asarray(buckets.cover(Image.open(picture.path), picture.size), dtype=np.float32) / 127.5 - 1
    with torch.no_grad():
        posterior = pipeline.vae.encode(torch.from_numpy(pixels).permute(2, 0, 1)[None]).latent_dist
    scale = pipeline.vae.config.scaling_factor
    torch.testing.assert_close(picture.posterior[0], posterior.mean[0] * scale, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(picture.posterior[1], posterior.std[0] * scale, atol=1e-5, rtol=1e-4)
    words = pipeline.encode_prompt(picture.caption, "cpu", 1, False)[0][0]
    torch.testing.assert_close(recipe.words[picture.caption]["prompt_embeds"], words)


def test_what_is_random_depends_on_the_sample_alone(recipe):
    together, alone = recipe._draw((0, 1), (0, 1), 2), recipe._draw((1,), (1,), 2)
    assert torch.equal(together.noise[1], alone.noise[0]) and together.times[1] == alone.times[0]
    assert not torch.equal(recipe._draw((1,), (1,), 3).noise, alone.noise)


def test_noise_captions_and_mirrored_pictures_are_drawn_as_asked(recipe):
    def changed(**changes):
        recipe.settings = recipe.settings.model_copy(update=changes)

    plain = recipe._draw((0,), (0,), 0)
    changed(noise_offset=0.1)
    shift = (recipe._draw((0,), (0,), 0).noise - plain.noise)[0]
    torch.testing.assert_close(shift, shift.mean(dim=(1, 2), keepdim=True).expand_as(shift))
    assert 0.01 < shift.std() < 0.3
    for share, least, most in ((0.0, 0, 0), (0.3, 15, 45), (1.0, 100, 100)):
        changed(caption_dropout=share)
        said = [recipe._draw((0,), (0,), epoch).captions[0] for epoch in range(100)]
        assert least <= said.count("") <= most and set(said) <= {"", recipe.pictures[0].caption}
    one = recipe.pictures[0]
    shown = image_latents.pixels(buckets.cover(Image.open(one.path), one.size))
    torch.testing.assert_close(one.mirrored, diffusion.encode(recipe.pipeline, shown.flip(-1)))
    recipe.pictures[0] = replace(one, posterior=0 * one.posterior, mirrored=0 * one.posterior + 7)
    recipe.pictures[0].mirrored[1] = 0
    latents = [recipe._draw((0,), (0,), epoch).latents for epoch in range(100)]
    assert {float(one.mean()) for one in latents} == {0.0, 7.0}
    assert 30 < sum(one.mean() == 7 for one in latents) < 70


def test_half_precision_learns_and_resumes_exactly(recipe_of, image_settings, tmp_path):
    """bf16 on the CPU, weights channels last, with dropout and an average; stopped in mid-epoch."""
    chosen = image_settings(precision="bf16", dropout=0.2, ema=0.5, lr_scheduler="constant", max_steps=7)
    recipe = recipe_of(chosen)
    assert recipe.dtype == torch.bfloat16 == next(recipe.pipeline.unet.parameters()).dtype
    trained = recipe.groups()[0].parameters
    start = {name: p.detach().clone() for name, p in trained.items()}

    def run(folder):
        with torch.no_grad():
            for name, p in trained.items():
                p.copy_(start[name])
        return loop.run(recipe, chosen, tmp_path / folder, {})

    list(run("whole"))
    expected = {name: p.detach().clone() for name, p in trained.items()}
    assert all(p.dtype == torch.float32 and not torch.equal(p, start[n]) for n, p in expected.items())
    stopped = run("parts")
    list(islice((p for p in stopped if p.loss is not None), 5))
    stopped.close()
    list(run("parts"))
    assert all(torch.equal(p, expected[name]) for name, p in trained.items())


def test_min_snr_weights(recipe):
    times = torch.tensor([10, 500, 900])
    kept = recipe.schedule.alphas_cumprod[times]
    snr = kept / (1 - kept)
    for velocity, wanted in ((True, snr.clamp(max=5.0) / (snr + 1)), (False, snr.clamp(max=5.0) / snr)):
        torch.testing.assert_close(diffusion.snr_weight(recipe.schedule, times, 5.0, velocity), wanted)


def test_velocity_is_the_target_of_a_v_prediction_base(recipe):
    assert recipe.schedule.config.prediction_type == "v_prediction"
    drawn = recipe._draw((0,), (0,), 0)
    noisy = recipe.schedule.add_noise(drawn.latents, drawn.noise, drawn.times)
    recipe.pipeline.unet.eval()
    with torch.no_grad():
        made = recipe.pipeline.unet(noisy, drawn.times, recipe._text(drawn.captions)["prompt_embeds"]).sample
        kept = recipe.schedule.alphas_cumprod[drawn.times]
        velocity = kept.sqrt() * drawn.noise - (1 - kept).sqrt() * drawn.latents
        weight = (kept / (1 - kept)).clamp(max=5.0) * (1 - kept)
        expected = (made - velocity).square().mean() * weight
        assert recipe.loss((0,), 0).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("changes", [{}, {"train_text_encoder": True, "text_encoder_lr": 1e-2}])
def test_loss_falls_gradients_flow_and_the_base_stays(recipe_of, image_settings, changes):
    from accelerate import Accelerator

    recipe = recipe_of(image_settings(min_snr_gamma=0, **changes))
    before = {n: p.clone() for n, p in recipe.pipeline.unet.named_parameters() if not p.requires_grad}
    stepper = Stepper(recipe, image_settings(lr_scheduler="constant"), Accelerator())
    batch = recipe.epoch(0, 1)[0]
    losses = [stepper.update(0, batch, step, 100)[0].item() for step in range(20)]
    assert losses[-1] < losses[0] - 0.02
    stepper._gradients(0, batch, 1.0)
    assert all(p.grad.abs().sum() > 0 for p in stepper.parameters)
    assert all(torch.equal(p, before[n]) for n, p in recipe.pipeline.unet.named_parameters() if n in before)


def test_half_the_memory_gives_the_same_update(recipe_of, image_settings):
    from accelerate import Accelerator

    whole, parts = (recipe_of(image_settings()) for _ in range(2))
    first = Stepper(whole, whole.settings, Accelerator())
    second = Stepper(parts, parts.settings, Accelerator())
    second.halvings = 1
    for step, batch in enumerate(whole.epoch(0, 1)):
        assert first.update(0, batch, step, 9)[0].item() == pytest.approx(
            second.update(0, batch, step, 9)[0].item(), rel=1e-4
        )


def test_the_file_holds_every_layer_and_the_true_alpha(image_settings):
    done = last(image_settings(lora_alpha=2, train_text_encoder=True, trigger="inkwash"))
    assert done.result.name == "lora_v1_ink-style_r4_ep3.safetensors"
    lineage = yaml.safe_load(done.result.with_suffix(".yaml").read_text())
    assert lineage["settings"]["seed"] == 42
    with safe_open(done.result, "pt") as file:
        keys, metadata = set(file.keys()), file.metadata()
        alphas = {float(file.get_tensor(key)) for key in keys if key.endswith(".alpha")}
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    assert {f"{stem}.lora_down.weight", f"{stem}.lora_up.weight", f"{stem}.alpha"} <= keys
    assert "lora_te_text_model_encoder_layers_1_self_attn_q_proj.alpha" in keys
    assert alphas == {2.0}
    assert metadata["ss_network_dim"] == "4" and metadata["ss_network_alpha"] == "2.0"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert metadata["modelspec.prediction_type"] == "v"
    assert json.loads(metadata["ss_tag_frequency"])["水墨 set"]["inkwash"] == 6
    assert metadata["modelspec.hash_sha256"] == "0x" + metadata["sshs_model_hash"]


def test_private_metadata_names_nothing(image_settings):
    done = last(image_settings(private_metadata=True, trigger="inkwash", epochs=1))
    with safe_open(done.result, "pt") as file:
        said = json.dumps(file.metadata(), ensure_ascii=False)
    assert "inkwash" not in said and "水墨" not in said and "tiny base" not in said


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"target_modules": ("all",)},
        {"target_modules": ("q_proj", "v_proj")},
        {"network": "dora", "target_modules": ("all",), "lora_alpha": 2},
    ],
)
def test_the_file_draws_what_the_adapter_draws(recipe_of, image_settings, changes):
    chosen = image_settings(**changes)
    recipe = recipe_of(chosen)
    for _ in loop.run(recipe, chosen, chosen.output_dir, {}):
        pass
    path = recipe.export(chosen.output_dir / "x.safetensors", 9, 0.0)
    drawn = torch.randn(2, 4, 8, 8), torch.tensor([100, 700]), torch.randn(2, 24, 16)
    pipeline = picture_base.load(chosen.base_model)
    with torch.no_grad():
        plain = pipeline.unet(*drawn).sample
        assert fuse.load_into(pipeline, [(path, 1.0)]) == []
        filed, trained = pipeline.unet(*drawn).sample, recipe.pipeline.unet(*drawn).sample
    assert (filed - trained).norm() / trained.norm() < 1e-3
    assert (plain - trained).norm() / trained.norm() > 1e-2


def test_a_dora_is_exported_with_its_lengths_and_learns_on(image_settings, recipe_of):
    """A next run starts from the same numbers."""
    chosen = image_settings(network="dora", target_modules=("all",), epochs=2)
    path = last(chosen).result
    layers = image_file.read(path).layers
    assert all(layer.dora_scale is not None for layer in layers.values())
    assert all(
        layer.dora_scale.shape == (len(layer.up), *[1] * (layer.up.dim() - 1)) for layer in layers.values()
    )
    again = recipe_of(image_settings(network="dora", target_modules=("all",), continue_from=path)).layers()
    for key, layer in layers.items():
        torch.testing.assert_close(again[key].dora_scale.flatten(), layer.dora_scale.float().flatten())
        torch.testing.assert_close(again[key].delta(), layer.delta(), atol=1e-4, rtol=1e-2)


def test_a_lora_kept_along_the_way_is_checked_and_a_wrong_one_goes(recipe_of, image_settings, monkeypatch):
    chosen = image_settings(network="dora", max_steps=2)
    recipe = recipe_of(chosen)
    path = chosen.output_dir / "kept.safetensors"
    list(loop.run(recipe, chosen, chosen.output_dir, {}, {1: path}))
    assert image_file.read(path).metadata["ss_steps"] == "1"
    whole = image_file.read

    def longer(path):
        held = whole(path)
        layers = {key: replace(one, dora_scale=1.01 * one.dora_scale) for key, one in held.layers.items()}
        return replace(held, layers=layers)

    monkeypatch.setattr(image_file, "read", longer)
    recipe.keep(path, 2)
    assert not path.exists()
    with pytest.raises(RuntimeError, match="does not give the trained LoRA's output"):
        recipe.export(path, 2, 0.0)


def test_shuffled_tags_keep_the_first_and_are_all_encoded(recipe_of, image_settings):
    shuffled = prompts.tag_orders("inkwash, a boat, fog, dawn", image_settings(shuffle_tags=True), 0)
    assert shuffled[0] == "inkwash, a boat, fog, dawn" and 3 <= len(shuffled) <= prompts.ORDERS
    assert all(sorted(said.split(", ")) == sorted(shuffled[0].split(", ")) for said in shuffled)
    assert all(said.startswith("inkwash, ") for said in shuffled)
    assert prompts.tag_orders("inkwash, a boat, fog", image_settings(), 0) == ("inkwash, a boat, fog",)
    recipe = recipe_of(image_settings(shuffle_tags=True, keep_tags=0, caption_dropout=0.0))
    seen = {recipe._draw([0], [0], epoch).captions[0] for epoch in range(20)}
    assert seen == set(recipe.orders[recipe.pictures[0].caption]) and len(seen) == 2
    assert seen <= set(recipe.words)


def test_regularisation_pictures_are_seen_as_often_and_weigh_as_asked(recipe_of, image_settings, tmp_path):
    folder = tmp_path / "others"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (96, 96), (0, 80 * number, 0)).save(folder / f"{number}.png")
    (folder / "metadata.csv").write_text("file_name,text\n0.png,a plain\n1.png,a field\n")
    plain = recipe_of(image_settings(caption_dropout=0.0))
    recipe = recipe_of(image_settings(reg_data_dir=folder, reg_weight=0.25, caption_dropout=0.0))
    assert recipe.regular == {6, 7} and recipe.facts.regularisation == 2
    assert recipe.numbers == [0, 1, 2, 3, 4, 5, 6, 7, 6, 7, 6, 7]
    assert recipe._draw([0, 6], [0, 6], 0).weights.tolist() == [1.0, 0.25]
    assert torch.equal(recipe._draw([0], [0], 0).latents, plain._draw([0], [0], 0).latents)


def test_samples_show_the_base_beside_the_lora(image_settings):
    pictures = [
        p.picture for p in train(image_settings(epochs=1, sample_prompts=("a cat", "tea"))) if p.picture
    ]
    assert len(pictures) == 2 and all(Image.open(path).size == (64, 32) for path in pictures)


def test_a_damaged_picture_is_named_and_left_out(image_settings, picture_folder, tmp_path):
    folder = tmp_path / "with damage"
    shutil.copytree(picture_folder, folder)
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:200])
    steps = list(train(image_settings(train_data_dir=folder, epochs=1)))
    assert any(p.text and "1.png" in p.text for p in steps)
    assert any(p.text and p.text.startswith("5 pictures") for p in steps)
    assert steps[-1].result.is_file()


def test_an_empty_folder_is_a_mistake(image_settings, tmp_path):
    with pytest.raises(Mistake, match="no pictures"):
        last(image_settings(train_data_dir=tmp_path))


def test_an_unknown_layer_is_named(image_settings):
    with pytest.raises(Mistake, match="no layer to_x"):
        last(image_settings(target_modules=("to_x",)))


def test_the_familiar_yaml_runs_as_it_stands(tiny_base, picture_folder, tmp_path, monkeypatch):
    shutil.copytree(picture_folder, tmp_path / "data" / "style_train")
    home = tmp_path / "models" / "Stable-diffusion"
    home.mkdir(parents=True)
    shutil.copytree(
        tiny_base, home / "v1-5-pruned.safetensors"
    )  # a folder: the single file's test is elsewhere
    (tmp_path / "that.yaml").write_text(
        'train_data_dir: "./data/style_train"\nmetadata_path: "./data/style_train/metadata.csv"\n'
        'base_model: "./models/Stable-diffusion/v1-5-pruned.safetensors"\nlora_rank: 8\nbatch_size: 4\n'
        'epochs: 10\nlearning_rate: 2e-4\noutput_dir: "./output/my_style_lora"\nsave_steps: 100\n'
    )
    monkeypatch.chdir(tmp_path)
    chosen = training.training(reading.read_yaml(tmp_path / "that.yaml"))
    assert last(chosen).result.name == "lora_v1_my_style_lora_r8_ep10.safetensors"
    assert any((tmp_path / "output" / "my_style_lora" / "logs").iterdir())


def test_nothing_is_overwritten(image_settings):
    names = [last(image_settings(epochs=1)).result.name for _ in range(2)]
    assert names == ["lora_v1_ink-style_r4_ep1.safetensors", "lora_v2_ink-style_r4_ep1.safetensors"]


def test_stopping_saves_a_checkpoint_and_resume_ends_at_the_same_lora(image_settings, tmp_path):
    whole = last(image_settings(output_dir=tmp_path / "whole", name="x", dropout=0.2)).result
    parts = image_settings(output_dir=tmp_path / "parts", name="x", dropout=0.2)
    steps = train(parts)
    list(islice((p for p in steps if p.message == "Training" and p.loss is not None), 4))
    steps.close()
    assert (tmp_path / "parts" / "checkpoint" / "step-00000004.json").is_file()
    done = list(train(parts))
    assert any(p.text == "Continuing after step 4 of 9" for p in done)
    first, second = image_file.read(whole).layers, image_file.read(done[-1].result).layers
    assert all(
        torch.equal(first[k].down, second[k].down) and torch.equal(first[k].up, second[k].up) for k in first
    )
    assert not list((tmp_path / "parts" / "checkpoint").iterdir())


def test_held_out_pictures_are_judged_and_never_trained_on(recipe_of, image_settings):
    chosen = image_settings(holdout=0.34, epochs=6, output_dir=image_settings().output_dir / "held out")
    recipe = recipe_of(chosen)
    assert len(recipe.held_out) == 2 and not set(recipe.held_out) & set(recipe.numbers)
    before = outcome(recipe.validate(len(recipe.held_out)))
    assert before["held_out_loss"] == pytest.approx(before["base_held_out_loss"])
    assert outcome(recipe.validate(len(recipe.held_out))) == before
    for _ in loop.run(recipe, chosen, chosen.output_dir, {}):
        pass
    assert recipe.figures["held_out_loss"] < before["base_held_out_loss"]


def test_nothing_is_dropped_while_judging_and_drawing(recipe_of, image_settings):
    """The text encoders drop inputs in training alone; a failure on the way changes nothing of that."""
    asked = {"holdout": 0.3, "sample_prompts": ("a cat",)}
    recipe = recipe_of(image_settings(dropout=0.5, train_text_encoder=True, **asked))
    for group in recipe.groups():
        for parameter in group.parameters.values():
            torch.nn.init.normal_(parameter, std=0.3)
    assert dict(outcome(recipe.validate(len(recipe.held_out)))) == dict(
        outcome(recipe.validate(len(recipe.held_out)))
    )
    drawn = [outcome(recipe._draw_sample("a cat", recipe.plan)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    with pytest.raises(ZeroDivisionError), recipe._asked():
        raise ZeroDivisionError
    assert all(model.training for model in (recipe.pipeline.unet, recipe.pipeline.text_encoder))
    batch = recipe.epoch(0, 1)[0][0]
    assert recipe.loss(batch, 0) != recipe.loss(batch, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train_text_encoder": True},
        {"network": "dora", "dropout": 0.2},
        {"network": "loha", "dropout": 0.2},
    ],
)
def test_checkpointing_changes_no_gradient(recipe_of, image_settings, changes):
    def gradients(switch):
        recipe = recipe_of(image_settings(gradient_checkpointing=switch, **changes))
        torch.manual_seed(1)  # dropout's
        recipe.loss((0, 1), 0).backward()
        return {name: p.grad for group in recipe.groups() for name, p in group.parameters.items()}

    plain, checkpointed = gradients("off"), gradients(True)
    assert any(grad.any() for grad in plain.values())
    for name, grad in plain.items():
        torch.testing.assert_close(checkpointed[name], grad, rtol=1e-4, atol=1e-7)


class Scarce:
    """A loss that finds no memory until the batch is as small and as checkpointed as asked."""

    def __init__(self, recipe, most, checkpointed):
        self.recipe, self.true, self.most, self.checkpointed = recipe, recipe.loss, most, checkpointed
        self.asked = []

    def __call__(self, batch, epoch):
        twice = self.recipe.pipeline.unet.is_gradient_checkpointing
        self.asked.append((len(batch), twice))
        if len(batch) > self.most or twice < self.checkpointed:
            torch.empty(2**60)  # a true error of the allocator
        return self.true(batch, epoch)


def test_out_of_memory_halves_then_checkpoints_and_the_run_goes_on(recipe_of, image_settings, tmp_path):
    chosen = image_settings(batch_size=4, epochs=2)
    plain, recipe = recipe_of(chosen), recipe_of(chosen)
    list(loop.run(plain, chosen, tmp_path / "plain", {}))
    recipe.loss = Scarce(recipe, 1, True)
    lines = [p.text for p in loop.run(recipe, chosen, tmp_path / "scarce", {}) if p.text]
    assert recipe.loss.asked[:4] == [(4, False), (2, False), (1, False), (1, True)]
    said = (
        "Memory ran out: each step is now done in 4 parts with gradient checkpointing, with the same result"
    )
    assert lines.count(said) == 1
    for a, b in zip(
        plain.groups()[0].parameters.values(), recipe.groups()[0].parameters.values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-4)


def test_out_of_memory_leaves_out_looks_and_samples_and_the_run_goes_on(
    recipe_of, image_settings, tmp_path, monkeypatch
):
    chosen = image_settings(holdout=0.3, sample_steps=2, max_steps=4)
    recipe = recipe_of(chosen)
    asked = []

    def scarce(name, true, times):
        def tried(*given):
            asked.append(name)
            return torch.empty(2**60) if asked.count(name) <= times else true(*given)

        return tried

    monkeypatch.setattr(recipe, "_mean_loss", scarce("look", recipe._mean_loss, 1))
    monkeypatch.setattr(recipe, "_draw_sample", scarce("sample", recipe._draw_sample, 1))
    steps = list(loop.run(recipe, chosen, tmp_path / "run", {}))
    lines = [p.text for p in steps if p.text]
    assert lines.count("Memory ran out: this look at the held-out samples is left out") == 1
    assert lines.count("Memory ran out: the samples of this step are left out") == 1
    assert steps[-1].picture and sum(bool(p.picture) for p in steps) == 1
    assert recipe.figures["held_out_loss"] > 0 and recipe.pipeline.unet.training


def test_out_of_memory_while_encoding_is_tried_again(recipe_of, image_settings, monkeypatch):
    true, calls = diffusion.encode, []

    def scarce(pipeline, shown):
        calls.append(shown)
        return torch.empty(2**60) if len(calls) in broken else true(pipeline, shown)

    monkeypatch.setattr(stable_diffusion, "encode", scarce)
    broken = {2}
    assert len(recipe_of(image_settings(resolution=64)).pictures) == 6 and len(calls) == 13
    broken = set(range(100))
    with pytest.raises(Mistake, match=r"not enough to encode .*0\.png; lower resolution"):
        recipe_of(image_settings(resolution=48))


@pytest.mark.parametrize(
    ("switch", "tries", "said"),
    [
        ("auto", [(2, False), (1, False), (1, True)], "lower resolution, max_length or lora_rank"),
        ("off", [(2, False), (1, False)], "set gradient_checkpointing to auto"),
        ("on", [(2, True), (1, True)], "lower resolution, max_length or lora_rank"),
    ],
)
def test_nothing_left_to_save_is_a_mistake(recipe_of, image_settings, tmp_path, switch, tries, said):
    chosen = image_settings(gradient_checkpointing=switch)
    recipe = recipe_of(chosen)
    recipe.loss = Scarce(recipe, 0, True)
    with pytest.raises(Mistake, match=said):
        list(loop.run(recipe, chosen, tmp_path / "run", {}))
    assert recipe.loss.asked == tries
