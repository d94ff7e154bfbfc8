"""Trains the labeller: an open_clip model that tells what a picture shows by comparing it with sentences.

Works on drawn scenes, some of them in a starter LoRA's style; knows nothing about diffusion. Each picture is
compared with the sentences of its batch, with all nouns, and with sentences of its own that are wrong in
one fact (another place, time, weather or thing), which is how `core.images.tagging` asks.

    python -m assets.build.labeller --minutes 60 --finish
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from assets.build import base, data, muon, scenes, styles, training
from core.device import autocast
from core.images import tagging

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 8, "layers": (1, 1, 1, 1), "text": 16, "batch": 4, "pool": 8, "held_out": 8},
    "full": {"width": 24, "layers": (1, 1, 2, 1), "text": 128, "batch": 64, "pool": 12000, "held_out": 500},
}
SIDE = 128  # px that the model sees
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
KINDS = ("object", "setting", "time", "weather")
STYLED = 0.25  # share of the pictures that wear a starter LoRA's style
LENGTH = 24  # tokens of a sentence, start and end included
WRONG = 3  # wrong sentences for each picture


def configuration(size: str) -> dict[str, Any]:
    """The open_clip configuration: a small residual network and a small transformer."""
    setup = SIZES[size]
    return {
        "model_cfg": {
            "embed_dim": setup["text"],
            "vision_cfg": {
                "image_size": SIDE,
                "layers": list(setup["layers"]),
                "width": setup["width"],
                "head_width": 64,
            },
            "text_cfg": {
                "context_length": LENGTH,
                "vocab_size": base.WORDS,
                "hf_tokenizer_name": "clip-8192",
                "width": setup["text"],
                "heads": 4,
                "layers": 2,
            },
        },
        "preprocess_cfg": {
            "size": SIDE,
            "mean": list(MEAN),
            "std": list(DEVIATION),
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }


def build(size: str) -> Any:
    """A new model."""
    parts = configuration(size)["model_cfg"]
    text = open_clip.CLIPTextCfg(**parts["text_cfg"])
    return open_clip.CLIP(parts["embed_dim"], open_clip.CLIPVisionCfg(**parts["vision_cfg"]), text)


def pictures(
    folder: Path, seeds: range, size: str, styled: float, workers: int = 1
) -> tuple[NDArray[np.uint8], list[dict[str, str]]]:
    """Scenes of both shapes squashed to a little more than `SIDE`: [N, S, S, 3], facts with the caption.

    `styled`: the share that wears a starter LoRA's style; kept in `folder`, drawn by `workers` processes.
    """
    return data.kept(folder, _picture, [(seed, size, styled) for seed in seeds], workers)


def _picture(job: tuple[int, str, float]) -> tuple[NDArray[np.uint8], dict[str, str]]:
    seed, size, styled = job
    scene = scenes.draw(seed, *data.SHAPES[size]["square" if seed % 2 else "portrait"])
    picture = scene.image
    random = np.random.default_rng(seed)
    if random.random() < styled:
        style = list(styles.STYLES.values())[random.integers(len(styles.STYLES))]
        picture = style(picture, seed, scene.mask)
    side = (SIDE + 16, SIDE + 16)
    squashed = np.asarray(cv2.resize(picture, side, interpolation=cv2.INTER_AREA), np.uint8)
    return squashed, {**scene.facts, "caption": scene.caption}


def changed(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A random crop [SIDE, SIDE, 3] with random light: what a person's own pictures may look like."""
    side = int(picture.shape[0] * random.uniform(0.75, 1.0))
    y, x = random.integers(picture.shape[0] - side + 1), random.integers(picture.shape[1] - side + 1)
    crop = cv2.resize(picture[y : y + side, x : x + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    light: NDArray[Any] = crop.astype(np.float32)
    kind = random.random()
    if kind < 0.12:
        light = np.repeat(light.mean(2, keepdims=True), 3, axis=2)
    elif kind < 0.24:
        light = cv2.GaussianBlur(light, (0, 0), random.uniform(0.5, 1.5))
    elif kind < 0.6:
        middle = light.mean()
        light = (light - middle) * random.uniform(0.7, 1.2) + middle * random.uniform(0.85, 1.1)
        light = light * random.uniform(0.92, 1.08, 3)
    return np.clip(light, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _words() -> CLIPTokenizer:
    return base.tokenizer()


def read_texts(model: Any, sentences: list[str], device: torch.device) -> Tensor:
    """Embeddings float32 [N, D] of sentences, as `model.encode_text` gives them, cut to the longest one.

    What stands after a sentence's end changes nothing, and most sentences fill half of the places.
    """
    ids = tokenise(sentences)
    longest = int((ids == base.WORDS - 1).int().argmax(1).max()) + 1
    ids = ids[:, :longest].to(device)
    x = model.token_embedding(ids) + model.positional_embedding[:longest]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:longest, :longest]))
    pooled = x[torch.arange(len(ids), device=device), ids.argmax(1)]
    return F.normalize((pooled @ model.text_projection).float(), dim=-1)


def tokenise(sentences: list[str]) -> Tensor:
    """Token numbers int64 [N, LENGTH], as open_clip's tokenizer of the exported folder gives them."""
    return _words()(
        sentences, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def to_input(crops: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, S, S, 3] to the model's normalised float32 [N, 3, S, S]."""
    x = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]


def sentence(facts: dict[str, str], random: np.random.Generator) -> str:
    """A sentence of some of the facts in the tagging's words, always with the thing."""
    words = [tagging.named(facts["object"])]
    for kind in KINDS[1:]:
        if facts[kind] and random.random() < 0.75:
            said = tagging.phrases(kind, facts[kind])
            words.append(said[random.integers(len(said))])
    return " ".join(words)


def wrong(
    facts: dict[str, str], vocabulary: dict[str, list[str]], random: np.random.Generator
) -> tuple[str, list[str]]:
    """A right sentence that ends with one fact, and `WRONG` that end with another word of that kind."""
    said = [kind for kind in KINDS if facts[kind]]
    kind = said[random.integers(len(said))]
    before: list[str] = []
    for earlier in KINDS[: KINDS.index(kind)]:
        if facts[earlier] and (earlier == "object" or random.random() < 0.7):
            before.append(tagging.phrases(earlier, facts[earlier])[0])
    others = [word for word in vocabulary[kind] if word not in (facts[kind], facts["object2"])]
    chosen = random.choice(others, WRONG, replace=len(others) < WRONG)

    def ending(word: str) -> str:
        options = tagging.phrases(kind, word)
        return " ".join([*before, options[random.integers(len(options))]])

    return ending(facts[kind]), [ending(str(word)) for word in chosen]


@torch.no_grad()
def measure(
    model: Any, seen: NDArray[np.uint8], facts: list[dict[str, str]], vocabulary: dict[str, list[str]]
) -> dict[str, float]:
    """Shares of right tags, asked as the studio asks: the thing first, then with the thing."""
    device = next(model.parameters()).device
    crops = np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in seen])
    embedded = torch.cat([model.encode_image(to_input(c).to(device), True) for c in np.array_split(crops, 8)])

    def say(sentences: list[str]) -> Tensor:
        return model.encode_text(tokenise(sentences).to(device), True)

    nouns = say([tagging.named(word) for word in vocabulary["object"]])
    ranked = (embedded @ nouns.T).argsort(dim=1, descending=True)
    targets = torch.tensor([vocabulary["object"].index(f["object"]) for f in facts], device=device)
    hits = ranked == targets[:, None]
    figures = {
        "object": float(hits[:, 0].float().mean()),
        "object_top3": float(hits[:, :3].any(1).float().mean()),
    }
    for kind in KINDS[1:]:
        right = []
        for one, fact in zip(embedded, facts, strict=True):
            if fact[kind]:
                subject = tagging.named(fact["object"])
                options = [(word, p) for word in vocabulary[kind] for p in tagging.phrases(kind, word)]
                best = int((say([f"{subject} {p}" for _, p in options]) @ one).argmax())
                right.append(options[best][0] == fact[kind])
        figures[kind] = float(np.mean(right)) if right else 0.0
    return {name: round(figure, 3) for name, figure in figures.items()}


def loss_of(
    model: Any,
    images: Tensor,
    sentences: list[str],
    pools: list[list[str]],
    nouns: list[str],
    chosen: Tensor,
) -> Tensor:
    """Contrastive loss of pictures and sentences, of each picture's `pools` (right one first), of nouns."""
    count, device = len(images), images.device
    with autocast(device):
        seen = model.encode_image(images, normalize=True).float()
        said = read_texts(model, [*sentences, *(text for pool in pools for text in pool)], device)
        named = read_texts(model, nouns, device)
    scale = model.logit_scale.exp().clamp(max=60)
    own = said[count:].view(count, WRONG + 1, -1)
    target = torch.arange(count, device=device)
    among = scale * seen @ said[:count].T
    loss = 0.5 * (F.cross_entropy(among, target) + F.cross_entropy(among.T, target))
    loss = loss + F.cross_entropy(scale * torch.einsum("nd,nkd->nk", seen, own), torch.zeros_like(target))
    return loss + F.cross_entropy(scale * seen @ named.T, chosen)


def take_over(model: Any, finished: Path) -> int:
    """Gives the model a finished labeller's weights; the samples that one had seen."""
    model.load_state_dict(load_file(finished / "model.safetensors"))
    told = json.loads((finished / "studio.json").read_text(encoding="utf-8"))
    return int(told["samples"])


def export(
    model: Any, size: str, vocabulary: dict[str, list[str]], figures: dict[str, Any], target: Path
) -> None:
    """Writes the folder that `open_clip.create_model_from_pretrained("local-dir:…")` reads, compact.

    `figures`, the samples seen and what was measured, stand beside it in studio.json.
    """
    target.mkdir(parents=True, exist_ok=True)
    base.tokenizer().save_pretrained(target)
    (target / "open_clip_config.json").write_text(json.dumps(configuration(size), indent=1), encoding="utf-8")
    (target / "vocabulary.json").write_text(
        json.dumps(vocabulary, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    (target / "studio.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    temporary = target / "model.safetensors.part"
    save_file(training.compact(model.state_dict()), temporary)
    temporary.replace(target / "model.safetensors")


def main() -> None:
    """Trains for one slice, measures held-out scenes, and exports to `models/labeller`."""
    parser = training.arguments("Trains the labeller.", minutes=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    parser.add_argument(
        "--go-on-from",
        type=Path,
        help="models folder whose finished labeller a training without state begins with",
    )
    options = training.read(parser)
    setup, device = SIZES[options.size], training.pick_device()
    batch = options.batch or setup["batch"]
    vocabulary = scenes.vocabulary()
    nouns = [tagging.named(word) for word in vocabulary["object"]]
    torch.manual_seed(0)
    model = build(options.size).to(device).to(memory_format=torch.channels_last)
    edges = ("conv1", "attnpool", "text_projection", "positional_embedding")
    optimizer = muon.Muon(muon.groups(model, lr=2e-3, adam_lr=1e-3, edges=edges))
    folder, step = options.state / "labeller", 0
    found = training.load_state(folder)
    if found:
        training.unpack(found[0], model, None, optimizer)
        step = found[1]["step"]
    elif options.go_on_from:
        step = take_over(model, options.go_on_from / "labeller") // batch
    random = np.random.default_rng(step)
    pools = options.state / "pools"
    pool, facts = pictures(pools / "labeller", range(setup["pool"]), options.size, STYLED, options.workers)
    log = options.state / "labeller.log"
    training.write_log(log, drawn=len(pool))
    time_slice = training.Slice(options.minutes, options.steps, options.finish)

    def save() -> None:
        training.save_state(folder, training.pack(model, None, optimizer), {"step": step})

    total, since = 0.0, 0
    model.train()
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        picked = random.integers(len(pool), size=batch)
        images = to_input(np.stack([changed(pool[i], random) for i in picked])).to(device)
        said = [facts[i]["caption"] if random.random() < 0.5 else sentence(facts[i], random) for i in picked]
        own = [wrong(facts[i], vocabulary, random) for i in picked]
        chosen = torch.tensor([vocabulary["object"].index(facts[i]["object"]) for i in picked], device=device)
        loss = loss_of(model, images, said, [[right, *false] for right, false in own], nouns, chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step, total, since = step + 1, total + loss.item(), since + 1
        if since == 50:
            training.write_log(log, step=step, loss=round(total / since, 4))
            total, since = 0.0, 0
            save()
    save()
    model.eval()
    figures: dict[str, Any] = {"samples": step * batch}
    for name, styled in (("plain", 0.0), ("styled", 1.0)):
        start = data.HELD_OUT + 5000 * int(styled)
        unseen, unseen_facts = pictures(
            pools / f"labeller-{name}",
            range(start, start + setup["held_out"]),
            options.size,
            styled,
            options.workers,
        )
        figures[name] = measure(model, unseen, unseen_facts, vocabulary)
    training.write_log(log, step=step, **figures)
    export(model, options.size, vocabulary, figures, options.models / "labeller")


if __name__ == "__main__":
    main()
