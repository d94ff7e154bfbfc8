"""Tiny real language models that were taught a few lines, so that what they write is sound."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from core.video.script import narration, pitch
from core.video.script.brief import Brief, Wishes
from core.video.script.language import language_of
from core.video.script.plan import plan
from core.video.script.product import Product

ENGLISH = """
The boat leaves before the sun does.
Rain is reading the town aloud, roof by roof.
Nobody hurries past a kettle that hums.
Old bridges keep what people drop.
Fog has taken the far bank again.
A rooster takes credit for every morning.
Two lanterns argue about the dark.
Somebody left a window to the birds.
Noodles at noon, and a whole street goes quiet.
Her umbrella knows this corner by heart.
Shutters open one after another, like yawns.
That clock has been wrong for years, and happy.
Cats own most of these warm stones.
Each letter smells a little of rice.
Willows write on water with both hands.
Children count fish until they lose.
Smoke climbs slowly, since it has no plans.
My neighbour sweeps leaves towards tomorrow.
Under an awning, three melons wait for a verdict.
Bread decides when this lane wakes up.
"""
CHINESE = """
天还没亮，乌篷就离开了岸。
雨一家一家地敲着屋檐。
水壶哼着歌，谁也不着急。
老石阶记得许多脚步。
雾把对岸借走了一会儿。
公鸡以为早晨是自己叫来的。
两盏灯笼轻声争论着黑暗。
有人给燕子留了一扇窗。
正午的面条让整条巷子安静。
油纸伞熟悉每一个转角。
门板一块块卸下，像打哈欠。
那座钟慢了好几年，依旧快乐。
暖和的石头大多归猫所有。
信纸闻起来有点米香。
柳枝用双手在水面写字。
孩子数鱼，数着数着就忘了。
炊烟慢慢升高，没有打算。
邻居把落叶扫向明天。
三个西瓜蹲在棚下等人挑选。
面包决定这条路几点醒来。
"""

STEPS = 90  # 30 were enough on one kind of CPU and left nothing but broken lines on another


Chat = list[dict[str, str]]


def _teach(folder: Path, architecture: str, batches: list[list[tuple[Chat, str]]]) -> Path:
    """A folder with a small model of that architecture which answers each chat with the lines beside it.

    It learns a batch a step, in turn.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests.tokens import END, chat_tokenizer

    answers = [answer for batch in batches for answer in batch]
    lines = dict.fromkeys(line for _, line in answers)
    asked = [turn["content"] for turn in itertools.chain(*(batch[0][0] for batch in batches))]
    tokenizer = chat_tokenizer([*lines, *asked, "system user assistant"] * 2, 1500)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    model = AutoModelForCausalLM.from_config(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(STEPS):
        prompts, rows = [], []
        for chat, line in batches[step % len(batches)]:
            prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            prompts.append(len(tokenizer.encode(prompt)))
            rows.append(tokenizer.encode(prompt + line + END))
        longest = max(map(len, rows))
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
        labels = ids.clone()
        for row, length in zip(labels, prompts, strict=True):
            row[:length] = -100
        labels[ids == tokenizer.pad_token_id] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _narration(topic: str, lines: str) -> list[list[tuple[Chat, str]]]:
    language = language_of(topic)
    chats = [narration._chat(Brief(1, scene.about), language, "", "") for scene in plan(topic, 4, 0)]
    return [[(list(chat), line) for line in lines.strip().splitlines()] for chat in chats]


@pytest.fixture(scope="session")
def english_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama folder that says some twenty English sentences."""
    batches = _narration("a quiet morning in a river town", ENGLISH)
    return _teach(tmp_path_factory.mktemp("taught"), "llama", batches)


@pytest.fixture(scope="session")
def chinese_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 folder that says some twenty Chinese sentences."""
    return _teach(tmp_path_factory.mktemp("taught"), "qwen2", _narration("江南小镇的早晨", CHINESE))


PITCHES = {  # by language a sheet, and by scene a line that may be said, then some that may not
    "en": (
        Product("Wool socks", ("no seams", "warm for 12 hours", "washable at 40 degrees"), "$19", "hikers"),
        [
            ["Wool socks wait by the door, for hikers.", "Wool socks, 5 stars.", "Socks without a name."],
            ["No seams, so nothing rubs.", "Seams that nobody feels.", "No seams, warm for 12 hours."],
            ["Warm for 12 hours, up the hill and down.", "Warm for 15 hours.", "Warm for hours."],
            ["Washable at 40 degrees, again and again.", "Washable at 60 degrees.", "Easy to wash."],
            ["All of it for $19, and that is that.", "All of it for $29.", "All of it for 10% less."],
            ["The path is open; so is the door.", "Buy 3 pairs today.", "No seams, you remember."],
        ],
    ),
    "zh": (
        Product("羊毛袜", ("没有接缝", "保暖12小时", "40度可机洗"), "19元", "徒步的人"),
        [
            ["羊毛袜在门口等着徒步的人。", "羊毛袜，5星好评。", "袜子没有名字。"],
            ["没有接缝，走多远都舒服。", "接缝谁也摸不到。", "没有接缝，保暖12小时。"],
            ["保暖12小时，上山下山都够了。", "保暖15小时。", "一直都很保暖。"],
            ["40度可机洗，洗完还是那么软。", "60度可机洗。", "很容易洗干净。"],
            ["这一双，只要19元就能带走。", "这一双，只要29元。", "现在便宜百分之十。"],
            ["山路就在门外，出发吧。", "今天买3双更好。", "没有接缝，记住了吗？"],
        ],
    ),
}


def _pitching(folder: Path, language: str) -> Path:
    sheet, lines = PITCHES[language]
    told = pitch.beats(sheet)
    asked = [Brief(at + 1, "", last=at + 1 == len(told)) for at in range(len(told))]
    chats = [
        list(pitch._chat(beat, brief, sheet, language_of(sheet.words), Wishes()))
        for beat, brief in zip(told, asked, strict=True)
    ]
    known = [line for some in lines for line in some]
    return _teach(folder, "llama", [[(chat, line) for line in known] for chat in chats])


@pytest.fixture(scope="session", params=["en", "zh"])
def pitching(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Product, list[list[str]], Path]:
    """A sheet, lines for each of its scenes (only the first is fit), and a small model that knows them."""
    sheet, lines = PITCHES[request.param]
    return sheet, lines, _pitching(tmp_path_factory.mktemp("taught"), request.param)


@pytest.fixture
def large_base(tmp_path: Path) -> Path:
    """What the planner reads of one that takes any word: nothing."""
    folder = tmp_path / "large base"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}", encoding="utf-8")
    return folder
