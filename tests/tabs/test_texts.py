"""The texts of the Text LoRA tab in a real browser: pasted, told about, replaced, masked, taken back."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from core.texts import editing


def fill(page, box, text):
    page.locator(f"#{box}").locator("textarea, input").first.fill(text)


def test_texts_are_pasted_replaced_masked_and_taken_back(page, served):
    folder = served.studio.project.texts()
    page.locator("#tab-text-button").click()
    report = page.locator("#text-report")
    expect(report).to_contain_text("10 texts, 1 of them held out to judge by (10 %)")
    expect(report).to_contain_text("These are few: add 20 more")
    expect(report).to_contain_text("10 texts begin or end with: House 0 does not mind.")
    expect(page.locator("#undo-texts")).to_be_disabled()
    expect(page.locator("#mend-personal")).to_be_hidden()

    page.locator("#paste-part button").first.click()
    ferry = "Topic: the ferry\nCall 138 1234 5678 for the ferry."
    fill(page, "pasted", f"{ferry}\n\nThe rain has a second shift. 🌧")
    page.locator("#paste-texts").click()
    expect(page.locator("#texts-saved")).to_contain_text("2 texts added")
    expect(report).to_contain_text("12 texts")
    expect(report).to_contain_text("1 phone numbers")
    assert editing.current(folder)[-1].reply == "The rain has a second shift."

    page.locator("#mend-personal").click()
    expect(page.locator("#texts-saved")).to_contain_text("1 texts changed")
    expect(page.locator("#mend-personal")).to_be_hidden()
    assert editing.current(folder)[-2].reply == "Call [phone] for the ferry."

    fill(page, "find", "second shift")
    fill(page, "replace-with", "day off")
    page.locator("#replace-all").click()
    expect(page.locator("#texts-saved")).to_contain_text("Replaced in 2 places")  # in the topic too
    expect(page.locator("#texts")).to_contain_text("The rain has a day off.")
    for left in (2, 1, 0):
        page.locator("#undo-texts").click()
        expect(page.locator("#texts-saved")).to_contain_text(f"{left} more steps")
    expect(report).to_contain_text("10 texts")
    expect(page.locator("#undo-texts")).to_be_disabled()
    assert page.problems == []


def test_the_kind_of_texts_is_kept_and_names_the_columns(page, served, visit):
    page.locator("#tab-text-button").click()
    page.locator("#task input").click()
    page.get_by_role("option", name="talk").click()
    expect(page.locator("#texts")).to_contain_text("Question")
    assert editing.task(served.studio.project.texts()) == "talk"
    again = visit(locale="zh-CN")
    again.locator("#tab-text-button").click()
    expect(again.locator("#task input")).to_have_value("客服对话")
    expect(again.locator("#texts")).to_contain_text("问题")
    editing.set_task(served.studio.project.texts(), "narration")


def test_topics_are_found_by_the_language_model(page, served):
    folder = served.studio.project.texts()
    own = editing.current(folder)
    editing.save(folder, [*own, editing.TextSample("", "The heron waits for its breakfast in the mist.")])
    page.locator("#tab-text-button").click()
    page.locator("#topics-part button").first.click()
    page.locator("#start-topics").click()
    pill = page.locator("#job-topics .st-pill")
    expect(pill).to_have_text(re.compile("Done|Failed"))
    assert pill.inner_text() == "Done", page.locator("#job-topics").inner_text()
    found = editing.current(folder)
    assert found[-1].topic and [one.topic for one in found[:-1]] == [one.topic for one in own]
