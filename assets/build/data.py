"""Painted scenes for the trainings: drawn in batches, held out by seed, and kept as latents in small files.

Works on `scenes.draw` and an encoder that it is given; knows nothing about what is trained on the result. A
scene is known by its seed alone, so nothing but latents is stored, and any part can be drawn again on
another machine.

    python -m assets.build.data --count 1024      # draws and encodes until 1024 scenes of each shape stand
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from assets.build import training
from core.device import autocast, number_of

Job = TypeVar("Job")
Made = TypeVar("Made")

KEPT = 250  # pictures in one file of `kept`
HELD_OUT = 900_000_000  # seeds from here on are never trained on
PORTRAIT = 400_000_000  # seeds of 9:16 scenes start here, so that no scene appears in both shapes
SHAPES = {
    "tiny": {"square": (64, 64), "portrait": (64, 128)},
    "full": {"square": (256, 256), "portrait": (256, 448)},
}  # width, height in pixels


@dataclass(frozen=True)
class Batch:
    """Scenes side by side: pictures uint8 [N, H, W, 3], boxes [N, 4]; facts as in `scenes.Scene`."""

    pictures: NDArray[np.uint8]
    captions: list[str]
    facts: list[dict[str, str]]
    boxes: NDArray[np.float32]


def _draw(job: tuple[int, int, int]) -> tuple[NDArray[np.uint8], str, dict[str, str], Sequence[float]]:
    from assets.build import scenes

    scene = scenes.draw(*job)
    return scene.image, scene.caption, scene.facts, scene.box


def draw(seeds: Sequence[int], width: int, height: int, workers: int = 1) -> Batch:
    """Draws one scene a seed, in the order of the seeds; `workers` processes share the work."""
    scenes = spread(_draw, [(seed, width, height) for seed in seeds], workers)
    return Batch(
        np.stack([s[0] for s in scenes]),
        [s[1] for s in scenes],
        [s[2] for s in scenes],
        np.array([s[3] for s in scenes], dtype=np.float32),
    )


def spread(work: Callable[[Job], Made], jobs: Sequence[Job], workers: int, at_once: int = 16) -> list[Made]:
    """`work` done on every job, in order, by so many processes that take `at_once` jobs at a time."""
    if workers <= 1 or not jobs:
        return [work(job) for job in jobs]
    with get_context("spawn").Pool(workers) as pool:
        return pool.map(work, jobs, chunksize=at_once)


def kept(
    folder: Path,
    work: Callable[[Job], tuple[NDArray[np.uint8], dict[str, str]]],
    jobs: Sequence[Job],
    workers: int,
) -> tuple[NDArray[np.uint8], list[dict[str, str]]]:
    """Pictures [N, H, W, 3] and what is told of each, as `work` makes them of every job, kept in a folder.

    What stands there is read, so that a stopped script goes on and the next one draws nothing again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(jobs), KEPT)
    paths = [folder / f"{start:06d}.npz" for start in starts]
    parts = [
        (path, work, jobs[start : start + KEPT])
        for start, path in zip(starts, paths, strict=True)
        if not path.exists()
    ]
    spread(_keep, parts, workers, at_once=1)
    files = [np.load(path) for path in paths]
    told = [json.loads(str(file["told"])) for file in files]
    return np.concatenate([file["pictures"] for file in files]), [one for part in told for one in part]


def _keep(
    part: tuple[Path, Callable[[Any], tuple[NDArray[np.uint8], dict[str, str]]], Sequence[Any]],
) -> None:
    path, work, jobs = part
    made = [work(job) for job in jobs]
    new = path.with_suffix(".part.npz")
    np.savez(new, pictures=np.stack([m[0] for m in made]), told=json.dumps([m[1] for m in made]))
    os.replace(new, path)


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, H, W, 3] to float32 [N, 3, H, W] in −1…1, channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pictures(tensor: Tensor) -> NDArray[np.uint8]:
    """Float [N, 3, H, W] in −1…1 to uint8 [N, H, W, 3]."""
    return (
        ((tensor.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    )


def sheet(pictures: NDArray[np.uint8], path: Path, columns: int = 8) -> None:
    """Writes pictures [N, H, W, 3] side by side as one PNG."""
    from PIL import Image

    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    page = np.full((rows * (height + 4), columns * (width + 4), 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = index // columns * (height + 4), index % columns * (width + 4)
        page[y : y + height, x : x + width] = picture
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(path)


@torch.no_grad()
def encode(autoencoder: Any, pictures: NDArray[np.uint8], at_once: int = 8) -> Tensor:
    """Latents [N, C, H/f, W/f] of pictures, float32 on the CPU: the posterior's mean."""
    device = next(autoencoder.parameters()).device
    found = []
    for start in range(0, len(pictures), at_once):
        x = to_tensor(pictures[start : start + at_once]).to(device)
        with autocast(device):
            found.append(autoencoder.encode(x).latent_dist.mean.float().cpu())
    return torch.cat(found) * autoencoder.config.scaling_factor


def write_latents(
    folder: Path, autoencoder: Any, size: str, shape: str, shard: int, count: int, workers: int = 1
) -> Path:
    """Draws and encodes shard `shard` of one shape (`count` scenes): a .safetensors and a .json."""
    width, height = SHAPES[size][shape]
    first = shard * count + (PORTRAIT if shape == "portrait" else 0)
    latents: list[Tensor] = []
    captions: list[str] = []
    facts: list[dict[str, str]] = []
    boxes: list[NDArray[np.float32]] = []
    part = min(128, count)
    for start in range(first, first + count, part):
        batch = draw(range(start, min(start + part, first + count)), width, height, workers)
        latents.append(encode(autoencoder, batch.pictures).to(number_of("fp16")))
        captions += batch.captions
        facts += batch.facts
        boxes.append(batch.boxes)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shape}-{shard:04d}.safetensors"
    text = json.dumps({"captions": captions, "facts": facts}, ensure_ascii=False)
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    temporary = path.with_suffix(".part")
    save_file(
        {"latents": torch.cat(latents).contiguous(), "boxes": torch.from_numpy(np.concatenate(boxes))},
        temporary,
    )
    os.replace(temporary, path)
    return path


class Latents:
    """The shards of one shape as one growing set on a device; `refresh` picks up new ones."""

    def __init__(self, folder: Path, shape: str, device: torch.device | None = None):
        """`folder` as given to `write_latents`; `device`: where latents (fp16) and boxes lie."""
        self.folder, self.shape, self.device = folder, shape, device
        self.read: set[str] = set()
        self.latents, self.boxes = torch.zeros(0), torch.zeros(0)
        self.captions: list[str] = []
        self.facts: list[dict[str, str]] = []
        self.refresh()

    def refresh(self) -> None:
        """Reads the shards that were not read yet."""
        new = [p for p in sorted(self.folder.glob(f"{self.shape}-*.safetensors")) if p.name not in self.read]
        found = [{name: t.to(self.device) for name, t in load_file(path).items()} for path in new]
        if not found:
            return
        held = [{"latents": self.latents, "boxes": self.boxes}] if self.read else []
        self.latents, self.boxes = (
            torch.cat([part[name] for part in (*held, *found)]) for name in ("latents", "boxes")
        )
        for path in new:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            self.captions += told["captions"]
            self.facts += told["facts"]
            self.read.add(path.name)

    def __len__(self) -> int:
        return len(self.captions)


def main() -> None:
    """Draws and encodes scenes until the asked number stands."""
    parser = training.arguments("Draws scenes and keeps their latents.", minutes=60)
    parser.add_argument(
        "--count", type=int, default=16384, help="scenes of each shape that shall stand in the end"
    )
    parser.add_argument("--shard", type=int, default=512, help="scenes in one file")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--shape", choices=("square", "portrait"), help="only this shape")
    options = training.read(parser)
    time_slice = training.Slice(options.minutes, options.steps, finish=False)
    autoencoder: Any = AutoencoderKL.from_pretrained(options.models / "base" / "vae").to(
        training.pick_device()
    )
    autoencoder = autoencoder.eval().to(memory_format=torch.channels_last)
    folder = options.state / "latents"
    for shard in range(-(-options.count // options.shard)):
        for shape in (options.shape,) if options.shape else SHAPES[options.size]:
            stands = (folder / f"{shape}-{shard:04d}.safetensors").exists()
            if not stands and time_slice.going():
                path = write_latents(
                    folder, autoencoder, options.size, shape, shard, options.shard, options.workers
                )
                time_slice.done += 1
                training.write_log(options.state / "latents.log", wrote=path.name)


if __name__ == "__main__":
    main()
