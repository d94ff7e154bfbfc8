"""LoRA files as other programs name them add what those programs say; what isn't known is told."""

from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from core.bases import picture_base
from core.families.keys import text_encoder_key, unet_key
from core.lora.adapters import fuse, image_file
from core.messages import Mistake

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"  # 8 × 8
KERNEL = "down_blocks.0.resnets.0.conv1"  # 8 × 8 × 3 × 3
CLIP = "encoder.layers.0.mlp.fc1"  # 32 × 16


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def named(key, **parts):
    return {f"{key}.{name.replace('__', '.')}": tensor for name, tensor in parts.items()}


def loaded(pipeline, tensors, path):
    """What the file changed in the three layers' weights, and what was told of it."""
    modules = [pipeline.unet.get_submodule(LINEAR), pipeline.unet.get_submodule(KERNEL),
               pipeline.text_encoder.get_submodule(CLIP)]  # fmt: skip
    before = [module.weight.detach().clone() for module in modules]
    save_file(tensors, path)
    told = fuse.load_into(pipeline, [(path, 1.0)])
    changed = [module.weight.detach() - old for module, old in zip(modules, before, strict=True)]
    return before, changed, [str(line) for line in told]


def test_sd_scripts_with_convolutions(pipeline, tmp_path):
    """networks.lora with `conv_dim=3 conv_alpha=1` (LoCon), and the text encoder's perceptron."""
    down, up, wide, thin = numbers(2, 8), numbers(8, 2), numbers(3, 8, 3, 3), numbers(8, 3, 1, 1)
    tensors = named(unet_key(LINEAR), lora_down__weight=down, lora_up__weight=up, alpha=torch.tensor(1.0))
    tensors |= named(unet_key(KERNEL), lora_down__weight=wide, lora_up__weight=thin, alpha=torch.tensor(1.0))
    text = {"lora_down__weight": numbers(2, 16), "lora_up__weight": numbers(32, 2)}
    tensors |= named(text_encoder_key(CLIP), **text, alpha=torch.tensor(2.0))
    _, changed, told = loaded(pipeline, tensors, tmp_path / "x.safetensors")
    kernel = torch.einsum("or,rikl->oikl", thin[:, :, 0, 0], wide) / 3
    wanted = [up @ down / 2, kernel, text["lora_up__weight"] @ text["lora_down__weight"]]
    torch.testing.assert_close(changed, wanted, atol=1e-5, rtol=1e-4)
    assert told == []


@pytest.mark.parametrize("prefix", ["lora_unet_", "lycoris_"])
def test_lycoris_with_a_kernel_between(pipeline, tmp_path, prefix):
    """LoCon in Tucker form: a kernel `lora_mid` between two 1 × 1 convolutions."""
    down, mid, up = numbers(2, 8, 1, 1), numbers(2, 2, 3, 3), numbers(8, 2, 1, 1)
    key = unet_key(KERNEL).replace("lora_unet_", prefix)
    parts = {"lora_down__weight": down, "lora_mid__weight": mid, "lora_up__weight": up}
    tensors = named(key, **parts, alpha=torch.tensor(1.0))
    _, changed, told = loaded(pipeline, tensors, tmp_path / "x.safetensors")
    wanted = torch.einsum("or,rskl,si->oikl", up[:, :, 0, 0], mid, down[:, :, 0, 0]) / 2
    torch.testing.assert_close(changed[1], wanted, atol=1e-5, rtol=1e-4)
    assert told == []


@pytest.mark.parametrize("on_output", [False, True])
def test_onetrainer_dora_with_embeddings(pipeline, tmp_path, on_output):
    """kohya_flatten's names; lengths by input, with `dora_on_output` by row; bundled embeddings are told."""
    tensors = {"bundle_emb.inkwash.clip_l": numbers(2, 16), "bundle_emb.inkwash.clip_l_out": numbers(2, 16)}
    deltas = {}
    for key, module, down, up in (
        (unet_key(LINEAR), pipeline.unet.get_submodule(LINEAR), numbers(2, 8), numbers(8, 2)),
        (unet_key(KERNEL), pipeline.unet.get_submodule(KERNEL), numbers(2, 8, 3, 3), numbers(8, 2, 1, 1)),
        (text_encoder_key(CLIP), pipeline.text_encoder.get_submodule(CLIP), numbers(2, 16), numbers(32, 2)),
    ):
        axes = [axis for axis in range(module.weight.dim()) if axis != (0 if on_output else 1)]
        scale = 1.2 * torch.linalg.vector_norm(module.weight.detach(), dim=axes, keepdim=True)
        tensors |= named(key, lora_down__weight=down, lora_up__weight=up, alpha=torch.tensor(1.0))
        tensors |= named(key, dora_scale=scale)
        deltas[key] = (up.flatten(1) @ down.flatten(1) / 2).view_as(module.weight), axes, scale
    before, changed, told = loaded(pipeline, tensors, tmp_path / "x.safetensors")
    for old, change, (delta, axes, scale) in zip(before, changed, deltas.values(), strict=True):
        whole = old + delta
        whole = whole / torch.linalg.vector_norm(whole, dim=axes, keepdim=True) * scale
        torch.testing.assert_close(old + change, whole, atol=1e-5, rtol=1e-4)
    (line,) = told
    assert "1 × bundle_emb…clip_l, 1 × bundle_emb…clip_l_out" in line


def test_ai_toolkit_dora(pipeline, tmp_path):
    """Its DoRA calls the rows' lengths `magnitude`; a layer trained whole is a `diff`, which is told."""
    down, up, lengths = numbers(2, 8), numbers(8, 2), torch.linspace(1, 2, 8)
    tensors = named(unet_key(LINEAR), lora_down__weight=down, lora_up__weight=up, magnitude=lengths)
    tensors |= named("lora_unet_conv_in", diff=numbers(8, 4, 3, 3), diff_b=numbers(8))
    before, changed, told = loaded(pipeline, tensors, tmp_path / "x.safetensors")
    whole = before[0] + up @ down
    wanted = whole / whole.norm(dim=1, keepdim=True) * lengths[:, None]
    torch.testing.assert_close(before[0] + changed[0], wanted, atol=1e-5, rtol=1e-4)
    assert told == [
        "x.safetensors also holds what this studio doesn't know and leaves out: 1 × diff, 1 × diff_b."
    ]


def trained_by_diffusers(tiny_base, **changes):
    """A UNet with peft's LoRA of random numbers, as diffusers' training script has it at its end."""
    unet = StableDiffusionPipeline.from_pretrained(tiny_base).unet
    config = {"r": 4, "lora_alpha": 2, "target_modules": ["to_q", "to_v", "conv1"], **changes}
    unet.add_adapter(LoraConfig(**config))
    torch.manual_seed(3)
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
        elif "magnitude" in name:
            parameter.data *= 1.3
    return unet.eval()


PATTERNS = {"rank_pattern": {"attn1.to_q": 2}, "alpha_pattern": {"conv1": 16, "attn2.to_v": 1}}


@pytest.mark.parametrize("changes", [PATTERNS, {"use_rslora": True}, {"use_dora": True}, {"lora_alpha": 4}])
@pytest.mark.parametrize("written", ["script", "adapter", "peft"])
def test_diffusers_and_peft_with_their_configuration(tiny_base, pipeline, tmp_path, changes, written):
    unet = trained_by_diffusers(tiny_base, **changes)
    if written == "script":
        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
        told = _collate_lora_metadata({"unet": unet})
        StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers, **told)
    elif written == "adapter":
        unet.save_lora_adapter(tmp_path)
    else:
        unet.peft_config["default"].save_pretrained(tmp_path)
        held = get_peft_model_state_dict(unet)
        held = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in held.items()}
        save_file(held, tmp_path / "adapter_model.safetensors")
    (path,) = tmp_path.glob("*.safetensors")
    assert fuse.load_into(pipeline, [(path, 1.0)]) == []
    drawn = torch.randn(2, 4, 8, 8), torch.tensor([100, 700]), torch.randn(2, 24, 16)
    with torch.no_grad():
        theirs, ours = unet(*drawn).sample, pipeline.unet(*drawn).sample
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_a_file_of_nothing_known_is_refused_with_what_it_holds(tmp_path):
    tensors = {f"lora_unet_{at}.oft_R.weight": torch.ones(2, 3) for at in range(5)}
    tensors |= {f"lora_unet_{at}.alpha": torch.tensor(1.0) for at in range(5)}
    save_file(tensors | {"lora_te_x.w_norm": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(Mistake, match=r"only 5 × alpha, 5 × oft_R.weight, 1 × w_norm;"):
        image_file.read(tmp_path / "x.safetensors")
