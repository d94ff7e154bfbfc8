"""Pictures, and a tiny labeller that really tells three things in two places by day and night, clear or snow.

It is an open_clip model whose towers are random; the two projections onto the shared space are solved by
least squares, which takes a second where training takes a minute.
"""

import itertools
import json

import numpy as np
import pytest
from PIL import Image

OBJECTS = {"apple": (220, 30, 30), "frog": (40, 200, 40), "whale": (40, 60, 220)}
SETTINGS = {"river": (150, 200, 230), "forest": (20, 70, 30)}
TIMES = {"day": 255, "night": 20}
WEATHERS = {"clear": (90, 90, 90), "snow": (250, 120, 250)}
VOCABULARY = {
    "object": list(OBJECTS),
    "setting": list(SETTINGS),
    "time": list(TIMES),
    "weather": list(WEATHERS),
    "style": ["pastel"],
}
WORDS = [*OBJECTS, *SETTINGS, *TIMES, *WEATHERS]
FACTS = list(itertools.product(OBJECTS, SETTINGS, TIMES, WEATHERS))


def scene(thing, setting, time, weather, seed=0):
    """A 64-pixel scene: sky by the time, ground by the setting, a square for the thing, a weather strip."""
    picture = np.full((64, 64, 3), TIMES[time], np.uint8)
    picture[40:56] = SETTINGS[setting]
    picture[56:] = WEATHERS[weather]
    x, y = np.random.default_rng(seed).integers(8, 30, 2)
    picture[y : y + 24, x : x + 24] = OBJECTS[thing]
    return Image.fromarray(picture)


def painted(width=64, height=48):
    """A gradient, so that damage, clipping and turning show."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 256], 2).astype(np.uint8)
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures: a.png, 鱼 小.jpg, sub/🦊.webp."""
    place = tmp_path / "my 图 set"
    (place / "sub").mkdir(parents=True)
    for name in ("a.png", "鱼 小.jpg", "sub/🦊.webp"):
        Image.new("RGB", (40, 32), "teal").save(place / name)
    return place


def captions(found):
    """Captions by the pictures' names."""
    return {image.path.name: image.caption for image in found.images}


@pytest.fixture(scope="session")
def scenes():
    """`scenes(thing, setting, time, weather, seed)` draws one."""
    return scene


@pytest.fixture(scope="session")
def facts():
    """All 24 (thing, setting, time, weather)."""
    return FACTS


def sentences():
    """What tagging may ask about each scene, with the words that it says, as numbers 0 and 1."""
    from core.images.tagging import how, named, places, when

    said = {}
    for fact in FACTS:
        for place in places(fact[1]):
            parts = (named(fact[0]), place, when(fact[2]), how(fact[3]))
            for count in range(1, 5):
                for text in (" ".join(parts[:count]), " ".join((*parts[:2], parts[3]))):
                    stated = [word for word, part in zip(fact, parts, strict=True) if part in text]
                    said[text] = [float(word in stated) for word in WORDS]
    return said


@pytest.fixture(scope="session")
def tiny_labeller(tmp_path_factory):
    """Folder of a labeller in the layout of assets/models/labeller: config, weights, vocabulary."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models") / "labeller"
    folder.mkdir()
    model_cfg = {
        "embed_dim": len(WORDS),
        "vision_cfg": {
            "layers": 1, "width": 64, "head_width": 16, "patch_size": 8, "image_size": 32, "pool_type": "avg",
        },
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
    }  # fmt: skip
    preprocess_cfg = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocabulary.json").write_text(json.dumps(VOCABULARY), encoding="utf-8")
    torch.manual_seed(0)
    model = open_clip.CLIP(**model_cfg).eval()
    tokenizer = open_clip.SimpleTokenizer(context_length=32)
    preprocess = open_clip.image_transform(
        32, is_train=False, mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="squash"
    )

    @torch.no_grad()
    def solve(features, targets):
        return torch.linalg.lstsq(features.T @ features + 1e-3 * torch.eye(64), features.T @ targets).solution

    said = sentences()
    with torch.no_grad():
        model.token_embedding.weight.mul_(50)
        image_projection, text_projection = model.visual.proj, model.text_projection
        model.visual.proj = model.text_projection = None
        pictures = torch.stack([preprocess(scene(*fact, seed)) for seed in range(8) for fact in FACTS])
        shown = torch.tensor([[float(word in fact) for word in WORDS] for fact in FACTS]).repeat(8, 1)
        image_projection.copy_(solve(model.encode_image(pictures), shown))
        text_projection.copy_(
            solve(model.encode_text(tokenizer(list(said))), torch.tensor(list(said.values())))
        )
        model.visual.proj, model.text_projection = image_projection, text_projection
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder
