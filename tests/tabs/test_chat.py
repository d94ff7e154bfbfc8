"""The chat box: base and LoRA side by side in a real browser; a job goes first."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.messages import Mistake
from core.progress import Progress
from tabs.shell.wiring import Page
from tabs.train import chat_card

ZH, EN = Page("zh"), Page("en")


def loud_lora(llm: Path, folder: Path) -> Path:
    """A text LoRA with weights far from zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(llm, dtype=torch.float32),
        LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]),
    )
    for name, weights in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weights, std=0.5)
    model.save_pretrained(folder)
    return folder


def test_what_is_said_is_escaped_and_named_in_the_pages_language():
    html = chat_card.talked(ZH, [("<b>", "声音", "a & b", "<script>")])
    assert "&lt;b&gt;" in html and "&lt;script&gt;" in html and "a &amp; b" in html and "原" in html
    assert chat_card.talked(EN, [("one", "l", "b", "v")] * 9).count("<section>") == chat_card.SHOWN


def test_only_the_projects_own_loras_are_asked(studio, tmp_path):
    with pytest.raises(Mistake, match="no text LoRA"):
        chat_card.one_of(studio.project, str(tmp_path))


# Notes each length that the first answer has on its way.
LENGTHS = """() => {
    window.lengths = new Set()
    const look = () => { const p = document.querySelector('#chat p'); p && lengths.add(p.innerText.length) }
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true})
}"""


def press_until(button, sign):
    """A press while Gradio is still ending the answer that was stopped is passed over."""
    while not sign.count():
        button.click()
        button.page.wait_for_timeout(1000)


def test_both_answer_as_they_write_and_a_job_goes_first(served, visit, tiny_llm):
    from axe_playwright_python.sync_playwright import Axe

    folder = loud_lora(tiny_llm, served.studio.project.loras() / "lora_v1_voice_r4_ep1")
    page = visit()
    page.locator("#tab-text-button").click()
    expect(page.locator("#chat-lora input")).to_have_value(folder.name)
    page.get_by_role("button", name="Use it in other programs").click()
    expect(page.locator("#vllm-line textarea, #vllm-line input").first).to_have_value(
        f"vllm serve '{tiny_llm}' --enable-lora --max-lora-rank 8 --lora-modules "
        f"'{folder.name}={folder.absolute()}' --chat-template '{folder.absolute()}/chat_template.jinja'"
    )
    page.locator("#chat-topic textarea, #chat-topic input").first.fill("a boat <i>")
    page.evaluate(LENGTHS)
    page.locator("#chat-ask").click()
    expect(page.locator("#chat h3")).to_have_text("a boat <i>")
    expect(page.locator("#chat p")).to_have_count(2)
    page.wait_for_function("lengths.size > 3")
    page.locator("#chat-stop").click()

    def slow():
        for step in range(1, 10_000):
            yield Progress("Training", step, 10_000)
            time.sleep(0.02)

    job_id = served.studio.runner.submit("text", "Text LoRA 水", slow)
    press_until(page.locator("#chat-ask"), page.locator(".toast-body"))
    expect(page.locator(".toast-body").first).to_contain_text("Text LoRA 水 is at work")
    expect(page.locator("#chat h3")).to_have_count(1)
    page.locator(".toast-close").first.click()
    served.studio.runner.stop(job_id)
    served.studio.runner.wait(job_id, 60)
    press_until(page.locator("#chat-ask"), page.locator("#chat h3").nth(1))
    expect(page.locator("#chat h3")).to_have_count(2)
    page.locator("#chat-stop").click()
    expect(page.locator(".toast-body")).to_have_count(0)
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.problems == []
