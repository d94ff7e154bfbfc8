"""Samples a second of the image LoRA's loop, of a plain diffusers-style loop, and of the bare floor.

    python -m tests.bench.image_lora [--rounds 5] [--base embedded] [--resolution 0] [--batch 4]

The arms take turns in one process; each arm's figure is its best round. `plain` encodes pictures and captions
at every step and runs fp32 weights under autocast; `floor` is the UNet alone, its inputs made
beforehand, with LoRA gradients only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from core import basemodels, device
from core.families import diffusion
from core.images.importing import open_picture
from core.lora import image, pictures
from core.lora.stepper import Stepper
from core.settings import ImageTraining

Arm = tuple[Callable[[], None], list[torch.nn.Parameter]]


def prepared(settings: ImageTraining) -> image.ImageRecipe:
    """The recipe, its reports passed over."""
    steps = image.prepare(settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def ours(settings: ImageTraining) -> Arm:
    """One update of the studio's loop."""
    recipe = prepared(settings)
    stepper = Stepper(recipe, settings, Accelerator())
    batches = recipe.epoch(0, 1)[0]
    return lambda: stepper.update(0, batches, 0, 100) and None, stepper.parameters


def floor(settings: ImageTraining) -> Arm:
    """Forward and backward of the UNet on tensors made beforehand."""
    recipe = prepared(settings)
    batch = recipe.epoch(0, 1)[0][0]
    drawn = recipe._draw([recipe.numbers[place] for place in batch], batch, 0)
    words = recipe._text(drawn.captions)["prompt_embeds"]
    noisy = drawn.latents.to(recipe.dtype, memory_format=device.memory_format(recipe.dtype))
    mixed = recipe.dtype != torch.float32

    def step() -> None:
        with torch.autocast(recipe.device.type, recipe.dtype, enabled=mixed):
            made = recipe.pipeline.unet(noisy, drawn.times, words, return_dict=False)[0]
        torch.nn.functional.mse_loss(made.float(), drawn.noise).backward()

    return step, list(recipe.groups()[0].parameters.values())


def plain(settings: ImageTraining) -> Arm:
    """What an example script does: encode, noise, autocast over fp32 weights, AdamW."""
    recipe = prepared(settings.model_copy(update={"precision": "fp32"}))
    place, mixed = recipe.device, prepared_dtype(settings)
    batch = [recipe.pictures[recipe.numbers[n]] for n in recipe.epoch(0, 1)[0][0]]
    cut = [pictures.cover(open_picture(picture.path), picture.size) for picture in batch]
    pixels = (
        torch.from_numpy(np.stack([np.asarray(one) for one in cut])).permute(0, 3, 1, 2).float() / 127.5 - 1
    )
    whole = basemodels.load_pipeline(settings.base_model, torch.float32).to(place)
    unet, vae, encoder = recipe.pipeline.unet, whole.vae, whole.text_encoder
    ids = diffusion.clip_ids(whole.tokenizer, sorted({p.caption for p in batch}))
    ids = ids[torch.arange(len(batch)) % len(ids)].to(place)
    parameters = list(recipe.groups()[0].parameters.values())
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)

    def step() -> None:
        with torch.no_grad(), torch.autocast(place.type, mixed, enabled=mixed != torch.float32):
            latents = vae.encode(pixels.to(place)).latent_dist.sample() * vae.config.scaling_factor
            words = encoder(ids)[0]
        noise = torch.randn_like(latents)
        times = torch.randint(0, 1000, (len(batch),), device=place)
        noisy = recipe.schedule.add_noise(latents, noise, times)
        with torch.autocast(place.type, mixed, enabled=mixed != torch.float32):
            made = unet(noisy, times, words).sample
        torch.nn.functional.mse_loss(made.float(), noise.float()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step, parameters


def prepared_dtype(settings: ImageTraining) -> torch.dtype:
    """The number format that `auto` gives here."""
    return device.dtype(settings.precision, device.pick())


def seconds(step: Callable[[], None]) -> float:
    """Wall time of one step, the device waited for."""
    started = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--resolution", type=int, default=0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--pictures", type=Path, default=Path("assets/sample/pictures"))
    options = parser.parse_args()
    settings = ImageTraining(
        base_model=options.base,
        train_data_dir=options.pictures,
        resolution=options.resolution,
        batch_size=options.batch,
        output_dir=Path(tempfile.mkdtemp()),
    )
    arms = {"ours": ours(settings), "plain": plain(settings), "floor": floor(settings)}
    best = dict.fromkeys(arms, float("inf"))
    for _ in range(options.rounds + 1):
        for name, (step, _parameters) in arms.items():
            best[name] = min(best[name], seconds(step))
    assert all(p.grad.abs().sum() > 0 for p in arms["floor"][1][1::2])
    assert all(p.abs().sum() > 0 for name in ("ours", "plain") for p in arms[name][1])  # half start at 0
    print(f"{'arm':<8}{'s/step':>8}{'samples/s':>11}{'x plain':>9}")
    for name, taken in best.items():
        print(f"{name:<8}{taken:>8.2f}{options.batch / taken:>11.2f}{best['plain'] / taken:>9.2f}")


if __name__ == "__main__":
    main()
