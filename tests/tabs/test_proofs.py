"""The proof in the window: in the page's language, pictures from the home folder, linked in the library."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from core.lineage import write_lineage
from core.lora.adapters import image_file
from core.lora.adapters.layers import Lora
from core.lora.adapters.versions import kept_file
from core.lora.proof import image_report
from core.lora.proof import page as proof_page
from core.lora.proof import text as text_proof
from core.lora.proof.image_report import Figures, Proof
from core.messages import Mistake
from core.settings.lora_jobs import TextProofSettings
from core.settings.training import ImageTraining, TextTraining
from core.texts.samples import TextSample, write_samples
from tabs.jobs import queue
from tabs.shell.wiring import Page
from tabs.train import lora_list, proof

WORDS = ("boat", "lantern", "market", "teapot", "kite", "harbour", "window", "orchard")
BASE = Figures(None, 0.0, 0.60, 0.0, 0.0, 0.30, 0.0, "a <b>.png", 0.7, 0.5, 0)


@pytest.fixture
def lora(studio):
    """A LoRA's file with a proof beside it."""
    path = studio.project.loras() / "lora_v1_ink_r8_ep2.safetensors"
    path.write_bytes(b"")
    best = Figures(None, 1.0, 0.7, 0.1, 0.01, 0.3, 0.0, "1.png", 0.7, 0.5, 0)
    found = Proof(path.name, "embedded", ("a <boat>",), (7,), 0.8, 0.9, 0.6, (BASE, best))
    folder = proof_page.folder_of(path)
    folder.mkdir()
    for weight in (0.0, 1.0):
        (folder / image_report.picture_name(None, weight, 0, 7)).write_bytes(b"jpeg")
    image_report.write(found, folder)
    return path


def test_it_is_shown_in_the_pages_language(lora):
    english, chinese = proof.proof(Page("en"), lora), proof.proof(Page("zh"), lora)
    assert "Use the finished LoRA at weight 1" in english and "建议使用最终的 LoRA" in chinese
    assert "a &lt;boat&gt;" in english and "<b>" not in english
    assert english.count("src='gradio_api/file=") == 2 and "base-prompt-1-seed-7.jpg" in english


def test_the_library_links_to_it(lora, studio):
    other = lora.with_name("lora_v2_ink_r8_ep2.safetensors")
    other.write_bytes(b"")
    assert lora_list.shelf(Page("en"), [lora]).count("proof.html") == 1
    assert "proof.html" not in lora_list.shelf(Page("en"), [other])
    assert proof.proof(Page("en"), other) == ""


def random_text_lora(project, base):
    """A text LoRA of random numbers on a tiny language model, as if trained on half of eight texts."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = project.loras() / "lora_v1_voice_r2_ep1"
    model = AutoModelForCausalLM.from_pretrained(base)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")).save_pretrained(
        folder
    )
    said = [TextSample(f"a {word}", f"The {word} waits. Nobody asks the {word}.") for word in WORDS]
    file = write_samples(project.texts("spoken") / "train.jsonl", said)
    made = TextTraining(
        base_model=str(base),
        train_data_path=file,
        holdout=0.5,
        precision="fp32",
        output_dir=project.runs() / "voice",
    )
    write_lineage(folder, {"made": "today", "settings": made.model_dump(mode="json")})
    return folder


@pytest.fixture
def short_replies(monkeypatch):
    """Replies of a few words: writing them takes most of a test's time."""
    monkeypatch.setattr(text_proof, "MOST_TOKENS", 16)


def test_a_text_lora_is_proved_shown_and_linked_too(studio, tiny_llm, short_replies):
    lora = random_text_lora(studio.project, tiny_llm)
    assert proof.proof(Page("en"), lora) == ""
    assert proof.one_of(studio.project, str(lora)) == lora
    list(queue.KINDS["text_proof"].run(TextProofSettings(lora=lora, replies=1)))
    english, chinese = proof.proof(Page("en"), lora), proof.proof(Page("zh"), lora)
    assert "waits. Nobody asks" in english and "Perplexity" in english and "困惑度" in chinese
    assert lora_list.shelf(Page("en"), [lora]).count("proof.html") == 1
    assert proof.loras(studio.project, "text_proof") == [lora]


def test_one_button_proves_the_newest_text_lora(served, visit, tiny_llm, short_replies):
    random_text_lora(served.studio.project, tiny_llm)
    page = visit()
    page.locator("#tab-text-button").click()
    page.locator("#details-text_proof button").first.click()
    boxes = page.locator("#details-text_proof input[type=number]")
    expect(boxes).to_have_count(2)
    for box, value in zip(boxes.all(), "21", strict=True):
        box.fill(value)
        box.blur()
    page.locator("#start-text_proof").click()
    expect(page.locator("#job-text_proof .st-pill")).to_have_text("Done")
    expect(page.locator("#text_proof .st-advice")).to_be_visible()
    rows = page.locator("#text_proof .st-said").first.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.locator("td").last.locator("p")).to_have_count(1)
    assert page.problems == []


def test_one_button_merges_a_text_lora_with_its_base(served, visit, tiny_llm):
    lora = random_text_lora(served.studio.project, tiny_llm)
    page = visit()
    page.locator("#tab-text-button").click()
    page.locator("#merge-part button").first.click()
    expect(page.locator("#merge-lora input")).to_have_value(lora.name)
    page.locator("#start-merge").click()
    expect(page.locator("#job-merge .st-pill")).to_have_text("Done")
    assert (lora.with_name(f"{lora.name}_merged") / "model.safetensors").is_file()
    assert served.studio.project.text_loras() == [lora]
    assert page.problems == []


def test_only_the_projects_own_are_proved(lora, studio, tmp_path):
    assert proof.one_of(studio.project, str(lora)) == lora
    with pytest.raises(Mistake, match="There is no LoRA"):
        proof.one_of(studio.project, str(tmp_path / "other.safetensors"))


KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def random_file(path, seed):
    """A LoRA of random numbers on the tiny base."""
    import torch

    own = torch.Generator().manual_seed(seed)
    layer = Lora(torch.randn(2, 8, generator=own), torch.randn(8, 2, generator=own), 2.0)
    return image_file.write(path, {KEY: layer}, {}, torch.float32)


def random_lora(project):
    """One as if trained on the project's pictures."""
    path = random_file(project.loras() / "lora_v1_ink_r2_ep1.safetensors", 0)
    made = ImageTraining(train_data_dir=project.images(), output_dir=project.runs(), sample_prompts=("tea",))
    write_lineage(path, {"made": "today", "settings": made.model_dump(mode="json")})


def test_one_button_proves_the_newest_lora(served, visit):
    random_lora(served.studio.project)
    page = visit()
    page.locator("#tab-image-button").click()
    page.locator("#details-proof button").first.click()
    page.get_by_label("Weights").fill("0.5, 1")
    page.get_by_role("spinbutton", name="Pictures of each prompt").fill("2")
    page.locator("#start-proof").click()
    expect(page.locator("#job-proof .st-pill")).to_have_text("Done")
    expect(page.locator("#proof .st-advice")).to_be_visible()
    pictures = page.locator("#proof details").first.locator("img")
    expect(pictures).to_have_count(2 * (1 + 2))
    page.locator("#proof summary").first.click()
    assert page.locator("#proof img").first.evaluate("one => one.decode().then(() => one.naturalWidth)") == 32
    link = page.locator("#tab-image .st-shelf a, .st-shelf a").first.get_attribute("href")
    assert "<h1>lora_v1_ink" in page.request.get(f"{served.url}{link}").text()
    assert page.problems == []


def test_one_button_puts_the_advised_lora_into_the_library(served, visit):
    project = served.studio.project
    path = random_file(project.loras() / "lora_v5_tea_r2_ep4.safetensors", 1)
    made = ImageTraining(name="tea", lora_rank=2, epochs=4, output_dir=project.runs() / "tea")
    random_file(kept_file(made, path, 20), 2)
    write_lineage(path, {"steps": 40, "settings": made.model_dump(mode="json")})
    best = replace(BASE, step=20, weight=1.0, gain=0.1)
    proof_page.folder_of(path).mkdir()
    image_report.write(
        Proof(path.name, "embedded", (), (), 0.8, 0.9, 0.6, (BASE, best)), proof_page.folder_of(path)
    )
    page = visit()
    page.locator("#tab-image-button").click()
    page.locator("#take-proof").click()
    expect(page.locator(".toast-body")).to_contain_text("lora_v6_tea_r2_ep2 is in the library now")
    expect(page.locator("#tab-image .st-shelf")).to_contain_text("lora_v6_tea_r2_ep2")
    expect(page.locator("#take-proof")).to_be_hidden()
    page.locator("#tab-compose-button").click()
    page.locator("#usual-compose button").first.click()
    expect(page.locator("#use-image input")).to_have_value("lora_v6_tea_r2_ep2")
    assert page.problems == []
