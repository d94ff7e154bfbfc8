"""What differs by language when a script is written: how lines are asked for, and which signs they may hold.

English and Chinese; a topic says which. Knows words, no models and no scenes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.texts.letters import HAN_SIGN
from core.texts.samples import NARRATION, TASKS, Task


@dataclass(frozen=True)
class Language:
    """A language that scripts are written in.

    dense: written without spaces. task: what the base is asked for where no LoRA speaks; a LoRA is asked in
    the words that it learnt. examples: topics and lines shown to the base then: it takes length and manner
    from them. beats: what else a long scene's lines may be about. again: how the plain line of what is seen
    begins when it has been said before. whole: asks for a whole script at once. something: any topic at all.
    film: begins a sentence that goes on with a thing of a topic's film.
    """

    dense: bool
    task: Task
    examples: tuple[tuple[str, str], ...]
    beats: tuple[str, ...]
    again: tuple[str, ...]
    whole: str
    something: str
    film: str


ENGLISH = Language(
    dense=False,
    task=TASKS[NARRATION],
    examples=(
        ("a lighthouse by the sea, night", "The lamp goes round and round. Out there, somebody is counting."),
        (
            "a pair of boots at the door, morning",
            "Two boots stand at the door. They have been far and say nothing.",
        ),
        ("a busy kitchen, evening", "Six pots talk at once. The cook hears only the soup."),
    ),
    beats=(
        "{}",
        "the light on {}",
        "the sounds around {}",
        "somebody who looks at {}",
        "a small thing near {}",
        "the air around {}",
        "what comes next for {}",
        "a memory of {}",
    ),
    again=("{}.", "Again {}.", "Still {}.", "And then {}.", "Once more {}."),
    whole="Write the narration of a short video about {topic}. It has these scenes:\n{scenes}\n"
    "Answer with one line a scene, numbered likewise, each of at most {words} words.",
    something="something",
    film="A short film about {}. The camera shows ",
)
CHINESE = Language(
    dense=True,
    task=Task("你为短视频写旁白。", "用一两句话为这个画面写旁白：{topic}。", "语气：{tone}。"),
    examples=(
        ("海边的灯塔，夜里", "灯一圈一圈地转。远处，有人在默默地数。"),
        ("门口的一双靴子，早晨", "两只靴子站在门口。它们走过很远的路，什么也不说。"),
        ("热闹的厨房，傍晚", "六口锅同时说话。厨师只听得见汤的声音。"),
    ),
    beats=(
        "{}",
        "{}，光线",
        "{}，声音",
        "{}，旁边看着的人",
        "{}，一个小小的细节",
        "{}，空气和味道",
        "{}，接下来的事",
        "{}，一段回忆",
    ),
    again=("{}。", "又是{}。", "还是{}。", "然后，{}。", "再看一眼，{}。"),
    whole="为一个关于{topic}的短视频写旁白，它有这些画面：\n{scenes}\n"
    "每个画面回答一行，用同样的编号，每行最多{words}个字。",
    something="随便什么",
    film="一部关于{}的短片。镜头里是",
)


def language_of(topic: str) -> Language:
    """The language of a topic, and so of its script: Chinese where a quarter of its letters are."""
    letters = re.findall(r"[^\W\d_]", topic)
    return CHINESE if letters and len(HAN_SIGN.findall(topic)) * 4 >= len(letters) else ENGLISH
