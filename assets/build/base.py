"""Trains the picture base: a text encoder that knows every fact of a caption, then the UNet on its words.

Works on captions and cached latents; knows nothing about how scenes are drawn. The architecture is the
Stable Diffusion family's own (`UNet2DConditionModel`, `AutoencoderKL`, `CLIPTextModel`, CLIP tokenizer)
with v-prediction (Salimans & Ho 2022, arXiv:2202.00512) on a cosine schedule, so every tool that honours
`prediction_type` works on it.

    python -m assets.build.base --stage text --minutes 2           # captions only
    python -m assets.build.base --stage unet --minutes 60          # on what `data` has cached; again to go on
    python -m assets.build.base --stage unet --minutes 10 --finish # the rate falls to zero: the last slice
    python -m assets.build.base --stage export                     # assets/models/base from the newest state
    python -m assets.build.base --stage sheet                      # its contact sheets
"""

import argparse
import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, multiprocessing, nn
from torch import distributed as dist
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from assets.build import art, data, muon, training
from assets.build.autoencoder import LATENT_CHANNELS
from core.device import autocast, number_of

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "channels": (16, 32),
        "heads": (1, 1),
        "norm": 8,
        "text": (32, 1, 2),
        "batch": 2,
        "captions": 16,
        "held_out": 4,
        "positions": 8,
    },
    "full": {
        "channels": (128, 256, 320),
        "heads": (2, 4, 5),
        "norm": 16,
        "text": (256, 5, 4),
        "batch": 12,
        "captions": 60000,
        "held_out": 96,
        "positions": 16,
    },
}
WORDS = 8192
LENGTH = 40  # tokens of a caption, start and end included; pipelines pad to the tokenizer's own length
DROPPED = 0.1  # share of captions left out, for guidance
LOG = 40  # steps between two lines of the log
MEET = 10  # steps between two meetings of the workers
STEPS, GUIDANCE = 12, 4.0  # 12 look as 30 do, side by side
TAKES = 3  # drawings of a frame from which the labeller chooses: a small base often misses
FACTS = ("object", "color", "count", "object2", "setting", "backdrop", "time", "weather", "style")
FAVOUR = 2.0  # how much oftener common things are seen: in a short training it is better to draw some well
SHOWN = 24  # prompts of each shape on the contact sheets
SIMPLE = 2.5  # the same for scenes with one thing and in no style
SHEET = (
    "a fox in a snowy forest at night",
    "a red house by a river in the morning",
    "a panda in a bamboo forest",
    "a yellow taxi on a city street in the rain",
    "a cup of tea on a wooden table",
    "a castle on a hill at sunset",
    "headphones on a plain blue background",
    "a sailboat on the sea at sunset",
    "a cat in a room at night",
    "a rocket in space",
    "a rabbit in a meadow with flowers",
    "a woman on a beach",
    "a boat on a river in an old town",
    "a bridge over a river in the fog",
    "three apples on a table",
    "a green umbrella on a street in the rain",
)


def tokenizer() -> CLIPTokenizer:
    """CLIP's own byte-pair tokenizer, cut to its first 8,192 tokens (captions use common words)."""
    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges: Any = [tuple(line.split()) for line in lines[1 : 1 + WORDS - 512 - 2]]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, model_max_length=LENGTH
    )


def tokenise(words: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token numbers int64 [N, LENGTH], padded and cut as the pipeline does it."""
    return words(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def build_text(size: str) -> Any:
    """A new text encoder."""
    width, layers, heads = SIZES[size]["text"]
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=WORDS,
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=LENGTH,
            bos_token_id=WORDS - 2,
            eos_token_id=WORDS - 1,
            pad_token_id=WORDS - 1,
        )
    )


def build_unet(size: str) -> Any:
    """A new UNet with zeros in its last layer; the finest level has no attention, which costs most there."""
    setup = SIZES[size]
    inner = len(setup["channels"]) - 1
    unet: Any = UNet2DConditionModel(
        sample_size=setup["positions"],
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * inner),
        up_block_types=(*("CrossAttnUpBlock2D",) * inner, "UpBlock2D"),
        block_out_channels=setup["channels"],
        layers_per_block=1,
        attention_head_dim=setup["heads"],
        cross_attention_dim=setup["text"][0],
        norm_num_groups=setup["norm"],
    )
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet


def scheduler() -> Any:
    """The schedule that was trained with, as the sampler that draws well in few steps."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        algorithm_type="dpmsolver++",
        solver_order=2,
        steps_offset=1,
    )


def train_text(options: argparse.Namespace, device: torch.device) -> None:
    """Teaches the text encoder to tell every fact from a caption (cross-entropy on the pooled output)."""
    setup = SIZES[options.size]
    captions, facts = caption_set(setup["captions"])
    held_out = max(2, len(captions) // 20)
    classes = {fact: sorted({str(f[fact]) for f in facts}) for fact in FACTS}
    targets = torch.tensor([[classes[fact].index(str(f[fact])) for fact in FACTS] for f in facts]).to(device)
    ids = tokenise(tokenizer(), captions).to(device)

    torch.manual_seed(0)
    text = build_text(options.size).to(device)
    heads = nn.ModuleDict({f: nn.Linear(text.config.hidden_size, len(c)) for f, c in classes.items()}).to(
        device
    )
    both = nn.ModuleDict({"text": text, "heads": heads})
    optimizer = torch.optim.AdamW(both.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    time_slice = training.Slice(options.minutes, options.steps, finish=True)
    random = torch.Generator().manual_seed(0)

    def errors(chosen: Tensor) -> tuple[Tensor, list[float]]:
        with autocast(device):
            pooled = text(ids[chosen]).pooler_output
            scores = [heads[fact](pooled).float() for fact in FACTS]
        losses = [F.cross_entropy(s, targets[chosen, i]) for i, s in enumerate(scores)]
        right = [float((s.argmax(1) == targets[chosen, i]).float().mean()) for i, s in enumerate(scores)]
        return torch.stack(losses).sum(), right

    step = 0
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        chosen = torch.randint(held_out, len(captions), (min(64, len(captions)),), generator=random)
        loss, _ = errors(chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            training.write_log(options.state / "text.log", step=step, loss=round(loss.item(), 4))
    with torch.no_grad():
        loss, right = errors(torch.arange(held_out))
    figures = {fact: round(r, 3) for fact, r in zip(FACTS, right, strict=True)}
    training.write_log(options.state / "text.log", step=step, held_out=round(loss.item(), 4), right=figures)
    training.save_state(options.state / "text", training.pack(text), {"step": step, "right": figures})


def caption_set(count: int) -> tuple[list[str], list[dict[str, str]]]:
    """Captions and facts of `count` scenes, from seeds that no picture is trained on."""
    from assets.build import scenes

    captions, facts = [], []
    for seed in range(data.HELD_OUT // 2, data.HELD_OUT // 2 + count):
        caption, fact = scenes.describe(seed)
        captions.append(caption)
        facts.append(fact)
    return captions, facts


class Diffusion:
    """The cosine schedule's mixing, and the loss of a UNet on it."""

    def __init__(self, device: torch.device):
        """Reads the schedule from `scheduler`, so that training and drawing agree."""
        kept = scheduler().alphas_cumprod.float().to(device)
        self.signal, self.noise = kept.sqrt(), (1 - kept).sqrt()

    def mix(self, latents: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy latents and the velocity to be predicted, both as `latents` [N, C, h, w]; times int64 [N]."""
        signal, spread = self.signal[times, None, None, None], self.noise[times, None, None, None]
        return signal * latents + spread * noise, signal * noise - spread * latents


def box_weights(boxes: Tensor, height: int, width: int) -> Tensor:
    """Weights [N, 1, height, width]: threefold inside the object's box (shares x0 y0 x1 y1), mean 1."""
    y = (torch.arange(height, device=boxes.device) + 0.5)[None, :, None] / height
    x = (torch.arange(width, device=boxes.device) + 0.5)[None, None, :] / width
    x0, y0, x1, y1 = (boxes[:, i, None, None] for i in range(4))
    weights = 1.0 + 2.0 * ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).float()
    return (weights / weights.mean(dim=(1, 2), keepdim=True))[:, None]


class Learner:
    """The text encoder and the UNet, their optimizer and averages, and where their state stands."""

    def __init__(self, options: argparse.Namespace, device: torch.device):
        """Resumes from `state/unet`, or goes on from a finished base, or starts from `state/text`."""
        torch.manual_seed(0)
        self.size, self.device, self.folder = options.size, device, options.state / "unet"
        self.words = tokenizer()
        self.text = build_text(options.size)
        self.unet = build_unet(options.size)
        started = training.load_state(options.state / "text")
        found = training.load_state(self.folder)
        self.facts: dict[str, Any] = {"samples": 0, "seconds": 0.0, "steps": 0}
        if found is None and options.go_on_from:
            self.take_over(options.go_on_from / "base")
        elif found is None and started is not None:
            training.unpack(started[0], self.text)
        self.both = nn.ModuleDict({"text": self.text, "unet": self.unet}).to(device)
        self.unet.to(memory_format=torch.channels_last)
        if device.type == "cpu":
            # The fused attention's backward pass is several times slower on a CPU at these few positions.
            self.unet.set_attn_processor(AttnProcessor())
        rate = SIZES[options.size].get("rate", 1.5e-3)
        split = muon.groups(self.unet, rate, rate, ("conv_in", "conv_out", "time_embedding"))
        split.append(
            {"params": list(self.text.parameters()), "lr": 1e-4, "base_lr": 1e-4, "orthogonal": False}
        )
        self.optimizer = muon.Muon(split, turns=4 if device.type == "cpu" else 1)
        self.average = training.Average(self.both, 0.995)
        if found:
            training.unpack(found[0], self.both, self.average, self.optimizer)
            self.facts = found[1]
        self.average.updates = self.facts["steps"] // MEET

    def take_over(self, finished: Path) -> None:
        """Begins with the averaged weights of a finished base of this size: the state was left elsewhere."""
        unet: Any = UNet2DConditionModel.from_pretrained(finished / "unet")
        text: Any = CLIPTextModel.from_pretrained(finished / "text_encoder")
        self.unet.load_state_dict(unet.float().state_dict())
        self.text.load_state_dict(text.float().state_dict())
        told = json.loads((finished / "studio.json").read_text(encoding="utf-8"))
        steps = told["samples"] // (2 * SIZES[self.size]["batch"])
        self.facts = {"samples": told["samples"], "seconds": float(told["seconds"]), "steps": steps}

    def save(self) -> None:
        """Writes the whole state, so that any slice can go on from here."""
        training.save_state(self.folder, training.pack(self.both, self.average, self.optimizer), self.facts)

    def finished(self) -> tuple[Any, Any]:
        """Copies with the averaged weights."""
        both = nn.ModuleDict({"text": build_text(self.size), "unet": build_unet(self.size)}).to(self.device)
        self.average.copy_to(both)
        return both["text"].eval(), both["unet"].eval().to(memory_format=torch.channels_last)


def held_out_loss(
    text: Any,
    unet: Any,
    ids: Tensor,
    latents: Tensor,
    diffusion: Diffusion,
    device: torch.device,
) -> float:
    """The v-prediction's mean squared error at evenly spread times and fixed noise."""
    random = torch.Generator().manual_seed(1)
    total = 0.0
    with torch.no_grad(), autocast(device):
        for start in range(0, len(latents), 32):
            part = latents[start : start + 32].to(device)
            noise = torch.randn(part.shape, generator=random).to(device)
            times = ((torch.arange(len(part)) + 0.5) / len(part) * 1000).long().to(device)
            noisy, velocity = diffusion.mix(part, noise, times)
            context = text(ids[start : start + 32].to(device)).last_hidden_state
            guess = unet(noisy, times, context).sample.float()
            total += (guess - velocity).square().mean().item() * len(part)
    return total / len(latents)


def share(learner: Learner, workers: int, going: bool) -> bool:
    """Averages weights and momenta over the workers (local SGD, Stich 2018, arXiv:1805.09767).

    One-thread workers that meet every few steps use a busy CPU far better than threads that meet in each
    layer. Returns whether to go on, which the first worker decides.
    """
    if workers == 1:
        return going
    tensors = [p.data for p in learner.both.parameters()]
    tensors += [v for state in learner.optimizer.state.values() for v in state.values() if v.ndim]
    flat = torch.cat([t.reshape(-1) for t in tensors] + [torch.tensor([float(going)])])
    dist.all_reduce(flat)
    flat /= workers
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors] + [1]), strict=False):
        tensor.copy_(part.view_as(tensor))
    return bool(flat[-1] > 0)


def worth(facts: dict[str, str]) -> float:
    """How often a scene is seen: one thing alone teaches its shape best, and favoured things come first."""
    simple = facts["count"] == "one" and not facts["object2"] and not facts["style"]
    return (FAVOUR if facts["object"] in art.COMMON else 1.0) * (SIMPLE if simple else 1.0)


class Scenes:
    """The cached latents of one shape with their captions' tokens."""

    def __init__(self, options: argparse.Namespace, shape: str, words: CLIPTokenizer, device: torch.device):
        """Reads what stands so far."""
        self.words, self.latents = words, data.Latents(options.state / "latents", shape, device)
        self.tokens = torch.zeros(0, LENGTH, dtype=torch.long)
        self.shares = np.zeros(0)
        self.refresh()

    def refresh(self) -> None:
        """Picks up what was written meanwhile."""
        self.latents.refresh()
        new = self.latents.captions[len(self.tokens) :]
        if new:
            self.tokens = torch.cat([self.tokens, tokenise(self.words, new)])
            weights = np.array([worth(facts) for facts in self.latents.facts])
            self.shares = np.cumsum(weights / weights.sum())

    def pick(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of `count` scenes, each as often as its `worth` says."""
        return np.searchsorted(self.shares, random.random(count) * self.shares[-1] * 0.999999)


def train_unet(rank: int, options: argparse.Namespace) -> None:
    """Trains UNet and text encoder on the cached latents for one slice, as worker `rank` of several."""
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.workers > 1:
        meeting = f"file://{(options.state / 'meeting').resolve()}"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=options.workers)
    setup, device = SIZES[options.size], training.pick_device()
    learner = Learner(options, device)
    facts, diffusion = learner.facts, Diffusion(device)
    unet = torch.compile(learner.unet, dynamic=False) if options.compile else learner.unet
    sets = [Scenes(options, shape, learner.words, device) for shape in data.SHAPES[options.size]]
    watcher = Watcher(options, learner, diffusion) if rank == 0 else None
    empty = tokenise(learner.words, [""])[0]
    random = np.random.default_rng([facts["steps"], rank])
    torch.manual_seed(facts["steps"] * options.workers + rank)
    log, batch_size = options.state / "unet.log", options.batch or setup["batch"]
    time_slice = training.Slice(options.minutes, options.steps, options.finish)
    start, losses, going = time.monotonic(), [], True
    look, save = training.Every(options.look), training.Every(2.5)

    while going:
        training.set_rate(learner.optimizer, options.rate * time_slice.rate())
        kind = sets[int(random.random() < options.portrait and len(sets[1].latents) > 0)]
        indices = torch.from_numpy(kind.pick(batch_size, random))
        latents, boxes = (t[indices.to(device)].float() for t in (kind.latents.latents, kind.latents.boxes))
        ids = kind.tokens[indices]
        ids[torch.from_numpy(random.random(batch_size) < DROPPED)] = empty
        spread = (np.arange(batch_size) + random.random(batch_size)) / batch_size
        times = torch.from_numpy((spread * 1000).astype(np.int64)).to(device)
        latents = latents.to(memory_format=torch.channels_last)
        noisy, velocity = diffusion.mix(latents, torch.randn_like(latents), times)
        with autocast(device):
            context = learner.text(ids.to(device)).last_hidden_state
            guess = unet(noisy, times, context).sample
        weights = box_weights(boxes, *latents.shape[2:])
        loss = ((guess.float() - velocity).square() * weights).mean()
        learner.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.text.parameters(), 1.0)
        learner.optimizer.step()
        facts["steps"] += 1
        facts["samples"] += batch_size * options.workers
        losses.append(loss.item())
        going = time_slice.going()
        if facts["steps"] % MEET == 0:
            going = share(learner, options.workers, going)
            learner.average.update(learner.both)
        elif options.workers > 1:
            going = True
        if facts["steps"] % 50 == 0:
            for scenes in sets:
                scenes.refresh()
        if watcher and len(losses) == LOG:
            now = time.monotonic()
            facts["seconds"] += now - start
            figures = {"train": round(float(np.mean(losses)), 4), "scenes": [len(s.latents) for s in sets]}
            figures["rate"] = round(LOG * batch_size * options.workers / (now - start), 1)
            training.write_log(log, **facts, **figures)
            losses = []
            if look.due():
                watcher.look()
            if save.due():
                learner.save()
            start = time.monotonic()
    learner.average.update(learner.both)
    if watcher:
        learner.save()
        watcher.look()


class Watcher:
    """Measures the averaged weights on held-out scenes, and draws the fixed prompts with them."""

    def __init__(self, options: argparse.Namespace, learner: Learner, diffusion: Diffusion):
        """Draws and encodes the held-out scenes once."""
        self.options, self.learner, self.diffusion = options, learner, diffusion
        vae: Any = AutoencoderKL.from_pretrained(options.models / "base" / "vae", torch_dtype=torch.float32)
        self.autoencoder = vae.eval().to(learner.device).to(memory_format=torch.channels_last)
        width, height = data.SHAPES[options.size]["portrait"]
        seeds = range(data.HELD_OUT, data.HELD_OUT + SIZES[options.size]["held_out"])
        unseen = data.draw(seeds, width, height)
        self.latents = data.encode(self.autoencoder, unseen.pictures)
        self.ids = tokenise(learner.words, unseen.captions)

    def look(self) -> None:
        """One line in the log and one contact sheet, square and portrait by turns."""
        learner, options = self.learner, self.options
        samples = learner.facts["samples"]
        text, unet = learner.finished()
        figure = held_out_loss(text, unet, self.ids, self.latents, self.diffusion, learner.device)
        training.write_log(options.state / "unet.log", samples=samples, held_out=round(figure, 4))
        pipe = pipeline(text, unet, self.autoencoder, learner.words)
        for shape in data.SHAPES[options.size]:
            prompts = list(SHEET[:10] if shape == "square" else SHEET[11:15])
            pictures = draw(pipe, prompts, *data.SHAPES[options.size][shape], seed=7)
            data.sheet(pictures, options.state / "sheets" / f"base-{samples:07d}-{shape}.png")


def pipeline(text: Any, unet: Any, autoencoder: Any, words: CLIPTokenizer) -> Any:
    """The parts as a diffusers pipeline."""
    pipe: Any = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text,
        tokenizer=words,
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def draw(
    pipe: Any, prompts: list[str], width: int, height: int, seed: int, at_once: int = 8
) -> NDArray[np.uint8]:
    """Pictures uint8 [N, height, width, 3]; picture i starts from the noise of `seed + i`."""
    found = []
    for start in range(0, len(prompts), at_once):
        part = prompts[start : start + at_once]
        noise = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        with autocast(pipe.device):
            images = pipe(
                part,
                width=width,
                height=height,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=noise,
                output_type="np",
            ).images
        found.append((images * 255).round().astype(np.uint8))
    return np.concatenate(found)


def export(options: argparse.Namespace, device: torch.device) -> Path:
    """Writes `models/base` in diffusers layout, fp16, from the newest state, and swaps it in whole."""
    from assets.build import scenes

    learner = Learner(options, device)
    text, unet = learner.finished()
    target = options.models / "base"
    autoencoder: Any = AutoencoderKL.from_pretrained(target / "vae")
    new, old = target.with_name("base.new"), target.with_name("base.old")
    shutil.rmtree(new, ignore_errors=True)
    pipeline(
        text.to(number_of("fp16")),
        unet.to(number_of("fp16")),
        autoencoder.to(number_of("fp16")),
        learner.words,
    ).save_pretrained(new)
    for part in ("text_encoder", "unet"):
        for path in (new / part).glob("*.safetensors"):
            save_file(training.compact(load_file(path)), path, {"format": "pt"})
    for config in new.glob("*/config.json"):  # diffusers notes the folder that a part was loaded from
        values = json.loads(config.read_text(encoding="utf-8"))
        values.pop("_name_or_path", None)
        config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    vocabulary = scenes.vocabulary()
    studio = {
        "name": "Picture book",
        "portrait": list(data.SHAPES[options.size]["portrait"]),
        "square": list(data.SHAPES[options.size]["square"]),
        "width": data.SHAPES[options.size]["portrait"][0],
        "height": data.SHAPES[options.size]["portrait"][1],
        "steps": STEPS,
        "guidance": GUIDANCE,
        "takes": TAKES,
        "edges": "crisp",
        "trained_at": time.strftime("%Y-%m-%d %H:%M"),
        "samples": learner.facts["samples"],
        "seconds": round(learner.facts["seconds"]),
    }
    vocabulary["common"] = sorted(art.COMMON)
    (new / "vocabulary.json").write_text(
        json.dumps(vocabulary, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    (new / "studio.json").write_text(json.dumps(studio, indent=1), encoding="utf-8")
    for path in (target / "card.md", *target.glob("sheet*"), *target.glob("before*")):
        if path.exists():
            shutil.copy(path, new / path.name)
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    new.rename(target)
    shutil.rmtree(old)
    return target


def contact_sheets(options: argparse.Namespace, device: torch.device) -> list[Path]:
    """Draws the 48 prompts of the card's sheet.txt at fixed seeds, half of them upright.

    A card without one gets `SHEET` and scenes that no training saw; one that has them keeps them, so that its
    sheets can be laid beside older ones.
    """
    from assets.build import scenes

    folder = options.models / "base"
    told = folder / "sheet.txt"
    if not told.exists():
        seeds = scenes.with_one_object(2 * SHOWN - len(SHEET), data.HELD_OUT + 3 * 10**6)
        prompts = [*SHEET, *(scenes.describe(seed)[0] for seed in seeds)]
        told.write_text("\n".join(prompts) + "\n", encoding="utf-8")
    prompts = told.read_text(encoding="utf-8").splitlines()
    pipe: Any = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.to(device).set_progress_bar_config(disable=True)
    made = []
    for number, shape in enumerate(data.SHAPES[options.size]):
        pictures = draw(pipe, prompts[number::2], *data.SHAPES[options.size][shape], seed=7)
        made.append(folder / f"sheet-{shape}.jpg")
        data.sheet(pictures, made[-1])
    return made


def main() -> None:
    """Runs one stage for one slice."""
    parser = training.arguments("Trains the picture base.", minutes=9)
    parser.add_argument("--stage", choices=("text", "unet", "export", "sheet"), required=True)
    parser.add_argument(
        "--go-on-from",
        type=Path,
        help="models folder whose finished base a training without state begins with",
    )
    parser.add_argument("--portrait", type=float, default=0.4, help="share of batches that are 9:16")
    parser.add_argument(
        "--look", type=float, default=10, help="minutes between looks, checkpoints, new scenes"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that train side by side on one CPU")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rate")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="a third faster on a CPU after minutes of compiling; needs a C++ compiler",
    )
    options = training.read(parser)
    device = training.pick_device()
    if options.stage == "text":
        train_text(options, device)
    elif options.stage == "unet":
        (options.state / "meeting").unlink(missing_ok=True)
        multiprocessing.spawn(train_unet, (options,), nprocs=options.workers)
    elif options.stage == "export":
        print(export(options, device))
    else:
        print(*contact_sheets(options, device))


if __name__ == "__main__":
    main()
