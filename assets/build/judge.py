"""Measures the base and the starter LoRAs: do they draw the object, place, time and style asked for?

A small classifier is trained on real scenes only (a third of them put into a starter LoRA's style) and never
sees a drawn picture; then it judges what the base draws for 300 prompts with one object each, and what it
draws for some of them with each starter LoRA. It shares no weights with the labeller. Its own accuracy on
held-out real scenes is written beside the figures, for it is their ceiling.

    python -m assets.build.judge --minutes 30
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor, nn

from assets.build import base, data, loras, muon, scenes, training
from core.device import autocast
from core.lora.adapters import fuse

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 8, "batch": 4, "pool": 9, "prompts": 2, "pairs": 2},
    "full": {"width": 24, "batch": 48, "pool": 9600, "prompts": 300, "pairs": 60},
}
Picture = NDArray[np.uint8]

SIDE = 112  # px that the judge sees
FIRST = data.PORTRAIT // 2  # seeds from here on are the judge's own: none of them is the labeller's
KINDS = ("object", "setting", "time", "look")
PLAIN = "plain"
LOOKS = [PLAIN, *loras.STARTERS]
MIXED = (*LOOKS, *[PLAIN] * (2 * len(LOOKS) - 3))  # what the judge learns on: every third picture in a style


class Judge(nn.Module):
    """Five levels of convolutions, global pooling, and one linear head for each kind of fact."""

    def __init__(self, width: int, classes: dict[str, list[str]]):
        """`classes`: the words of each kind."""
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for level in range(5):
            wide = width * 2 ** min(level, 3)
            layers += [nn.Conv2d(channels, wide, 3, stride=2, padding=1), nn.GroupNorm(4, wide), nn.SiLU()]
            layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.GroupNorm(4, wide), nn.SiLU()]
            channels = wide
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {kind: nn.Linear(2 * channels, len(words)) for kind, words in classes.items()}
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Pictures [N, 3, S, S] in −1…1 to scores [N, words] of each kind."""
        features = self.body(x)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return {kind: head(pooled) for kind, head in self.heads.items()}


def squash(picture: Picture) -> Picture:
    """A picture [H, W, 3] to [SIDE, SIDE, 3]."""
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def squash_all(pictures: Picture) -> Picture:
    """Pictures [N, H, W, 3] to [N, SIDE, SIDE, 3]."""
    return np.stack([squash(picture) for picture in pictures])


def soften(picture: NDArray[Any], random: np.random.Generator) -> NDArray[np.uint8]:
    """Mirrored, shifted, blurred or dimmed: the judge shall not mind how crisp a picture is."""
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    move = np.array([[1, 0, random.uniform(-8, 8)], [0, 1, random.uniform(-8, 8)]], np.float32)
    picture = cv2.warpAffine(
        np.ascontiguousarray(picture), move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    if random.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.4, 1.6))
    return np.clip(picture * random.uniform(0.85, 1.1), 0, 255).astype(np.uint8)


@torch.no_grad()
def accuracy(judge: Judge, pictures: NDArray[np.uint8], targets: Tensor) -> dict[str, float]:
    """Shares of right answers; a target of −1 is not counted. Top 3 for the object too."""
    judge.eval()
    device = next(judge.parameters()).device
    scores = [
        judge(data.to_tensor(part).to(device)) for part in np.array_split(pictures, -(-len(pictures) // 50))
    ]
    figures = {}
    for index, kind in enumerate(KINDS):
        ranked = torch.cat([s[kind] for s in scores]).argsort(1, descending=True).cpu()
        known = targets[:, index] >= 0
        if not known.any():
            continue
        hits = ranked[known] == targets[known, index, None]
        figures[kind] = round(float(hits[:, 0].float().mean()), 3)
        if kind == "object":
            figures["object_top3"] = round(float(hits[:, :3].any(1).float().mean()), 3)
    judge.train()
    return figures


def targets_of(facts: list[dict[str, str]], classes: dict[str, list[str]]) -> Tensor:
    """Class numbers int64 [N, kinds]; −1 where the caption doesn't say."""
    rows = [[classes[kind].index(f[kind]) if f[kind] else -1 for kind in KINDS] for f in facts]
    return torch.tensor(rows)


def real(
    folder: Path, seeds: Sequence[int], shape: str, size: str, looks: Sequence[str], workers: int = 1
) -> tuple[Picture, list[dict[str, str]]]:
    """Real scenes [N, SIDE, SIDE, 3], put into the looks by turns, and their facts; kept in `folder`.

    A style hides the time of day, so a styled scene's facts don't tell it.
    """
    jobs = [(seed, shape, size, looks[number % len(looks)]) for number, seed in enumerate(seeds)]
    return data.kept(folder, _real, jobs, workers)


def _real(job: tuple[int, str, str, str]) -> tuple[Picture, dict[str, str]]:
    seed, shape, size, look = job
    _, facts = scenes.describe(seed)
    if look != PLAIN:
        picture, _ = loras.paint(loras.STARTERS[look], size, seed, shape, scale=1)
        return squash(picture), {**facts, "look": look, "time": ""}
    scene = scenes.draw(seed, *data.SHAPES[size][shape])
    return squash(scene.image), {**facts, "look": look}


def asked(count: int, first: int, look: str = PLAIN) -> tuple[list[str], list[dict[str, str]]]:
    """Captions and facts of held-out scenes with one object, told from `first` on; with a look's trigger."""
    told = [scenes.describe(seed) for seed in scenes.with_one_object(count, first)]
    start = "" if look == PLAIN else f"{loras.STARTERS[look].trigger}, "
    return [start + caption for caption, _ in told], [{**fact, "look": look} for _, fact in told]


def train_judge(judge: Judge, options: argparse.Namespace, classes: dict[str, list[str]]) -> int:
    """Trains the judge for one slice (0 minutes: as it stands), from its state; the steps so far."""
    setup, device = SIZES[options.size], training.pick_device()
    batch = options.batch or setup["batch"]
    optimizer = muon.Muon(muon.groups(judge, lr=2e-3, adam_lr=2e-3))
    folder, step = options.state / "judge", 0
    found = training.load_state(folder)
    if found:
        training.unpack(found[0], judge, None, optimizer)
        step = found[1]["step"]
    if found and not options.minutes:
        return step
    random = np.random.default_rng(step)
    seeds = scenes.with_one_object(setup["pool"], FIRST)  # as in the prompts
    pools = options.state / "pools"
    parts = [
        real(pools / f"judge-{shape}", seeds[number::2], shape, options.size, MIXED, options.workers)
        for number, shape in enumerate(data.SHAPES[options.size])
    ]
    pool = np.concatenate([pictures for pictures, _ in parts])
    targets = torch.cat([targets_of(facts, classes) for _, facts in parts])
    time_slice = training.Slice(options.minutes, options.steps, finish=True)
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        picked = random.integers(len(pool), size=batch)
        x = data.to_tensor(np.stack([soften(pool[i], random) for i in picked])).to(device)
        with autocast(device):
            scores = judge(x)
        wanted = targets[picked].to(device)
        losses = [
            F.cross_entropy(scores[k].float(), wanted[:, i], ignore_index=-1) for i, k in enumerate(KINDS)
        ]
        loss = torch.stack(losses).nansum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            training.write_log(options.state / "judge.log", step=step, loss=round(loss.item(), 4))
    training.save_state(folder, training.pack(judge, None, optimizer), {"step": step})
    return step


def main() -> None:
    """Trains the judge, draws the prompts, writes `models/figures.json`."""
    parser = training.arguments(
        "Measures the base and the starter LoRAs with an independent judge.", minutes=6
    )
    parser.add_argument("--loras", type=Path, default=loras.LORAS, help="folder of the starter LoRAs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    options = training.read(parser)
    setup, device = SIZES[options.size], training.pick_device()
    vocabulary = scenes.vocabulary()
    classes = {kind: LOOKS if kind == "look" else vocabulary[kind] for kind in KINDS}
    torch.manual_seed(0)
    judge = Judge(setup["width"], classes).to(device).to(memory_format=torch.channels_last)
    step = train_judge(judge, options, classes)

    held_out = scenes.with_one_object(setup["prompts"], data.HELD_OUT)
    figures: dict[str, Any] = {}
    for look in LOOKS:  # the ceilings of what is drawn
        place = options.state / "pools" / f"judge-real-{look}"
        unseen, facts = real(place, held_out, "portrait", options.size, (look,), options.workers)
        figures[f"real-{look}"] = accuracy(judge, unseen, targets_of(facts, classes))
    training.write_log(options.state / "judge.log", step=step, **figures)
    pipe: Any = StableDiffusionPipeline.from_pretrained(
        options.models / "base", torch_dtype=torch.float32
    ).to(device)
    pipe.set_progress_bar_config(disable=True)

    def judged(name: str, shape: str, captions: list[str], facts: list[dict[str, str]]) -> None:
        start = time.monotonic()
        drawn = base.draw(pipe, captions, *data.SHAPES[options.size][shape], seed=1)
        figures[name] = accuracy(judge, squash_all(drawn), targets_of(facts, classes))
        figures[name]["seconds_each"] = round((time.monotonic() - start) / len(drawn), 2)
        data.sheet(drawn[:48], options.state / "sheets" / f"judged-{name}.png", columns=12)

    captions, facts = asked(setup["prompts"], data.HELD_OUT + 10**6)
    half = len(captions) // 2
    for shape, part in (("square", slice(0, half)), ("portrait", slice(half, None))):
        judged(shape, shape, captions[part], facts[part])
    for look in loras.STARTERS:
        path = options.loras / f"{look}.safetensors"
        if not path.exists():
            continue
        if "off" not in figures:  # the same pictures stand against every LoRA's
            judged("off", "portrait", *asked(setup["pairs"], data.HELD_OUT + 2 * 10**6))
        figures[f"{look}-off"] = figures["off"]
        with fuse.fused(pipe, [(path, 1.0)]):
            judged(look, "portrait", *asked(setup["pairs"], data.HELD_OUT + 2 * 10**6, look))
    training.write_log(options.state / "judge.log", step=step, **figures)
    (options.models / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
