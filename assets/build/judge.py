"""Measures the base: does a picture show the object, the place and the time of day that its prompt asked for?

A small classifier is trained on real scenes only and never sees a drawn picture; then it judges what the
base draws for 300 prompts with one object each. It shares no weights with the labeller. Its own accuracy on
held-out real scenes is written beside the figures, for it is their ceiling.

    python -m assets.build.judge --size small --minutes 6
"""

import json
import time
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor, nn

from assets.build import base, data, training

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 8, "batch": 4, "pool": 8, "prompts": 2},
    "small": {"width": 24, "batch": 48, "pool": 3000, "prompts": 300},
    "full": {"width": 64, "batch": 256, "pool": 60000, "prompts": 300},
}
SIDE = 112  # px that the judge sees
KINDS = ("object", "setting", "time")


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


def squash(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [N, H, W, 3] to [N, SIDE, SIDE, 3]."""
    return np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures])


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


def single(size: str, count: int, first: int) -> tuple[list[str], list[dict[str, str]]]:
    """Captions and facts of held-out scenes with one object, no style, told from `first` on."""
    from assets.build import scenes

    captions: list[str] = []
    facts: list[dict[str, str]] = []
    seed = first
    while len(captions) < count:
        caption, fact = scenes.describe(seed, data.vocabulary_size(size))
        if fact["count"] == "one" and not fact["object2"] and not fact["style"]:
            captions.append(caption)
            facts.append(fact)
        seed += 1
    return captions, facts


def main() -> None:
    """Trains the judge, draws the prompts, writes `models/figures.json`."""
    from assets.build import scenes

    options = training.arguments("Measures the base with an independent judge.", minutes=6).parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    setup, device = SIZES[options.size], training.pick_device()
    vocabulary = scenes.vocabulary(data.vocabulary_size(options.size))
    classes = {kind: vocabulary[kind] for kind in KINDS}
    torch.manual_seed(0)
    judge = Judge(setup["width"], classes).to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.01)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    folder, step = options.state / "judge", 0
    found = training.load_state(folder)
    if found:
        training.unpack(found[0], judge, None, optimizer)
        step = found[1]["step"]
    random = np.random.default_rng(step)
    first = int(random.integers(data.PORTRAIT // 2))
    pools = [
        data.draw(range(first, first + setup["pool"] // 2), SIDE, h, options.size)
        for h in (SIDE, SIDE * 7 // 4)
    ]
    pool = np.concatenate([squash(batch.pictures) for batch in pools])
    targets = torch.cat([targets_of(batch.facts, classes) for batch in pools])
    time_slice = training.Slice(options.minutes, options.steps, finish=True)
    log = options.state / "judge.log"
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        picked = random.integers(len(pool), size=setup["batch"])
        x = data.to_tensor(np.stack([soften(pool[i], random) for i in picked])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
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
            training.write_log(log, step=step, loss=round(loss.item(), 4))
    training.save_state(folder, training.pack(judge, None, optimizer), {"step": step})

    real = data.draw(range(data.HELD_OUT, data.HELD_OUT + setup["prompts"]), SIDE, SIDE, options.size)
    figures: dict[str, Any] = {
        "real": accuracy(judge, squash(real.pictures), targets_of(real.facts, classes))
    }
    captions, facts = single(options.size, setup["prompts"], data.HELD_OUT + 10**6)
    pipe: Any = StableDiffusionPipeline.from_pretrained(
        options.models / "base", torch_dtype=torch.float32
    ).to(device)
    pipe.set_progress_bar_config(disable=True)
    half = len(captions) // 2
    for shape, part in (("square", slice(0, half)), ("portrait", slice(half, None))):
        start = time.monotonic()
        drawn = base.draw(pipe, captions[part], *data.SHAPES[options.size][shape], seed=1)
        figures[shape] = accuracy(judge, squash(drawn), targets_of(facts[part], classes))
        figures[shape]["seconds_each"] = round((time.monotonic() - start) / len(drawn), 2)
        data.sheet(drawn[:48], options.state / "sheets" / f"judged-{shape}.png")
    training.write_log(log, step=step, **figures)
    (options.models / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
