"""Sharpens the base's decoder; the latents stay as they are, bit by bit, so the UNet stays valid.

Works on scenes with their latents, and on what the base makes of those: latents noised a little and drawn
again, soft as a drawing is, yet with everything in its place. Absolute difference leads, so an edge whose
place is unsure stays hard. At small batches Muon's steps are mostly noise: a low rate that falls to zero and
an average over some hundred steps gain, higher rates lose.

    python -m assets.build.decoder --minutes 60 --finish     # on models/base as it stands
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from assets.build import autoencoder, base, data, muon, scenes, styles, training
from core.device import autocast, number_of

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"batch": 2, "pool": 8, "held_out": 2},
    "full": {"batch": 2, "pool": 1600, "held_out": 32},
}
RATE = 6e-5
DEEP, STEPS, GUIDANCE = 250, 3, 3.0  # noise level (of 1000), steps and guidance of the redrawing
REDRAWN = 0.25  # share of the samples that are the base's own
SHAKE = 0.03  # deviation of the noise on the latents
EDGES = 0.5
AT_ONCE = 8  # scenes in one file of the pool


def write_pool(pipe: Any, size: str, folder: Path, count: int) -> None:
    """Scenes of 9:16, every fourth in a style, their latents and those redrawn; goes on where it stopped.

    Seeds are held out for the first files, so that what is measured is never trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width, height = data.SHAPES[size]["portrait"]
    paint = list(styles.STYLES.values())
    for first in range(0, count, AT_ONCE):
        path = folder / f"{first:05d}.safetensors"
        if path.exists():
            continue
        start = data.HELD_OUT if first < SIZES[size]["held_out"] else data.PORTRAIT + 40_000_000
        drawn = [scenes.draw(start + first + i, width, height) for i in range(AT_ONCE)]
        pictures = np.stack([scene.image for scene in drawn])
        if start != data.HELD_OUT:
            for i in (0, 4):
                style = paint[(first + i) // 4 % len(paint)]
                pictures[i] = style(drawn[i].image, first + i, drawn[i].mask)
        latents = data.encode(pipe.vae, pictures)
        again = redrawn(pipe, latents, [scene.caption for scene in drawn], first)
        both = torch.stack([latents, again], 1).to(number_of("fp16"))
        part = path.with_suffix(".part")
        save_file({"pictures": torch.from_numpy(pictures), "latents": both.contiguous()}, part)
        part.replace(path)


def read_pool(folder: Path) -> tuple[NDArray[np.uint8], Tensor]:
    """Pictures [N, H, W, 3] and latents [N, 2, C, h, w]: of the pictures, redrawn."""
    parts = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
    pictures = torch.cat([part["pictures"] for part in parts]).numpy()
    return pictures, torch.cat([part["latents"] for part in parts]).float()


@torch.inference_mode()
def redrawn(pipe: Any, latents: Tensor, captions: list[str], seed: int) -> Tensor:
    """What the base makes of latents [N, C, h, w] that are noised to `DEEP`: float32, by DDIM in `STEPS`."""
    device = pipe.device
    diffusion = base.Diffusion(device)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    ids = base.tokenise(pipe.tokenizer, [*[""] * len(captions), *captions]).to(device)
    x = diffusion.signal[DEEP] * latents.to(device) + diffusion.noise[DEEP] * noise
    times = torch.linspace(DEEP, 0, STEPS + 1).round().long().tolist()
    with autocast(device):
        context = pipe.text_encoder(ids).last_hidden_state
        for now, then in pairwise(times):
            plain, told = pipe.unet(torch.cat([x, x]), now, context).sample.float().chunk(2)
            velocity = plain + GUIDANCE * (told - plain)
            signal, spread = diffusion.signal[now], diffusion.noise[now]
            clean, error = signal * x - spread * velocity, signal * velocity + spread * x
            x = diffusion.signal[then] * clean + diffusion.noise[then] * error if then else clean
    return x.cpu()


def loss_of(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of colours, of coarse colours and of gradients; pictures [N, 3, H, W]."""
    difference = made.float() - real
    coarse = torch.nn.functional.avg_pool2d(difference, 8).abs().mean()
    dy = difference[:, :, 1:] - difference[:, :, :-1]
    dx = difference[..., 1:] - difference[..., :-1]
    return difference.abs().mean() + coarse + EDGES * (dy.abs().mean() + dx.abs().mean())


def measure(vae: Any, latents: Tensor, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """PSNR (dB) of the scenes, and the mean absolute difference (of 255) of both kinds of latents."""
    made = [autoencoder.decode(vae, latents[:, kind]) for kind in (0, 1)]
    error = [float(np.abs(one.astype(np.float32) - pictures).mean()) for one in made]
    return {
        "psnr": round(autoencoder.psnr(made[0], pictures), 2),
        "error": round(error[0], 2),
        "redrawn": round(error[1], 2),
    }


def main() -> None:
    """Trains for one slice, measures held-out scenes, and puts the decoder into `models/base/vae`."""
    parser = training.arguments("Sharpens the decoder.", minutes=30)
    parser.add_argument("--rate", type=float, default=RATE)
    options = training.read(parser)
    setup, device = SIZES[options.size], training.pick_device()
    batch = options.batch or setup["batch"]
    pipe: Any = StableDiffusionPipeline.from_pretrained(options.models / "base", torch_dtype=torch.float32)
    pipe.to(device)
    vae = pipe.vae.to(memory_format=torch.channels_last)
    folder, step = options.state / "decoder", 0
    write_pool(pipe, options.size, options.state / "decoder-pool", setup["pool"])
    pictures, latents = read_pool(options.state / "decoder-pool")
    decoder = vae.decoder.train()
    optimizer = muon.Muon(muon.groups(decoder, lr=options.rate, adam_lr=options.rate))
    average = training.Average(decoder, 0.995)
    if found := training.load_state(folder):
        training.unpack(found[0], decoder, average, optimizer)
        step = found[1]["step"]
    random = np.random.default_rng(step)
    torch.manual_seed(step)
    log, held = options.state / "decoder.log", setup["held_out"]
    time_slice = training.Slice(options.minutes, options.steps, options.finish, fall=0.7)

    def keep() -> None:
        training.save_state(folder, training.pack(decoder, average, optimizer), {"step": step})
        shown = autoencoder.build(options.size).to(device).to(memory_format=torch.channels_last).eval()
        shown.load_state_dict(vae.state_dict())
        average.copy_to(shown.decoder)
        training.write_log(log, step=step, **measure(shown, latents[:held], pictures[:held]))
        shown.to(number_of("fp16")).save_pretrained(options.models / "base" / "vae")

    losses, look = [], training.Every(10)
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        picked = random.integers(held, len(pictures), batch)
        kinds = torch.from_numpy((random.random(batch) < REDRAWN).astype(np.int64))
        x = latents[torch.from_numpy(picked), kinds]
        x = (x + SHAKE * torch.randn_like(x)).to(device).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            made = decoder(vae.post_quant_conv(x))
        loss = loss_of(made, data.to_tensor(pictures[picked]).to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(decoder)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            training.write_log(log, step=step, loss=round(float(np.mean(losses)), 5))
            losses = []
        if look.due():
            keep()
    keep()


if __name__ == "__main__":
    main()
