"""Tiny real language models that were taught a few lines, so that what they write is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.video import script
from core.video.language import Language, language_of
from core.video.storyboard import plan

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


def _teach(folder: Path, architecture: str, topic: str, lines: list[str]) -> Path:
    """A folder with a small model of that architecture which answers a script's chats with these lines."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests.tokens import END, chat_tokenizer

    language = language_of(topic)
    chats = _chats(topic, language)
    said = [turn["content"] for chat in chats for turn in chat]
    tokenizer = chat_tokenizer([*lines, *said, "system user assistant"] * 2, 1500)
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
    prompts = [
        tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in chats
    ]
    for step in range(STEPS):
        rows = [tokenizer.encode(prompts[step % len(prompts)] + line + END) for line in lines]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
        labels = ids.clone()
        labels[:, : len(tokenizer.encode(prompts[step % len(prompts)]))] = -100
        labels[ids == tokenizer.pad_token_id] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _chats(topic: str, language: Language) -> list[list[dict[str, str]]]:
    scenes = plan(topic, 4, 0).scenes
    return [list(script._chat(scene, None, language, "", "")) for scene in scenes]


@pytest.fixture(scope="session")
def english_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama folder that says some twenty English sentences."""
    lines = ENGLISH.strip().splitlines()
    return _teach(tmp_path_factory.mktemp("taught"), "llama", "a quiet morning in a river town", lines)


@pytest.fixture(scope="session")
def chinese_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 folder that says some twenty Chinese sentences."""
    lines = CHINESE.strip().splitlines()
    return _teach(tmp_path_factory.mktemp("taught"), "qwen2", "江南小镇的早晨", lines)
