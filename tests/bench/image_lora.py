"""Samples a second of the image LoRA's loop, of a plain diffusers-style loop, and of the bare floor.

    python -m tests.bench.image_lora [--base embedded|sd15|NAME] [--resolution 0] [--batch 4] [--rounds 7]

`ours` is the studio's loop, `compiled` the same with compiled blocks (only with --compile); `plain` what
diffusers' example script does as it stands: it encodes pictures and captions at every step, in fp32; `mixed`
the same with that script's mixed precision, autocast over fp32 weights; `floor` is the UNet alone, forward
and backward, its inputs made beforehand, with LoRA gradients only. They take turns in one process; each
figure is the median of its rounds, the first left out. The share of the peak is the floor's count of
floating-point operations in the arm's time, against the machine's own best at multiplying matrices. `sd15` is
a base of Stable Diffusion 1.5's true size with random weights.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from core import device
from core.bases import picture_base
from core.bases.places import cache_folder
from core.families import diffusion
from core.images.picture_file import open_picture
from core.lora.engine.step import Stepper
from core.lora.image import buckets, latents
from core.lora.image import setup as image_setup
from core.lora.image.recipe import ImageRecipe
from core.lora.kernels import lora_linear
from core.settings.training import ImageTraining
from core.singlefile import CONFIGS, write_clip_tokenizer
from tests.running import finished

MATRIX = 4096  # side of the matrices whose product tells the machine's best
MATRIX_ON_CPU = 1536


@dataclass
class Arm:
    """One way to train: its step, the numbers that it trains, and what it holds of a GPU's memory."""

    step: Callable[[], None]
    parameters: list[torch.nn.Parameter]
    held: int = 0


def sd15_size() -> str:
    """A folder with Stable Diffusion 1.5 at full size with random weights, in fp16, made once."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder, source = cache_folder() / "bench-sd15", CONFIGS / "sd15"
    if (folder / "model_index.json").is_file():
        return str(folder)
    write_clip_tokenizer(folder / "tokenizer")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    try:
        pipeline = StableDiffusionPipeline(
            AutoencoderKL.from_config(AutoencoderKL.load_config(source / "vae")),
            CLIPTextModel(CLIPTextConfig.from_pretrained(source / "text_encoder")),
            CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(source / "unet")),
            PNDMScheduler.from_pretrained(source / "scheduler"),
            None,
            None,
            requires_safety_checker=False,
        )
    finally:
        torch.set_default_dtype(torch.float32)
    pipeline.save_pretrained(folder)
    return str(folder)


def prepared(settings: ImageTraining) -> ImageRecipe:
    """The recipe, its reports passed over; no LoRA number is 0, so that each has a gradient."""
    recipe = finished(image_setup.prepare(settings))[1]
    with torch.no_grad():
        for parameter in parameters_of(recipe):
            if not parameter.any():
                parameter.normal_(std=1e-3)
    return recipe


def parameters_of(recipe: ImageRecipe) -> list[torch.nn.Parameter]:
    """What is trained."""
    return [p for group in recipe.groups() for p in group.parameters.values()]


def ours(settings: ImageTraining, compiled: bool = False) -> Arm:
    """One update of the studio's loop."""
    recipe = prepared(settings.model_copy(update={"compile": "on" if compiled else "off"}))
    recipe.compile(1)
    stepper = Stepper(recipe, settings, Accelerator())
    batches = recipe.epoch(0, 1)[0]
    return Arm(lambda: stepper.update(0, batches, 0, 100) and None, stepper.parameters)


def floor(settings: ImageTraining) -> Arm:
    """Forward and backward of the UNet on tensors made beforehand."""
    recipe = prepared(settings)
    batch = recipe.epoch(0, 1)[0][0]
    drawn = recipe._draw([recipe.numbers[place] for place in batch], batch, 0)
    words = recipe._text(drawn.captions)["prompt_embeds"]
    noisy = drawn.latents.to(recipe.dtype, memory_format=device.memory_format(recipe.dtype))
    unet, trained = recipe.backbone, parameters_of(recipe)

    def step() -> None:
        for parameter in trained:
            parameter.grad = None
        with torch.autocast(recipe.device.type, recipe.dtype, enabled=recipe.dtype != torch.float32):
            made = unet(noisy, drawn.times, words, return_dict=False)[0]
        torch.nn.functional.mse_loss(made.float(), drawn.noise).backward()

    return Arm(step, trained)


def plain(settings: ImageTraining, mixed: torch.dtype = torch.float32) -> Arm:
    """What an example script does: encode, noise, fp32 weights (under autocast to `mixed`), AdamW."""
    recipe = prepared(settings.model_copy(update={"precision": "fp32"}))
    place = recipe.device
    batch = [recipe.pictures[recipe.numbers[n]] for n in recipe.epoch(0, 1)[0][0]]
    cut = [buckets.cover(open_picture(picture.path), picture.size) for picture in batch]
    pixels = torch.cat([latents.pixels(one) for one in cut])
    whole = picture_base.load(settings.base_model, torch.float32)
    unet, vae, encoder = recipe.backbone, whole.vae.to(place), whole.text_encoder.to(place)
    lora_linear.take_off(unet)  # a script has peft's layers
    ids = diffusion.clip_ids(whole.tokenizer, [picture.caption for picture in batch]).to(place)
    del whole
    trained = parameters_of(recipe)
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0)

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
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return Arm(step, trained)


def number_format(settings: ImageTraining) -> torch.dtype:
    """The number format that training has here."""
    return device.dtype(settings.precision, device.pick())


def built(make: Callable[[], Arm]) -> Arm:
    """An arm after its first step, with the GPU memory that it holds between steps; it must have learnt."""
    before = allocated()
    arm = make()
    old = [parameter.detach().clone() for parameter in arm.parameters]
    arm.step()
    gradients = [p.grad for p in arm.parameters]
    learnt = [
        (grad is not None and bool(grad.any())) or not torch.equal(p, was)
        for p, grad, was in zip(arm.parameters, gradients, old, strict=True)
    ]
    assert all(learnt), f"{learnt.count(False)} of {len(learnt)} have no gradient"
    del old, gradients
    arm.held = allocated() - before
    return arm


def allocated() -> int:
    """Bytes that tensors take on the GPU; 0 where there is none."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def seconds(step: Callable[[], None]) -> float:
    """Wall time of one step, the device waited for."""
    wait()
    started = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - started


def wait() -> None:
    """Until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(arm: Arm) -> int:
    """GPU memory of an arm at its height, were it alone, in bytes."""
    torch.cuda.reset_peak_memory_stats()
    before = allocated()
    arm.step()
    wait()
    return arm.held + torch.cuda.max_memory_allocated() - before


def operations(step: Callable[[], None]) -> int:
    """Floating-point operations of a step."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def best_rate(dtype: torch.dtype) -> float:
    """Operations a second of this machine at multiplying large matrices: its best of ten."""
    place = device.pick()
    side = MATRIX if place.type == "cuda" else MATRIX_ON_CPU
    one, other = (torch.randn(side, side, device=place, dtype=dtype) for _ in range(2))
    taken = min(seconds(lambda: one @ other) for _ in range(10))
    return 2 * side**3 / taken


def main() -> None:
    """Measures and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count; one more comes before")
    parser.add_argument("--base", default="embedded", help="a base of SD 1.x's kind; sd15: random, true size")
    parser.add_argument("--resolution", type=int, default=0, help="side in pixels; 0: the base's own")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing in ours")
    parser.add_argument("--compile", action="store_true", help="also ours with compiled blocks")
    parser.add_argument("--pictures", type=Path, default=Path("assets/sample/pictures"))
    options = parser.parse_args()
    settings = ImageTraining(
        base_model=sd15_size() if options.base == "sd15" else options.base,
        train_data_dir=options.pictures,
        resolution=options.resolution,
        batch_size=options.batch,
        flip=False,  # mirrored pictures cost the preparation alone
        weight_decay=0,  # so that a number moves by its gradient or not at all
        output_dir=Path(tempfile.mkdtemp()),
    )
    checkpointing = settings.model_copy(update={"gradient_checkpointing": "on"})
    mine = checkpointing if options.checkpointing else settings
    makers: dict[str, Callable[[], Arm]] = {"ours": lambda: ours(mine)}
    if options.compile:
        makers["compiled"] = lambda: ours(mine, compiled=True)
    makers["plain"] = lambda: plain(settings)
    if number_format(settings) != torch.float32:
        makers["mixed"] = lambda: plain(settings, number_format(settings))
    makers["floor"] = lambda: floor(settings)
    arms = {name: built(make) for name, make in makers.items()}
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(options.rounds + 1):
        for name, arm in arms.items():
            taken[name].append(seconds(arm.step))
    median = {name: statistics.median(each[1:]) for name, each in taken.items()}
    work, best = operations(arms["floor"].step), best_rate(number_format(settings))
    gpu = torch.cuda.is_available()
    print(
        f"{device.describe()}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"base {options.base}, {options.resolution or 'own'} px, batch {options.batch}, "
        f"{options.rounds} rounds; best at matrices {best / 1e12:.2f} T/s\n"
    )
    print("| arm | s a step | samples/s | × plain | time ÷ floor | share of peak |" + " memory |" * gpu)
    print("|---|---|---|---|---|---|" + "---|" * gpu)
    for name, arm in arms.items():
        memory = f" {peak(arm) / device.GIB:.2f} GB |" if gpu else ""
        print(
            f"| {name} | {median[name]:.3f} | {options.batch / median[name]:.2f} "
            f"| {median['plain'] / median[name]:.2f} | {median[name] / median['floor']:.3f} "
            f"| {work / median[name] / best:.1%} |{memory}"
        )


if __name__ == "__main__":
    main()
