"""Forty topics as creators write them, and what a film of the studio's 310 things should show of each.

`shows`: things of assets/vocabulary.yaml that belong to the topic, written down before anything was measured;
empty: nothing of it can be drawn. `hero`: the thing that its own words name first; empty: they name none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A topic, what should be seen of it, and what its words name."""

    said: str
    shows: tuple[str, ...] = ()
    hero: str = ""


ENGLISH = (
    Topic("why bees dance", ("bee", "flower", "sunflower", "honey pot", "butterfly", "rose"), "bee"),
    Topic("our new ceramic tea cup", ("cup of tea", "teapot", "cup of coffee", "gift", "book"), "cup of tea"),
    Topic("a rainy night in the old town",
          ("umbrella", "woman with an umbrella", "lamp post", "lantern", "house", "taxi", "cat")),
    Topic("how to bake sourdough at home",
          ("loaf of bread", "croissant", "pie", "cookie", "basket", "old woman"), "loaf of bread"),
    Topic("what sailors taught me about patience",
          ("sailboat", "ship", "boat", "lighthouse", "fishing boat", "compass", "fisherman")),
    Topic("three days on the savanna",
          ("lion", "elephant", "giraffe", "zebra", "rhinoceros", "leopard", "tent", "hippopotamus")),
    Topic("growing up on a farm",
          ("farmer", "cow", "tractor", "horse", "pig", "sheep", "rooster", "goat", "boy")),
    Topic("the deep sea at night", ("jellyfish", "squid", "octopus", "whale", "shark", "fish", "dolphin")),
    Topic("breakfast around the world",
          ("plate of pancakes", "croissant", "egg", "cup of coffee", "loaf of bread", "orange")),
    Topic("a letter to my grandmother",
          ("letter", "old woman", "pencil", "postbox", "candle", "rose"), "letter"),
    Topic("the first day of winter",
          ("snowman", "bare tree", "pine tree", "scarf", "coat", "skier", "polar bear", "christmas tree")),
    Topic("how astronauts see the earth",
          ("planet", "rocket", "moon", "star", "globe", "sun", "telescope", "flying saucer")),
    Topic("learning jazz at sixty",
          ("trumpet", "guitar", "violin", "microphone", "drum", "flute", "old man", "pair of headphones")),
    Topic("a perfume that smells of spring",
          ("bottle of perfume", "flower", "rose", "tulip", "bouquet", "butterfly", "lipstick"),
          "bottle of perfume"),
    Topic("quarterly tax tips for freelancers"),
    Topic("why democracies fail"),
    Topic("the difference between a warrant and a guarantee"),
    Topic("quantum entanglement explained"),
    Topic("how inflation eats your savings"),
    Topic("five grammar mistakes everyone makes"),
)  # fmt: skip

CHINESE = (
    Topic("蜜蜂为什么跳舞", ("bee", "flower", "sunflower", "honey pot", "butterfly", "rose"), "bee"),
    Topic("老茶馆的一天", ("cup of tea", "teapot", "old man", "chair", "lantern", "folding fan", "bamboo"),
          "cup of tea"),
    Topic("雨夜的江南小镇",
          ("umbrella", "woman with an umbrella", "lantern", "bridge", "boat", "willow", "house")),
    Topic("一碗面里的乡愁",
          ("bowl of noodles", "old woman", "bowl of rice", "dumpling", "basket of steamed buns"),
          "bowl of noodles"),
    Topic("中秋节的月亮", ("moon", "moon cake", "lantern", "rabbit", "cup of tea", "star"), "moon cake"),
    Topic("我家的橘猫", ("cat", "fish", "sofa", "dog", "mouse", "bed"), "cat"),
    Topic("草原上的牧羊人", ("sheep", "horse", "goat", "dog", "tent", "eagle", "farmer"),
          "sheep"),
    Topic("大熊猫的早餐", ("panda", "bamboo", "tree", "basket", "apple"), "panda"),
    Topic("深海里的鲸鱼", ("whale", "fish", "jellyfish", "shark", "dolphin", "octopus", "squid"), "whale"),
    Topic("第一场雪", ("snowman", "bare tree", "pine tree", "scarf", "plum tree", "coat", "bird")),
    Topic("奶奶的饺子", ("dumpling", "old woman", "bowl of noodles", "basket of steamed buns"),
          "old woman"),
    Topic("宇航员眼里的地球", ("planet", "rocket", "moon", "star", "globe", "sun", "telescope")),
    Topic("石桥下的小船", ("boat", "bridge", "willow", "lotus", "fisherman", "duck"), "bridge"),
    Topic("咖啡师的清晨", ("cup of coffee", "croissant", "man", "woman", "slice of cake"), "cup of coffee"),
    Topic("一首诗歌的诞生"),
    Topic("自由职业者的季度报税技巧"),
    Topic("民主为什么会失败"),
    Topic("通货膨胀如何吃掉你的存款"),
    Topic("量子纠缠是什么"),
    Topic("三种常见的语法错误"),
)  # fmt: skip
