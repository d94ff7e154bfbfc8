"""A LoRA kept along the way, which the proof advises, becomes the next version with its lineage."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.lineage import read_lineage, write_lineage
from core.lora import promote
from core.lora.adapters import image_file, peft_folder
from core.lora.adapters.layers import Lora
from core.lora.adapters.versions import kept_file, next_path
from core.lora.proof import image_report, text_report
from core.lora.proof import page as proof_page
from core.lora.proof.image_report import Figures, Proof
from core.messages import Mistake

BASE = Figures(None, 0.0, 0.60, 0.0, 0.0, 0.30, 0.0, "a.png", 0.7, 0.5, 0)
LAST = replace(BASE, weight=1.0, style=0.65, gain=0.05)
KEY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"


def random_file(path, seed):
    own = torch.Generator().manual_seed(seed)
    layer = Lora(torch.randn(2, 8, generator=own), torch.randn(8, 2, generator=own), 2.0)
    return image_file.write(path, {KEY: layer}, {}, torch.float32)


@pytest.fixture
def finished(image_settings, tmp_path):
    """A LoRA of nine steps in three passes, with the one of step 6 kept; its proof is as asked."""
    chosen = image_settings(lora_dir=tmp_path / "loras", name="ink style")
    path = random_file(next_path(chosen, 3, ".safetensors"), 0)
    random_file(kept_file(chosen, path, 6), 1)
    made = {
        "steps": 9,
        "settings": chosen.model_dump(mode="json"),
        "advice": ["x"],
        "versions": {"torch": "2"},
    }
    write_lineage(path, made)

    def proved(best):
        proof_page.folder_of(path).mkdir(exist_ok=True)
        found = Proof(path.name, "embedded", (), (), 0.8, 0.9, 0.6, (BASE, LAST, best))
        image_report.write(found, proof_page.folder_of(path))
        return path

    return proved


def test_it_becomes_the_next_version_once(finished, tmp_path):
    path = finished(replace(LAST, step=6, weight=0.75, gain=0.1))
    before = path.read_bytes()
    made = promote.take(path)
    assert made.name == "lora_v2_ink-style_r4_ep2.safetensors" and path.read_bytes() == before
    assert torch.equal(
        image_file.read(made).layers[KEY].down,
        image_file.read(random_file(tmp_path / "kept", 1)).layers[KEY].down,
    )
    told = read_lineage(made)
    assert (told["steps"], told["kept_from"], told["advised"]["weight"]) == (6, path.name, 0.75)
    assert told["settings"]["epochs"] == 3 and told["versions"] == {"torch": "2"} and "advice" not in told
    assert promote.take(path) == made and len(list(path.parent.glob("*.safetensors"))) == 2


def test_where_the_finished_one_is_advised_there_is_nothing_to_take(finished):
    path = finished(replace(LAST, step=6, gain=0.01))
    assert promote.offered(path) is None
    with pytest.raises(Mistake, match="advises no other LoRA"):
        promote.take(path)


def test_one_that_was_kept_and_is_gone_is_not_offered(finished):
    path = finished(replace(LAST, step=3, gain=0.1))
    assert promote.offered(path) is None
    assert promote.offered(path.with_name("unproved.safetensors")) is None


def random_folder(chosen, path, seed):
    """A text LoRA of random numbers."""
    generator, name = torch.Generator().manual_seed(seed), "base_model.model.a.lora_{}.weight"
    shapes = {"A": (2, 8), "B": (8, 2)}
    weights = {name.format(part): torch.randn(shape, generator=generator) for part, shape in shapes.items()}
    peft_folder.write(path, weights, peft_folder.config_of(chosen), "{{ messages }}")
    return path


def test_a_text_loras_folder_becomes_the_next_version_once(text_settings, tmp_path):
    chosen = text_settings(lora_dir=tmp_path / "loras", name="声音 1.5", epochs=3)
    path = random_folder(chosen, next_path(chosen, 3, ""), 0)
    kept = random_folder(chosen, kept_file(chosen, path, 6), 1)
    made = {"steps": 9, "settings": chosen.model_dump(mode="json"), "advice": ["x"], "facts": {"samples": 9}}
    write_lineage(path, made)
    traits = text_report.Traits(3, "", 0.0, 0, 0.0, 1.0, 4.0, 0.1)
    base = text_report.Figures(False, None, 40.0, 0.0, 0.0, traits, (("So.",),))
    last = text_report.Figures(True, None, 12.0, 0.4, 0.1, traits, (("A boat.",),))
    best = replace(last, step=6, style=0.9)

    def proved(*figures):
        rest = ("a boat",), 1, ("Mine.",), traits, 9, 90, False, 0.97, True, True
        found = text_report.Proof(path.name, "embedded", *rest, (base, *figures))
        text_report.write(found, proof_page.folder_of(path))

    proved(last)
    assert promote.offered(path) is None
    proved(best, last)
    taken = promote.take(path)
    assert taken.name == path.name.replace("lora_v1", "lora_v2").replace("ep3", "ep2") and taken.is_dir()
    for name in (peft_folder.WEIGHTS, peft_folder.CONFIG, peft_folder.TEMPLATE):
        assert (taken / name).read_bytes() == (kept / name).read_bytes()
    told = read_lineage(taken)
    assert (told["steps"], told["kept_from"], told["advised"]["style"]) == (6, path.name, 0.9)
    assert told["facts"] == {"samples": 9, "kept_step": 6} and "advice" not in told
    assert (
        promote.take(path) == taken and len(list(path.parent.glob("lora_v?_*"))) == 3
    )  # and a proof's folder
    assert proof_page.folder_of(path).is_dir() and not proof_page.folder_of(taken).exists()
    assert [step.text for step in promote.taken(path)] == [f"{taken} is the advised LoRA"]


def test_one_that_a_kill_left_without_a_lineage_gets_it(finished, monkeypatch):
    path = finished(replace(LAST, step=6, gain=0.1))
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(promote, "write_lineage", lambda *_: (_ for _ in ()).throw(SystemExit))
        promote.take(path)
    made = promote.take(path)
    assert read_lineage(made)["kept_from"] == path.name
    assert len(list(path.parent.glob("*.safetensors"))) == 2


def test_one_that_was_damaged_since_is_not_taken(finished, image_settings, tmp_path):
    path = finished(replace(LAST, step=6, gain=0.1))
    kept = kept_file(image_settings(lora_dir=tmp_path / "loras", name="ink style"), path, 6)
    kept.write_bytes(kept.read_bytes()[:-8])
    with pytest.raises(Mistake, match="cut short"):
        promote.take(path)
    assert len(list(path.parent.glob("*.safetensors"))) == 1
