"""Stable Diffusion XL as a single file in the original layout: true block structure, small width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import families
from core.bases import picture_base
from core.families import diffusion, keys, sdxl
from core.messages import Mistake
from core.progress import outcome, within
from tests import original_layout

IDS = torch.tensor([[1512, 320, 368, 1513]])


def test_it_loads_offline_with_equal_outputs(sdxl: Any, sdxl_file: Path) -> None:
    loaded = picture_base.load(str(sdxl_file))
    generator = torch.Generator().manual_seed(1)
    latents, context, pooled = (
        torch.randn(shape, generator=generator) for shape in ((1, 4, 8, 8), (1, 5, 192), (1, 128))
    )
    told = {"text_embeds": pooled, "time_ids": torch.tensor([[64, 48, 0, 8, 64, 32]])}
    outputs = []
    with torch.no_grad():
        for part in (loaded, sdxl):
            first = part.text_encoder(IDS, output_hidden_states=True).hidden_states[-2]
            second = part.text_encoder_2(IDS, output_hidden_states=True)
            drawn = part.unet.eval()(latents, 7, context, added_cond_kwargs=told).sample
            outputs.append(
                (drawn, part.vae.decode(latents).sample, first, second.hidden_states[-2], second.text_embeds)
            )
    for ours, theirs in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_it_is_known_by_its_keys_and_by_its_folder(
    sdxl_file: Path, sdxl_folder: Path, tiny_base: Path
) -> None:
    assert picture_base.family_of(str(sdxl_file)) is picture_base.family_of(str(sdxl_folder)) is sdxl
    assert picture_base.family_of(str(tiny_base)) is families.stable_diffusion
    assert picture_base.drawing(str(sdxl_file)).square == (1024, 1024)
    assert picture_base.drawing(str(sdxl_folder)).square == (32, 32)


def test_a_folder_of_another_family_is_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}', encoding="utf-8")
    with pytest.raises(Mistake, match="made for FluxPipeline"):
        picture_base.load(str(tmp_path))


def test_each_encoder_has_its_own_padding(sdxl_file: Path) -> None:
    pipeline = picture_base.load(str(sdxl_file))
    ids = sdxl.tokenize(pipeline, ["a cat"])
    assert ids["text_encoder"].shape == ids["text_encoder_2"].shape == (1, 77)
    assert ids["text_encoder"][0, -1] == 1513 and ids["text_encoder_2"][0, -1] == 0


@pytest.mark.parametrize("source", ["sdxl_file", "sdxl_folder"])
def test_prompts_become_what_the_pipeline_makes_of_them(source: str, request: pytest.FixtureRequest) -> None:
    pipeline = picture_base.load(str(request.getfixturevalue(source)))
    with torch.no_grad():
        text = sdxl.embed(pipeline, sdxl.tokenize(pipeline, ["a cat"]))
        embeds, _, pooled, _ = pipeline.encode_prompt("a cat", do_classifier_free_guidance=False)
    torch.testing.assert_close(text["prompt_embeds"], embeds)
    torch.testing.assert_close(text["pooled_prompt_embeds"], pooled)


def test_drawing_equals_the_pipelines_own(sdxl_folder: Path) -> None:
    pipeline = picture_base.load(str(sdxl_folder))
    text = sdxl.embed(pipeline, sdxl.tokenize(pipeline, ["a cat", ""]))
    with torch.inference_mode():
        ours = outcome(sdxl.sample(pipeline, text, (32, 64), 2, 3.0, [5]))[0]
    theirs = pipeline("a cat", width=32, height=64, num_inference_steps=2, guidance_scale=3.0,
                      generator=torch.Generator().manual_seed(5), output_type="np").images[0]  # fmt: skip
    assert ours.shape == (64, 32, 3)
    assert abs(ours / 255 - theirs).max() < 0.01


@pytest.mark.parametrize("base", ["sdxl_folder", "tiny_base"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_drawing_step_by_step_gives_the_pipelines_own_numbers(
    base: str, guidance: float, request: pytest.FixtureRequest
) -> None:
    pipeline = picture_base.load(str(request.getfixturevalue(base)))
    family, steps = families.of(pipeline), 5
    with torch.inference_mode():
        text = family.embed(pipeline, family.tokenize(pipeline, ["a cat", "a dog"]))
        told, ours = list[None](), None
        drawing = within(torch.inference_mode, family.sample(pipeline, text, (64, 32), steps, guidance, [7]))
        while ours is None:
            try:
                told.append(next(drawing))
            except StopIteration as end:
                (ours,) = end.value
        wanted = {name: rows[:1] for name, rows in text.items()}
        unwanted = {f"negative_{name}": rows[1:] for name, rows in text.items()}
        if getattr(pipeline.config, "force_zeros_for_empty_prompt", False):
            unwanted = {name: torch.zeros_like(rows) for name, rows in unwanted.items()}
        latents = pipeline(
            **wanted, **unwanted, width=64, height=32, num_inference_steps=steps, guidance_scale=guidance,
            generator=torch.Generator().manual_seed(7), output_type="latent",
        ).images  # fmt: skip
    assert len(told) == steps
    assert np.array_equal(ours, diffusion.decode(pipeline.vae, latents))


def test_the_velocity_is_detected_or_set(sdxl: Any, sdxl_file: Path, tmp_path: Path) -> None:
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    marked = original_layout.write(sdxl, tmp_path / "v.safetensors", **marks)
    config = picture_base.load(str(marked)).scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)
    assert config.timestep_spacing == "trailing"
    for path, prediction, found in (
        (marked, "epsilon", "epsilon"),
        (sdxl_file, "auto", "epsilon"),
        (sdxl_file, "v_prediction", "v_prediction"),
    ):
        pipeline = picture_base.load(str(path), prediction=prediction)
        assert pipeline.scheduler.config.prediction_type == found


def test_the_autoencoder_is_kept_from_fp16(sdxl_file: Path) -> None:
    pipeline = picture_base.load(str(sdxl_file), torch.float16)
    assert (pipeline.unet.dtype, pipeline.vae.dtype) == (torch.float16, torch.float32)


@pytest.mark.parametrize("source", ["sdxl_file", "sdxl_folder"])
def test_each_part_is_read_into_its_own_format(
    source: str, sdxl: Any, request: pytest.FixtureRequest
) -> None:
    """The autoencoder's numbers are the file's own, so it can't have gone through the others' format."""
    path = str(request.getfixturevalue(source))
    loaded = picture_base.load(path, torch.bfloat16, vae_dtype=torch.float32)
    assert {loaded.unet.dtype, loaded.text_encoder.dtype, loaded.text_encoder_2.dtype} == {torch.bfloat16}
    held = sdxl.vae.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in loaded.vae.state_dict().items())


def test_keys_are_those_of_the_original_layout(sdxl: Any) -> None:
    """The names that training writes against the ones that the test helper writes files by."""
    for name in sdxl.unet.state_dict():
        layer, _, end = name.rpartition(".")
        if "norm" not in layer:
            assert f"{keys.original(layer)}.{end}" == original_layout.unet_name(name, xl=True)
