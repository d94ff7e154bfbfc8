"""In which words a language model is asked for a script, by language, and with which examples.

Read side by side over twelve topics in two languages by Qwen2.5-Coder-1.5B (tests/real). A small model takes
its manner from the examples and its matter from the plan: without one it defines the topic six times. Asked
for all lines at once it goes on in the words of the first. English and Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.video.script.language import CHINESE, Language

OTHER = "other"  # of `wrong`: what is told of a fault that has no words of its own


@dataclass(frozen=True)
class Example:
    """A topic, what its scenes are about, and what is said in each."""

    topic: str
    plan: tuple[str, ...]
    say: tuple[str, ...]


@dataclass(frozen=True)
class StoryWords:
    """A language's words. system: who is asked; plan: for what each scene is about; line: for what is said.

    beats: of a plan, as the style wants it; another: where one before repeated itself.
    said: the lines before it; tone, ending: of the style, where it has some; opens, ends: of the film's first
    and last line; wrong: what is told of a line that was thrown out, by its fault.
    """

    system: str
    plan: str
    beats: str
    another: str
    line: str
    said: str
    tone: str
    ending: str
    opens: str
    ends: str
    wrong: Mapping[str, str]
    examples: Sequence[Example]


ENGLISH_WORDS = StoryWords(
    system="You write the voice-over of short films, in plain spoken words.",
    plan=(
        "Topic: {topic}\nPlan a short film in {count} scenes: what happens or what to do, in a few words "
        "each, step by step."
    ),
    beats=" It goes like this: {}.",
    another=" Each scene in other words, about something else.",
    line="Topic: {topic}\n{wishes}{said}Scene {number}: {beat}.{place} Say it in about {words} words.{wrong}",
    said="Said before:\n{lines}\n",
    tone="Tone: {}.\n",
    ending=" It may end with {}.",
    opens=" Make curious.",
    ends=" It ends the film.",
    wrong={
        "repeated": " Say something new.",
        "too long to say": " Keep it short.",
        "says little": " Say what one sees, hears or does.",
        "about itself": " Don't mention a film.",
        "another language": " Write in English.",
        OTHER: " Write a whole, plain sentence.",
    },
    examples=(
        Example(
            "how bread rises",
            ("dough seems asleep", "yeast eats sugar", "air makes the loaf"),
            (
                "Dough looks asleep under its cloth. Inside, it is busy.",
                "Yeast eats the flour's sugar and breathes out gas.",
                "So a loaf is mostly air that somebody waited for.",
            ),
        ),
        Example(
            "keeping a houseplant alive",
            ("too much water kills", "feel the soil", "a new leaf comes"),
            (
                "Most houseplants don't die of thirst. They drown.",
                "Push a finger into the soil. If it is wet, walk away.",
                "One morning a leaf uncurls. You did that by doing less.",
            ),
        ),
    ),
)
CHINESE_WORDS = StoryWords(
    system="你为短视频写旁白，用平实的口语。",
    plan="主题：{topic}\n先想好一部短片的{count}个分镜：发生什么或怎么做，每个几个字，一步接一步。",
    beats="顺序大致是：{}。",
    another="每个分镜都讲不同的事，不要用同样的句式。",
    line="主题：{topic}\n{wishes}{said}第{number}个分镜：{beat}。{place}用大约{words}个字说出来。{wrong}",
    said="前面说过：\n{lines}\n",
    tone="语气：{}。\n",
    ending="结尾可以有：{}。",
    opens="要让人好奇。",
    ends="这是全片的结尾。",
    wrong={
        "repeated": "要说一件新的事。",
        "too long to say": "要短。",
        "says little": "说看得见、听得到、做得到的事。",
        "about itself": "不要提到视频。",
        "another language": "用中文写。",
        OTHER: "写一句完整、平实的话。",
    },
    examples=(
        Example(
            "面包为什么会发起来",
            ("面团像睡着了", "酵母在吃糖", "面包里都是空气"),
            (
                "布下面的面团像是睡着了，里面却忙得很。",
                "酵母吃掉面粉里的糖，吐出一个个小气泡。",
                "一个面包，大半是有人耐心等来的空气。",
            ),
        ),
        Example(
            "怎样养活一盆绿植",
            ("水多会淹死", "先摸摸土", "长出新叶"),
            (
                "养不活的绿植，多半不是渴死，是淹死的。",
                "把手指插进土里，还湿着，就先别浇水。",
                "哪天早上冒出一片新叶，那就是它在谢你。",
            ),
        ),
    ),
)


def words_of(language: Language) -> StoryWords:
    """The words for a language of scripts."""
    return CHINESE_WORDS if language is CHINESE else ENGLISH_WORDS
