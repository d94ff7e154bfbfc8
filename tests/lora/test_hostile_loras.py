"""A stranger's LoRA: what its files say is one sentence that names one, or harmless; nothing is fetched."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.bases import language_model, picture_base, places
from core.lineage import read_lineage
from core.lora.adapters import attach, convert, fuse, image_file, merge, peft_folder, versions
from core.lora.adapters.layers import Lora, apart
from core.lora.proof import image as image_proof
from core.lora.proof import page as proof_page
from core.lora.proof import text as text_proof
from core.lora.text import chat
from core.messages import Mistake
from core.settings.lora_jobs import (
    ChatSettings,
    ExportSettings,
    MergeSettings,
    ProofSettings,
    TextProofSettings,
)
from core.settings.training import ImageTraining
from core.texts import lorafolder
from tests.hostile import weights as hostile
from tests.running import last

SECONDS = 30  # far more than any takes, far less than those that never end
IMAGE = hostile.FILES | {f"header: {n}": put for n, put in hostile.HEADERS.items()} | hostile.layers()
IMAGE |= {f"configuration: {n}": hostile.peft_lora(said) for n, said in hostile.STRENGTHS.items()}
HARMLESS = {  # peft's configuration says nothing, and alpha is the rank
    *(f"configuration: {name}" for name in ("broken", "a list", "null", "deep")),
    *("a LoRA with powers of two", "a LoRA with seven axes"),
}


def one_sentence(told: pytest.ExceptionInfo[Mistake], *names: str) -> None:
    said = str(told.value)
    assert (
        any(name in said for name in names) and said.endswith(".") and said.isprintable() and len(said) < 1200
    )


@pytest.mark.parametrize("name", IMAGE)
def test_an_image_lora(name: str, tmp_path: Path, tiny_base: Path) -> None:
    IMAGE[name](path := tmp_path / "evil.safetensors")
    began = time.monotonic()
    with pytest.raises(Mistake) as told:
        pipeline = picture_base.load(str(tiny_base))
        if name in HARMLESS:
            image_file.read(path)
            raise Mistake("{path} is harmless.", path=path)
        fuse.load_into(pipeline, [(path, 1.0)])
        assert all(weight.isfinite().all() for weight in pipeline.unet.state_dict().values())
    one_sentence(told, str(path))
    assert time.monotonic() - began < SECONDS
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".PTH", ".bin", ".pkl"])
def test_a_pickled_lora_is_not_opened(suffix: str, tmp_path: Path) -> None:
    hostile.pickled(path := tmp_path / f"evil{suffix}")
    with pytest.raises(Mistake, match="is a pickled file"):
        image_file.read(path)
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize("put", [hostile.pickled, hostile.zipped])
def test_a_pickle_with_another_name_is_not_opened(put: hostile.Put, tmp_path: Path) -> None:
    put(path := tmp_path / "evil.safetensors")
    with pytest.raises(Mistake, match="is a pickled file"):
        image_file.read(path)
    assert not (tmp_path / "pickle-was-run").exists()


OVER = hostile.layers()["a LoRA with numbers whose product runs over"]


def test_numbers_whose_product_runs_over_are_not_called_checked(tmp_path, tiny_base, image_settings):
    """Each is a number, but infinity less infinity is none, and a comparison with that was no fault."""
    OVER(path := tmp_path / "evil.safetensors")
    for use in (
        lambda: list(convert.export(ExportSettings(lora=path, base=str(tiny_base), format="diffusers"))),
        lambda: last(image_settings(continue_from=path, max_steps=1)),
        lambda: list(
            image_proof.prove_pictures(
                ProofSettings(lora=path, base=str(tiny_base), pictures=image_settings().train_data_dir)
            )
        ),
    ):
        with pytest.raises(Mistake, match=r"evil\.safetensors holds numbers so large"):
            use()
    assert [one.name for one in tmp_path.glob("evil*")] == ["evil.safetensors"]


def test_an_export_that_fails_its_check_leaves_no_file(tmp_path, tiny_base):
    """Alpha is a number, but infinite in the format of the file's numbers."""
    parts = {name: t.half() for name, t in hostile.pair().items()} | {"alpha": torch.tensor(1e6)}
    hostile.lora(parts)(path := tmp_path / "strong.safetensors")
    with pytest.raises(Mistake, match="holds numbers that are none"):
        list(convert.export(ExportSettings(lora=path, base=str(tiny_base), format="sd-scripts")))
    assert [one.name for one in tmp_path.glob("strong*")] == ["strong.safetensors"]


def test_a_lora_that_makes_a_model_run_over_is_not_merged(copied, tiny_llm):
    """Infinity less infinity is none: the error was no number, and so not above what is allowed."""
    name = "base_model.model.model.layers.0.mlp.{}_proj.lora_{}.weight"
    sizes = {"gate": (32, 64), "up": (32, 64), "down": (64, 32)}
    tensors = {}
    for layer, (fan_in, fan_out) in sizes.items():
        tensors[name.format(layer, "A")] = torch.full((4, fan_in), 5e7)
        tensors[name.format(layer, "B")] = torch.full((fan_out, 4), 5e7)
    save_file(tensors, copied / "adapter_model.safetensors")
    named = [f"{layer}_proj" for layer in sizes]
    hostile.changed_json({"target_modules": named})(copied / "adapter_config.json")
    with pytest.raises(Mistake, match="evil voice makes the language model give no numbers"):
        list(merge.merge(MergeSettings(lora=copied, base=str(tiny_llm))))
    assert not copied.with_name("evil voice_merged").exists()


def test_no_number_is_no_small_error():
    nan = torch.full((2,), float("nan"))
    assert apart(nan, torch.ones(2)) == apart(torch.ones(2), nan) == float("inf")


def test_a_check_of_the_file_sees_what_is_no_number(recipe_of, image_settings):
    recipe = recipe_of(image_settings(network="lora"))
    filed = dict(recipe.layers())
    key = list(filed)[-1]
    filed[key] = Lora(filed[key].down * float("nan"), filed[key].up, filed[key].alpha)
    assert attach.difference(recipe.pipeline, filed) == float("inf")


def test_a_layer_of_zeros_has_no_direction_and_stays(tmp_path, tiny_base):
    parts = {name: torch.zeros_like(t) for name, t in hostile.pair().items()}
    hostile.lora(parts | {"dora_scale": torch.ones(hostile.WIDTH)})(path := tmp_path / "dora.safetensors")
    pipeline = picture_base.load(str(tiny_base))
    module = fuse.modules_by_key(pipeline)[hostile.KEY]
    module.weight.data.zero_()
    fuse.load_into(pipeline, [(path, 1.0)])
    assert module.weight.isfinite().all()


def test_alpha_by_pattern_is_pefts(tmp_path):
    said = {"lora_alpha": 8, "alpha_pattern": {"nobody": 1, r".*attn1\.to_[qk]": 3, "attn1.to_q": 5}}
    hostile.peft_lora(said)(path := tmp_path / "lora.safetensors")
    assert image_file.read(path).layers[hostile.DOTTED].alpha == 3
    hostile.peft_lora(said | {"alpha_pattern": {"attn1.to_q": 5, r".*to_[qk]": 3}})(path)
    assert image_file.read(path).layers[hostile.DOTTED].alpha == 5


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.voice(tmp_path_factory.mktemp("voices") / "voice")


@pytest.fixture
def copied(voice: Path, tmp_path: Path) -> Path:
    """A whole text LoRA for the tiny language model."""
    return Path(shutil.copytree(voice, tmp_path / "evil voice"))


def put_on(folder: Path, base: Path) -> torch.Tensor:
    """Logits of the tiny language model with the LoRA on it."""
    model = lorafolder.put_on(language_model.load(str(base))[0], folder, str(base))
    with torch.inference_mode():
        return model(input_ids=torch.tensor([[1, 2, 3]])).logits


CONFIGS = {f"settings: {n}": hostile.changed_json(said) for n, said in hostile.CONFIGS.items()}
PUT_ON = {  # what these say has no effect
    "target_modules that is null", "target_modules that takes for ever",
    "a target_modules that is no pattern", "modules_to_save of nobody",
    "ranks that take for ever", "ranks that are a list",
    "another task_type", "a task_type of nobody",
    "a base that would be fetched", "a base that is a list", "a base on another machine",
    "modules of its own",
    "a library to import", "layers_to_transform of text", "initial numbers that are computed",
    "initial numbers of 4 bits", "unknown settings",
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS | {f"file: {n}": put for n, put in hostile.JSONS.items()})
def test_a_text_loras_configuration(name, copied, tiny_llm, no_network):
    put = (CONFIGS | {f"file: {n}": put for n, put in hostile.JSONS.items()})[name]
    put(copied / "adapter_config.json")
    began = time.monotonic()
    if name.removeprefix("settings: ") in PUT_ON:
        assert put_on(copied, tiny_llm).isfinite().all()
    else:
        with pytest.raises(Mistake) as told:
            put_on(copied, tiny_llm)
        one_sentence(told, str(copied))
    assert time.monotonic() - began < SECONDS and not no_network


VOICES = hostile.FILES | hostile.VOICES | {f"header: {n}": put for n, put in hostile.HEADERS.items()}


@pytest.mark.parametrize("name", VOICES)
def test_a_text_loras_weights(name, copied, tiny_llm):
    VOICES[name](copied / "adapter_model.safetensors")
    with pytest.raises(Mistake) as told:
        put_on(copied, tiny_llm)
    one_sentence(told, str(copied))
    assert not (copied / "pickle-was-run").exists()


@pytest.mark.parametrize("alone", [True, False])
def test_a_pickle_in_pefts_folder_is_not_opened(alone, copied, tiny_llm):
    hostile.zipped(copied / "adapter_model.bin")
    if alone:
        hostile.gone(copied / "adapter_model.safetensors")
        with pytest.raises(Mistake, match=r"adapter_model\.bin is a pickled file"):
            put_on(copied, tiny_llm)
    else:
        assert put_on(copied, tiny_llm).isfinite().all()
    assert not (copied / "pickle-was-run").exists()


def test_a_lora_put_on_by_patterns_is_what_peft_makes_of_it(copied, tiny_llm):
    """Regular expressions that are none of a stranger's tricks give the same logits as peft's own reading."""
    from peft import PeftModel

    file = copied / "adapter_model.safetensors"
    tensors = {
        n: torch.randn(t.shape, generator=torch.Generator().manual_seed(0))
        for n, t in load_file(file).items()
    }
    for name in [one for one in tensors if "layers.1" in one]:
        tensors[name] = (tensors[name][:2] if "_A" in name else tensors[name][:, :2]).contiguous()
    save_file(tensors, file)
    said = {"target_modules": r".*\.q_(proj)", "rank_pattern": {r"layers\.1\..*": 2}, "use_rslora": True}
    said |= {"alpha_pattern": {r".*layers\.[1-9]\.self_attn\.q_proj": 3}}
    hostile.changed_json(said)(copied / "adapter_config.json")
    model = PeftModel.from_pretrained(language_model.load(str(tiny_llm))[0], copied).eval()
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    assert torch.allclose(put_on(copied, tiny_llm), expected, atol=1e-6)


def test_a_text_lora_goes_on_at_the_strength_of_each_layer(copied, recipe_of, text_settings):
    """An alpha by pattern was passed over: the layer went on too strong or too weak."""
    from core.lora.text.recipe import lora_parameters

    hostile.changed_json({"alpha_pattern": {"layers.1.self_attn.q_proj": 80}})(copied / "adapter_config.json")
    recipe = recipe_of(text_settings(continue_from=copied, target_modules=["q_proj"], lora_alpha=8))
    ups = {n: p.detach() for n, p in lora_parameters(recipe.model).items() if ".lora_B." in n}
    downs = {n: p.detach() for n, p in lora_parameters(recipe.model).items() if ".lora_A." in n}
    grown = [float((up @ down).mean()) for up, down in zip(ups.values(), downs.values(), strict=True)]
    assert grown[1] == pytest.approx(10 * grown[0])


NAMED = {  # where a file may name a base: the LoRA's configuration, or the lineage beside it
    "configuration": lambda folder: hostile.changed_json({"base_model_name_or_path": hostile.NOWHERE})(
        folder / "adapter_config.json"
    ),
    "lineage": lambda folder: (folder / "lineage.yaml").write_text(f"base_model: {hostile.NOWHERE}\n"),
}
FETCHED = r"names nobody-at-all/.* as its base, which isn't on this machine, and nothing is fetched"


@pytest.mark.parametrize("named", NAMED)
def test_nothing_is_fetched_because_a_text_lora_names_a_base(named, copied, text_file, no_network):
    NAMED[named](copied)
    for use in (
        lambda: peft_folder.base_of(copied),
        lambda: list(chat.in_turn(ChatSettings(lora=copied), ["a boat"])),
        lambda: next(chat.Chat().answers(copied, "a boat", 0, lambda work: work())),
        lambda: list(merge.merge(MergeSettings(lora=copied))),
        lambda: list(text_proof.prove_texts(TextProofSettings(lora=copied, texts=text_file))),
    ):
        with pytest.raises(Mistake, match=FETCHED):
            use()
    assert not no_network


def test_a_base_that_a_person_names_is_asked_for(copied, no_network):
    """The guard is one: where the person says so the hub is asked."""
    with pytest.raises(Mistake, match="could not be fetched"):
        list(merge.merge(MergeSettings(lora=copied, base=hostile.NOWHERE)))


def test_nothing_is_fetched_because_an_image_loras_lineage_names_a_base(tmp_path, picture_folder, no_network):
    hostile.lora(hostile.pair())(path := tmp_path / "ink.safetensors")
    hostile.LINEAGES["a base that would be fetched"](path.with_suffix(".yaml"))
    for use in (
        lambda: list(convert.export(ExportSettings(lora=path, format="diffusers"))),
        lambda: list(image_proof.prove_pictures(ProofSettings(lora=path, pictures=picture_folder))),
    ):
        with pytest.raises(Mistake, match=FETCHED):
            use()
    assert not no_network


def test_a_base_that_was_fetched_before_is_read_from_the_disk(
    copied, tiny_llm, tmp_path, monkeypatch, no_network
):
    from huggingface_hub import constants

    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / "abc"
    shutil.copytree(tiny_llm, snapshot)
    (refs := snapshot.parent.parent / "refs").mkdir()
    (refs / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hostile.changed_json({"base_model_name_or_path": "owner/name"})(copied / "adapter_config.json")
    found = places.named_by(copied, "owner/name", places.LANGUAGE)
    assert Path(found) == snapshot
    assert language_model.load(peft_folder.base_of(copied)) and not no_network


@pytest.mark.parametrize("name", hostile.LINEAGES)
def test_a_lineage(name, tmp_path):
    hostile.lora(hostile.pair())(path := tmp_path / "ink.safetensors")
    hostile.LINEAGES[name](path.with_suffix(".yaml"))
    began = time.monotonic()
    try:
        made = read_lineage(path)
        assert isinstance(made, dict)
        versions.training(path, ImageTraining)
    except Mistake as mistake:
        assert str(path.with_suffix(".yaml")) in str(mistake) and str(mistake).endswith(".")
        assert len(str(mistake)) < 1200
    assert time.monotonic() - began < SECONDS and not (tmp_path / "pickle-was-run").exists()


def test_a_lineage_of_the_studios_own_is_read(tmp_path):
    from core.lineage import lineage, write_lineage

    made = lineage(
        facts={"tags": {f"tag {at}": at for at in range(8000)}}, advice=[{"template": "a"}], steps=3
    )
    write_lineage(tmp_path / "ink.safetensors", made)
    assert read_lineage(tmp_path / "ink.safetensors") == made


def test_a_lineage_can_not_name_where_a_proof_is_copied_to(tmp_path):
    (page := tmp_path / "ink.proof" / "proof.html").parent.mkdir()
    page.write_text("<p>")
    page.with_suffix(".json").write_text("{}")
    (elsewhere := tmp_path / "public").mkdir()
    proof_page.copy_to_run(page, tmp_path / "loras" / "ink.safetensors", elsewhere)
    assert not list(elsewhere.iterdir())
    (elsewhere / "metrics.jsonl").touch()
    proof_page.copy_to_run(page, tmp_path / "loras" / "ink.safetensors", elsewhere)
    assert {one.name for one in elsewhere.iterdir()} == {"metrics.jsonl", "proof.html", "proof.json"}


@pytest.mark.parametrize(
    "values", [[], {}, {"figures": 3}, {"figures": [{"step": "a"}]}, {"lora": "x", "figures": []}]
)
@pytest.mark.parametrize("report", ["image_report", "text_report"])
def test_a_damaged_proof_is_one_sentence(values, report, tmp_path):
    import importlib

    (tmp_path / "proof.json").write_text(json.dumps(values))
    with pytest.raises(Mistake, match=r"proof\.json is damaged"):
        importlib.import_module(f"core.lora.proof.{report}").read(tmp_path)
