"""A LoRA with numbers that are none, or a damaged file, wherever one is read: one sentence that names it."""

from __future__ import annotations

import pytest
import torch

from core.bases import picture_base
from core.lora.adapters import convert, image_file, merge
from core.lora.adapters.layers import Lora
from core.lora.image.sampler import Artist, sampling
from core.lora.prove import prove
from core.lora.text import chat
from core.messages import Mistake
from core.settings.lora_jobs import (
    ChatSettings,
    ExportSettings,
    MergeSettings,
    ProofSettings,
    TextProofSettings,
)
from core.settings.video import ComposeSettings
from core.texts.writer import Writer
from core.video import compose
from tests import damage
from tests.running import last

KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
DAMAGES = [
    (damage.nan, "holds numbers that are none"),
    (damage.infinite, "holds numbers that are none"),
    (damage.cut, "is not a whole .safetensors file"),
    (damage.empty, "is not a whole .safetensors file"),
    (damage.pointer, "is a git-lfs pointer"),
]


@pytest.fixture
def lora(tmp_path):
    """An image LoRA of one layer for the tiny base."""
    layers = {KEY: Lora(torch.randn(2, 8), torch.randn(8, 2), 2.0)}
    return image_file.write(tmp_path / "ink.safetensors", layers, {}, torch.float32)


IMAGE = {
    "read": lambda lora, base, made: image_file.read(lora),
    "drawn with": lambda lora, base, made: Artist(sampling(base, [(lora, 1.0)], 32, 32)),
    "composed with": lambda lora, base, made: list(
        compose.compose(
            ComposeSettings(
                topic="a river", image_base=base, lora=(str(lora),), output=lora.with_suffix(".mp4")
            )
        )
    ),
    "exported": lambda lora, base, made: list(
        convert.export(ExportSettings(lora=lora, base=base, format="diffusers"))
    ),
    "proved": lambda lora, base, made: list(
        prove(ProofSettings(lora=lora, base=base, pictures=made().train_data_dir))
    ),
    "gone on from": lambda lora, base, made: last(made(continue_from=lora, max_steps=1)),
}


@pytest.mark.parametrize(("how", "said"), DAMAGES)
@pytest.mark.parametrize("use", IMAGE)
def test_an_image_lora(use, how, said, lora, tiny_base, image_settings):
    how(lora)
    with pytest.raises(Mistake, match=f"{lora} {said}") as told:
        IMAGE[use](lora, str(tiny_base), image_settings)
    if how in (damage.nan, damage.infinite):
        assert f"{KEY}.lora_up.weight" in str(told.value)
    assert {path.name for path in lora.parent.glob("ink*")} <= {lora.name, "ink style"}


@pytest.fixture
def voice(recipe_of, text_settings, tmp_path):
    """A text LoRA's folder for the tiny language model."""
    recipe_of(text_settings()).keep(tmp_path / "mine", 0)
    return tmp_path / "mine"


def spoken(folder, base):
    """A writer that speaks with the LoRA."""
    with Writer(base, "fp32").voice(folder):
        pass


TEXT = {
    "spoken with": lambda folder, base, made: spoken(folder, base),
    "talked to": lambda folder, base, made: [
        "".join(said) for _, said in chat.in_turn(ChatSettings(lora=folder, base=base), ["a river"])
    ],
    "merged": lambda folder, base, made: list(merge.merge(MergeSettings(lora=folder, base=base))),
    "proved": lambda folder, base, made: list(
        prove(TextProofSettings(lora=folder, base=base, texts=made().train_data_path))
    ),
    "gone on from": lambda folder, base, made: last(made(continue_from=folder, max_steps=1)),
}


@pytest.mark.parametrize(
    ("file", "how", "said"),
    [
        *(("adapter_model.safetensors", how, f"adapter_model.safetensors {said}") for how, said in DAMAGES),
        ("adapter_model.safetensors", damage.gone, "has no adapter_model.safetensors"),
        ("adapter_config.json", damage.gone, "has no adapter_config.json"),
        ("adapter_config.json", damage.cut, "adapter_config.json is damaged"),
        ("adapter_config.json", damage.listed, "adapter_config.json is damaged"),
        ("adapter_config.json", damage.bare, "adapter_config.json tells no rank"),
    ],
)
@pytest.mark.parametrize("use", TEXT)
def test_a_text_lora(use, file, how, said, voice, tiny_llm, text_settings):
    how(voice / file)
    with pytest.raises(Mistake, match=said):
        TEXT[use](voice, str(tiny_llm), text_settings)
    assert not voice.with_name("mine_merged").exists()


def test_a_text_lora_that_lacks_half_of_a_pair_is_gone_on_from_without_it(voice, recipe_of, text_settings):
    from core.lora.text.recipe import lora_parameters

    damage.lacking(voice / "adapter_model.safetensors")
    assert lora_parameters(recipe_of(text_settings(continue_from=voice)).model)


def test_a_text_lora_of_a_model_with_other_widths_is_one_sentence(voice, recipe_of, text_settings, tmp_path):
    from safetensors.torch import load_file, save_file

    file = voice / "adapter_model.safetensors"
    wide = {name: t.repeat(2, 1) if "lora_B" in name else t for name, t in load_file(file).items()}
    save_file(wide, file)
    with pytest.raises(Mistake, match="none of its layers fits"):
        recipe_of(text_settings(continue_from=voice))


def test_numbers_too_large_for_fp16_are_written_in_fp32(recipe_of, image_settings, tmp_path):
    """They are infinite in fp16, which the reading refuses: no reason to give the LoRA up."""
    recipe = recipe_of(image_settings(network="lora"))
    first = next(iter(recipe.layers().values()))
    with torch.no_grad():
        first.down.fill_(1e5)
        first.up.fill_(1e-6)
    path = tmp_path / "x.safetensors"
    assert recipe._write(path, {}) < 1e-3
    assert {t.dtype for one in image_file.read(path).layers.values() for t in one.parts().values()} == {
        torch.float32
    }


def test_a_picture_that_would_be_black_is_told(tiny_base):
    artist = Artist(sampling(str(tiny_base), [], 32, 32))
    with torch.no_grad():
        artist.pipeline.unet.conv_out.bias.fill_(float("inf"))
    with pytest.raises(Mistake, match="would be black, as numbers overflow in"):
        artist.draw("a boat", 1)


def test_an_autoencoder_that_overflows_in_half_precision_is_asked_in_fp32(tiny_base):
    from core.families import diffusion

    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    vae = picture_base.load(str(tiny_base)).vae
    with torch.no_grad():  # its numbers pass fp16's largest on the way, and come back
        vae.decoder.conv_in.weight.mul_(2e5)
    expected = diffusion.decode(vae, latents)
    made = diffusion.decode(vae.half(), latents)
    assert vae.dtype == torch.float16 and expected.std() > 1
    assert abs(made.astype(int) - expected.astype(int)).mean() < 3
    with torch.no_grad():
        vae.decoder.conv_in.bias.fill_(float("nan"))
    with pytest.raises(Mistake, match="autoencoder gives no numbers"):
        diffusion.decode(vae, latents)


def test_a_sample_that_would_be_black_ends_no_training(image_settings, recipe_of, monkeypatch):
    from core.lora.engine import loop

    settings = image_settings(max_steps=2, sample_steps=1)
    recipe = recipe_of(settings)
    decoder = recipe.pipeline.vae.decoder.conv_in
    with torch.no_grad():
        decoder.bias.fill_(float("nan"))
    told = list(loop.run(recipe, settings, settings.output_dir, {}))
    assert recipe.facts.run.steps == 2
    assert any("gives no numbers" in str(step.text) for step in told)
