"""LoHa and LoKr: LyCORIS' formulas and names, what is written, trained, gone on from and told of them."""

from __future__ import annotations

import json
from itertools import islice

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.bases import picture_base
from core.families.keys import unet_key
from core.lora.adapters import attach, fuse, image_file
from core.lora.adapters.layers import Loha, Lokr
from core.lora.engine import loop
from core.lora.estimate import footprint
from core.lora.train import train
from core.messages import Mistake
from tests.running import last

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"  # 8 × 8
KERNEL = "down_blocks.0.resnets.0.conv1"  # 8 × 8 × 3 × 3
NETWORKS = pytest.mark.parametrize("network", ["loha", "lokr"])


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def tucker(core, a, b):
    """The kernel [out, in, k, k] that A1111's and ComfyUI's einsum give, written out."""
    whole = torch.zeros(a.shape[1], b.shape[1], *core.shape[2:])
    for i in range(core.shape[0]):
        for j in range(core.shape[1]):
            whole += a[i][:, None, None, None] * b[j][None, :, None, None] * core[i, j]
    return whole


def kron(w1, w2):
    """Blocks of w2, each times one number of w1."""
    return torch.cat([torch.cat([number * w2 for number in row], dim=1) for row in w1])


def multiplied(parts):
    """Two products multiplied number by number."""
    return (parts["hada_w1_a"] @ parts["hada_w1_b"]) * (parts["hada_w2_a"] @ parts["hada_w2_b"])


def hada(a, b, c, d, **more):
    return {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d, **more}


T, U = numbers(2, 2, 3, 3), numbers(2, 2, 3, 3) - 1
A, B, C, D = (numbers(2, 8) + shift for shift in range(4))
W1, W2 = numbers(2, 4), numbers(4, 2)
FILES = {
    "loha": (
        LINEAR,
        hada(numbers(8, 2), numbers(2, 8), numbers(8, 2) + 1, numbers(2, 8) - 1, alpha=torch.tensor(1.0)),
        lambda p: 0.5 * multiplied(p),
    ),
    "loha, no alpha": (
        LINEAR,
        hada(numbers(8, 2), numbers(2, 8), numbers(8, 2) + 1, numbers(2, 8) - 1),
        lambda p: multiplied(p),
    ),
    "loha, flat kernel": (
        KERNEL,
        hada(numbers(8, 2), numbers(2, 72), numbers(8, 2) + 1, numbers(2, 72) - 1, alpha=torch.tensor(4.0)),
        lambda p: 2 * multiplied(p).view(8, 8, 3, 3),
    ),
    "loha, Tucker": (
        KERNEL,
        hada(A, B, C, D, hada_t1=T, hada_t2=U, alpha=torch.tensor(1.0)),
        lambda p: 0.5 * tucker(T, A, B) * tucker(U, C, D),
    ),
    "lokr, both whole": (
        LINEAR,
        {"lokr_w1": W1, "lokr_w2": W2, "alpha": torch.tensor(7.0)},
        lambda p: kron(W1, W2),
    ),
    "lokr, small whole": (
        LINEAR,
        {"lokr_w1": W1, "lokr_w2_a": numbers(4, 2), "lokr_w2_b": numbers(2, 2), "alpha": torch.tensor(1.0)},
        lambda p: 0.5 * kron(W1, p["lokr_w2_a"] @ p["lokr_w2_b"]),
    ),
    "lokr, large whole": (
        LINEAR,
        {"lokr_w1_a": numbers(2, 1), "lokr_w1_b": numbers(1, 4), "lokr_w2": W2, "alpha": torch.tensor(3.0)},
        lambda p: 3 * kron(p["lokr_w1_a"] @ p["lokr_w1_b"], W2),
    ),
    "lokr, whole kernel": (
        KERNEL,
        {"lokr_w1": W1, "lokr_w2": numbers(4, 2, 3, 3)},
        lambda p: kron(W1[:, :, None, None], p["lokr_w2"]),
    ),
    "lokr, Tucker": (
        KERNEL,
        {"lokr_w1": W1, "lokr_w2_a": numbers(2, 4), "lokr_w2_b": numbers(2, 2), "lokr_t2": T,
         "alpha": torch.tensor(1.0)},
        lambda p: 0.5 * kron(W1[:, :, None, None], tucker(T, p["lokr_w2_a"], p["lokr_w2_b"])),
    ),
}  # fmt: skip


@pytest.fixture
def pipeline(tiny_base):
    return picture_base.load(str(tiny_base))


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_lycoris_adds_what_its_formula_says(pipeline, tmp_path, name):
    module, parts, formula = FILES[name]
    path = tmp_path / "x.safetensors"
    save_file({f"{unet_key(module)}.{end}": tensor for end, tensor in parts.items()}, path)
    weight = pipeline.unet.get_submodule(module).weight
    before = weight.detach().clone()
    with fuse.fused(pipeline, [(path, 0.5)]) as lost:
        assert lost == []
        torch.testing.assert_close(weight.detach(), before + 0.5 * formula(parts))
    assert torch.equal(weight, before)


def test_lengths_by_row_and_by_column(pipeline, tmp_path):
    """LyCORIS' `weight_decompose` writes [1, in, 1, 1] before its version 3 and [out, 1, 1, 1] since."""
    parts = {f"{unet_key(KERNEL)}.{end}": tensor for end, tensor in FILES["loha, Tucker"][1].items()}
    weight = pipeline.unet.get_submodule(KERNEL).weight
    for shape, over in (((8, 1, 1, 1), (1, 2, 3)), ((1, 8, 1, 1), (0, 2, 3))):
        lengths = torch.arange(1.0, 9.0).view(shape)
        save_file(parts | {f"{unet_key(KERNEL)}.dora_scale": lengths}, tmp_path / "x.safetensors")
        with fuse.fused(pipeline, [(tmp_path / "x.safetensors", 1.0)]):
            torch.testing.assert_close(
                torch.linalg.vector_norm(weight.detach(), dim=over), torch.arange(1.0, 9.0)
            )


def test_what_does_not_fit_is_refused(pipeline, tmp_path):
    for parts in (
        hada(numbers(8, 2), numbers(2, 9), numbers(8, 2), numbers(2, 9)),
        {"lokr_w1": numbers(2, 3), "lokr_w2": numbers(4, 4)},
    ):
        save_file({f"{unet_key(LINEAR)}.{end}": t for end, t in parts.items()}, tmp_path / "x.safetensors")
        with pytest.raises(Mistake, match="another kind of base"):
            fuse.load_into(pipeline, [(tmp_path / "x.safetensors", 1.0)])
        parts.popitem()
        save_file({f"{unet_key(LINEAR)}.{end}": t for end, t in parts.items()}, tmp_path / "x.safetensors")
        with pytest.raises(Mistake, match="holds no LoRA"):
            image_file.read(tmp_path / "x.safetensors")


@pytest.fixture(scope="module")
def trained(recipe_of, tiny_base, picture_folder, tmp_path_factory):
    """Each network on all layers after a short run, with alpha half its rank: (recipe, its file)."""
    from core.settings.training import ImageTraining

    made = {}
    for network in ("loha", "lokr"):
        chosen = ImageTraining(
            base_model=str(tiny_base), train_data_dir=picture_folder, batch_size=2, max_steps=4, lora_rank=2,
            lora_alpha=1, precision="fp32", learning_rate=3e-2, target_modules=("all",), network=network,
            train_text_encoder=True, output_dir=tmp_path_factory.mktemp(network) / "ink",
        )  # fmt: skip
        recipe = recipe_of(chosen)
        for _ in loop.run(recipe, chosen, chosen.output_dir, {}):
            pass
        made[network] = recipe, recipe.export(chosen.output_dir / "x.safetensors", 4, 0.0)
    return made


@NETWORKS
def test_the_file_draws_what_the_adapter_draws(trained, network):
    recipe, path = trained[network]
    drawn = torch.randn(2, 4, 8, 8), torch.tensor([100, 700]), torch.randn(2, 24, 16)
    pipeline = picture_base.load(recipe.settings.base_model)
    recipe.pipeline.unet.eval()
    with torch.no_grad():
        trained_output = recipe.pipeline.unet(*drawn).sample
        plain = pipeline.unet(*drawn).sample
        with attach.without_lora(recipe.pipeline):
            torch.testing.assert_close(recipe.pipeline.unet(*drawn).sample, plain)
        assert fuse.load_into(pipeline, [(path, 1.0)]) == []
        filed = pipeline.unet(*drawn).sample
    assert (filed - trained_output).norm() / trained_output.norm() < 1e-3
    assert (plain - trained_output).norm() / trained_output.norm() > 1e-2


LOHA = {
    LINEAR: {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)},
    KERNEL: {"hada_w1_a": (2, 8), "hada_w1_b": (2, 8), "hada_w2_a": (2, 8), "hada_w2_b": (2, 8),
             "hada_t1": (2, 2, 3, 3), "hada_t2": (2, 2, 3, 3)},
}  # fmt: skip
# 8 = 2 × 4, where rank 2 keeps w2 whole; it doesn't where 64 = 8 × 8 or 32 = 4 × 8.
LOKR = {
    LINEAR: {"lokr_w1": (2, 2), "lokr_w2": (4, 4)},
    KERNEL: {"lokr_w1": (2, 2), "lokr_w2": (4, 4, 3, 3)},
    LINEAR.replace("attn1.to_q", "ff.net.0.proj"): {
        "lokr_w1": (8, 2), "lokr_w2_a": (8, 2), "lokr_w2_b": (2, 4),
    },
    "up_blocks.0.resnets.0.conv1": {
        "lokr_w1": (4, 4), "lokr_w2_a": (2, 4), "lokr_w2_b": (2, 8), "lokr_t2": (2, 2, 3, 3),
    },
}  # fmt: skip


@pytest.mark.parametrize(("network", "layers"), [("loha", LOHA), ("lokr", LOKR)])
def test_the_file_has_lycoris_names_shapes_and_alpha(trained, network, layers):
    tensors = load_file(trained[network][1])
    for module, shapes in layers.items():
        mine = {
            name.split(".")[1]: t for name, t in tensors.items() if name.split(".")[0] == unet_key(module)
        }
        assert {name: tuple(t.shape) for name, t in mine.items()} == shapes | {"alpha": ()}
        whole = "lokr_w2" in shapes  # then programs add at scale 1, and LyCORIS notes the rank
        assert mine["alpha"] == (2.0 if whole else 1.0)
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert any(name.startswith("lora_te_text_model_encoder_layers_0_self_attn_q_proj.") for name in tensors)
    with safe_open(trained[network][1], "pt") as file:
        said = file.metadata()
    arguments = json.loads(said["ss_network_args"])
    assert said["ss_network_module"] == "lycoris.kohya" and said["ss_network_dim"] == "2"
    assert arguments["algo"] == network and arguments["use_tucker"] == "True"


@NETWORKS
def test_the_numbers_are_those_told_before(trained, network):
    from core.lora.estimate import image as image_estimate

    recipe = trained[network][0]
    held = sum(p.numel() for group in recipe.groups() for p in group.parameters.values())
    told = image_estimate._lora_numbers(recipe.settings, picture_base.read_config(recipe.settings.base_model))
    assert told == held


@NETWORKS
def test_a_new_one_adds_nothing_and_its_dropout_drops(pipeline, image_settings, network):
    attach.add_loras(pipeline, image_settings(network=network, dropout=0.5), torch.float32)
    assert all(not layer.delta().any() for layer in attach.layers(pipeline).values())
    module = pipeline.unet.get_submodule(LINEAR)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    plain, dropped = (
        module.get_delta_weight("default"),
        module.get_delta_weight("default", apply_rank_dropout=True),
    )
    kept = dropped.any(dim=1)
    assert 0 < kept.sum() < 8
    torch.testing.assert_close(dropped[kept], plain[kept] * 8 / kept.sum())
    before = torch.ones(1, 8)
    assert len({module(before).sum().item() for _ in range(8)}) > 1


def test_a_loha_learns_as_fast_as_a_lora(recipe_of, image_settings):
    """peft's own start made it ten times slower: the change of the UNet's layers after the same few steps."""
    from accelerate import Accelerator

    from core.lora.engine.step import Stepper

    sizes = {}
    for network in ("lora", "loha"):
        chosen = image_settings(network=network, learning_rate=1e-3, lr_scheduler="constant")
        recipe = recipe_of(chosen)
        stepper = Stepper(recipe, chosen, Accelerator())
        for step in range(4):
            stepper.update(0, recipe.epoch(0, 1)[0], step, 100)
        sizes[network] = sum(layer.delta().norm().item() for layer in recipe.layers().values())
    assert sizes["lora"] / 2 < sizes["loha"] < 2 * sizes["lora"]


@NETWORKS
def test_a_run_that_was_stopped_ends_at_the_same_file(image_settings, tmp_path, network):
    def chosen(folder):
        return image_settings(
            network=network,
            output_dir=tmp_path / folder,
            name="x",
            dropout=0.2,
            max_steps=4,
            target_modules=("to_q", "conv1"),
        )

    whole = last(chosen("whole")).result
    steps = train(chosen("parts"))
    list(islice((p for p in steps if p.message == "Training" and p.loss is not None), 2))
    steps.close()
    first, second = load_file(whole), load_file(last(chosen("parts")).result)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@NETWORKS
def test_it_goes_on_at_another_alpha_and_a_lora_from_it(trained, pipeline, network):
    recipe, path = trained[network]
    earlier = image_file.read(path).layers
    attach.add_loras(pipeline, changed(recipe, continue_from=path, lora_alpha=4), torch.float32)
    for key, layer in attach.layers(pipeline).items():
        torch.testing.assert_close(layer.delta(), earlier[key].delta(), atol=1e-6, rtol=1e-4)
    pipeline = picture_base.load(recipe.settings.base_model)
    lora = changed(recipe, continue_from=path, network="lora", lora_rank=16, lora_alpha=4)
    attach.add_loras(pipeline, lora, torch.float32)
    for key, layer in attach.layers(pipeline).items():
        wanted = earlier[key].delta()
        left_over = torch.linalg.svdvals(wanted)[16:].norm().item()
        assert (layer.delta() - wanted).norm().item() == pytest.approx(left_over, rel=1e-2, abs=1e-5)


@pytest.mark.parametrize(("network", "changes"), [
    ("loha", {"network": "lokr"}), ("loha", {"lora_rank": 1}),
    ("lokr", {"network": "loha"}), ("lokr", {"lora_rank": 1}),
])  # fmt: skip
def test_another_network_or_rank_is_refused(trained, pipeline, network, changes):
    recipe, path = trained[network]
    with pytest.raises(Mistake, match="of another network or rank"):
        attach.add_loras(pipeline, changed(recipe, continue_from=path, **changes), torch.float32)


def changed(recipe, **changes):
    return recipe.settings.model_copy(update=changes)


@pytest.mark.parametrize("width", [1, 7, 8, 12, 250, 320, 768, 1280])
def test_a_width_is_split_as_peft_does(width):
    from peft.tuners.lokr.layer import factorization

    assert footprint.split(width) == factorization(width)


def test_a_difference_is_noticed(trained):
    for network, wrong in (("loha", Loha), ("lokr", Lokr)):
        recipe = trained[network][0]
        layers = recipe.layers()
        key = unet_key(LINEAR)
        assert isinstance(layers[key], wrong) and attach.difference(recipe.pipeline, layers) < 1e-6
        less = {
            name: 0.5 * t if name.endswith(("w1", "w1_a")) else t for name, t in layers[key].parts().items()
        }
        halved = wrong(**less, alpha=layers[key].alpha)
        assert attach.difference(recipe.pipeline, layers | {key: halved}) == pytest.approx(0.5, rel=1e-3)
