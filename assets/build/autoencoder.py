"""Trains the base's autoencoder: pictures to latents with an eighth of the side and 8 channels, and back.

Works on drawn scenes; knows nothing about captions or diffusion. Flat art needs crisp edges, so the loss
adds the difference of gradients to the difference of colours. Three habits make the latents easy for a
small diffusion model: noise on the latents while the decoder learns (it forgives the UNet's errors), a
decoder that also turns latents of half the size into a picture of half the size (Kouzelis et al. 2025,
arXiv:2502.09509; coarse structure then stands in the low frequencies), and, at the end, channels that
are as large as what they change in the picture (`normalise`).

    python -m assets.build.autoencoder --size small --minutes 20 --finish
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from assets.build import data, muon, styles, training
from core.device import autocast, number_of

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"channels": (8, 8, 8, 16), "batch": 2, "crop": 32, "pool": 4, "held_out": 2},
    "small": {"channels": (16, 40, 96, 160), "batch": 6, "crop": 112, "pool": 1600, "held_out": 32},
    "full": {"channels": (32, 64, 128, 256), "batch": 64, "crop": 256, "pool": 20000, "held_out": 200},
}
LATENT_CHANNELS = 8
NOISE = 0.1  # largest deviation of the noise on the latents, whose own deviation is kept near 1
DECODER_NOISE = 0.3  # the same when only the decoder learns: as much as a young UNet errs


def build(size: str) -> Any:
    """A new autoencoder of the genuine architecture: f = 8, no attention, one block a level."""
    channels = SIZES[size]["channels"]
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=2,  # each group loses its mean: eight groups of 16 channels lost one colour axis
        sample_size=192,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def crops(pool: NDArray[np.uint8], count: int, side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Random square crops [count, side, side, 3], half of them mirrored, an eighth with other colours.

    Other colours (grey, inverted, swapped channels, dimmed) keep the autoencoder useful for pictures that are
    unlike the scenes, such as the ones that a LoRA is trained on.
    """
    found = np.empty((count, side, side, 3), np.uint8)
    for index in range(count):
        picture = pool[random.integers(len(pool))]
        y = random.integers(picture.shape[0] - side + 1)
        x = random.integers(picture.shape[1] - side + 1)
        crop = picture[y : y + side, x : x + side]
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        if random.random() < 0.12:
            kind = random.integers(4)
            if kind == 0:
                crop = np.repeat(crop.mean(2, keepdims=True), 3, axis=2)
            elif kind == 1:
                crop = 255 - crop
            elif kind == 2:
                crop = crop[:, :, random.permutation(3)]
            else:
                crop = crop * random.uniform(0.2, 0.9)
        found[index] = crop
    return found


def training_pool(size: str, count: int, seed: int) -> NDArray[np.uint8]:
    """Square pictures [count, H, W, 3]: scenes, and for every tenth an ink wash or neon picture of one.

    The base's latents must hold what a LoRA is to learn, and that looks unlike the scenes.
    """
    width, height = data.SHAPES[size]["square"]
    random = np.random.default_rng(seed)
    first = int(random.integers(data.PORTRAIT // 2))
    styled = count // 10
    pool = data.draw(range(first, first + count - styled), width, height, size).pictures
    if not styled:
        return pool
    large = data.draw(range(first + count, first + count + styled), 4 * width, 4 * height, size).pictures
    paint = (styles.ink_wash, styles.neon_night)
    painted = [paint[i % 2](picture, seed=i) for i, picture in enumerate(large)]
    small = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in painted]
    return np.concatenate([pool, np.stack(small)])


def picture_loss(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute and squared difference of colours, of gradients in both directions, and of coarse colour.

    Without the last, a young autoencoder settles on two colour axes (blue to orange, dark to bright) and
    greens stay grey for thousands of steps.
    """
    difference = made.float() - real
    colour = F.avg_pool2d(difference, 8).abs().mean()
    dy = difference[:, :, 1:] - difference[:, :, :-1]
    dx = difference[:, :, :, 1:] - difference[:, :, :, :-1]
    edges = dy.abs().mean() + dx.abs().mean()
    return difference.abs().mean() + difference.square().mean() + 0.5 * edges + 2 * colour


def psnr(made: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB: the mean over the pictures [N, H, W, 3]."""
    error = (made.astype(np.float32) - real.astype(np.float32)) ** 2
    return float((10 * np.log10(255**2 / np.maximum(error.mean(axis=(1, 2, 3)), 1e-3))).mean())


@torch.no_grad()
def reconstruct(model: Any, pictures: NDArray[np.uint8], at_once: int = 8) -> NDArray[np.uint8]:
    """Pictures through the encoder and the decoder."""
    device = next(model.parameters()).device
    latents = data.encode(model, pictures, at_once)
    made = []
    for part in latents.split(at_once):
        with autocast(device):
            made.append(data.to_pictures(model.decode(part.to(device)).sample))
    return np.concatenate(made)


@torch.no_grad()
def normalise(model: Any, pictures: NDArray[np.uint8]) -> None:
    """Folds mean, rotation and size of the latent channels into the 1×1 convolutions.

    The channels are turned to the principal axes of what the decoder makes of them, and each gets a deviation
    in proportion to how much it changes the picture, 1 on average (root mean square). Distances between
    latents are then nearly distances between pictures: a diffusion model spends its effort on what is seen,
    coarse channels first. `scaling_factor` stays 1. The posterior gets a tiny spread.
    """
    latents = data.encode(model, pictures)
    device, half = model.quant_conv.weight.device, model.config.latent_channels
    mean = latents.mean(dim=(0, 2, 3))
    change = _change(model, latents[:16].to(device)).cpu()
    strength, axes = torch.linalg.eigh(change)
    turned = torch.einsum("nchw,cd->ndhw", latents - mean[:, None, None], axes)
    deviation = turned.std(dim=(0, 2, 3))
    wanted = deviation * strength.clamp(min=1e-8).sqrt()  # how far the channel as it is moves the picture
    factor = wanted / wanted.square().mean().sqrt() / deviation
    there = (factor[:, None] * axes.T).to(device)  # latents as they were → as they shall be
    back = (axes / factor).to(device)
    mean = mean.to(device)
    into, out = model.quant_conv, model.post_quant_conv
    into.weight[:half] = torch.einsum("dc,cihw->dihw", there, into.weight[:half])
    into.bias[:half] = there @ (into.bias[:half] - mean)
    into.weight[half:] = 0
    into.bias[half:] = -10.0
    kernel = out.weight[:, :, 0, 0]
    out.bias += kernel @ mean
    out.weight.copy_((kernel @ back)[:, :, None, None])


@torch.no_grad()
def _change(model: Any, latents: Tensor, far: float = 0.2) -> Tensor:
    """How the decoder answers to each pair of latent channels [C, C]: products of the pictures' changes.

    Each channel in turn is moved by the same noise, `far` times as strong as the latents.
    """
    noise = torch.randn(latents[:, 0].shape, generator=torch.Generator().manual_seed(0)).to(latents.device)
    far = far * latents.std().item()
    with autocast(latents.device):
        still = model.decode(latents).sample.float()
        moved = []
        for channel in range(latents.shape[1]):
            other = latents.clone()
            other[:, channel] += far * noise
            moved.append((model.decode(other).sample.float() - still).flatten())
    changes = torch.stack(moved)
    return (changes @ changes.T).double().float() / changes.shape[1] / far**2


def train_step(model: Any, real: Tensor, device: torch.device, coarse: bool, noise: float) -> Tensor:
    """The loss of one batch [N, 3, H, W] at full size and, if `coarse`, at half size too.

    The latents get noise of a random deviation up to `noise`.
    """
    with autocast(device):
        latents = model.encode(real).latent_dist.mean
        strength = noise * torch.rand(len(real), 1, 1, 1, device=device)
        noisy = latents + strength * torch.randn_like(latents)
        loss = picture_loss(model.decode(noisy).sample, real)
        if coarse:
            half = model.decode(F.avg_pool2d(noisy, 2)).sample
            loss = loss + picture_loss(half, F.avg_pool2d(real, 2))
    flat = latents.float().transpose(0, 1).flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    spread = flat @ flat.T / flat.shape[1]
    return loss + 0.02 * (spread - torch.eye(len(spread), device=device)).square().sum(0).mean()


def main() -> None:
    """Trains for one slice, measures held-out scenes, and exports to `models/base/vae`."""
    parser = training.arguments("Trains the autoencoder.", minutes=9)
    parser.add_argument(
        "--rate", type=float, default=2e-3, help="learning rate of the first part of the slice"
    )
    parser.add_argument(
        "--decoder-only", action="store_true", help="keep the latents as they are from now on"
    )
    options = training.read(parser)
    setup, device = SIZES[options.size], training.pick_device()
    width, height = data.SHAPES[options.size]["square"]
    held_out = data.draw(range(data.HELD_OUT, data.HELD_OUT + setup["held_out"]), width, height, options.size)

    folder, step, exported = options.state / "autoencoder", 0, options.models / "base" / "vae"
    before = training.load_state(folder)
    pool = training_pool(options.size, setup["pool"], before[1]["step"] if before else 0)

    torch.manual_seed(0)
    model = build(options.size).to(device).to(memory_format=torch.channels_last)
    model.encoder.requires_grad_(not options.decoder_only)
    model.quant_conv.requires_grad_(not options.decoder_only)
    optimizer = muon.Muon(muon.groups(model, lr=options.rate, adam_lr=options.rate), turns=2)
    average = training.Average(model, 0.998)
    found = training.load_state(folder)
    if found:
        same = found[1]["decoder_only"] == options.decoder_only
        training.unpack(found[0], model, average, optimizer if same else None)
        step = found[1]["step"]
    if options.decoder_only and not (found and same):
        # The base was trained on the exported one's latents: they stay, bit by bit.
        model.load_state_dict(AutoencoderKL.from_pretrained(exported).float().state_dict())
        average = training.Average(model, 0.998)
    random = np.random.default_rng(step)
    torch.manual_seed(step)
    log = options.state / "autoencoder.log"
    time_slice = training.Slice(options.minutes, options.steps, options.finish)
    noise = DECODER_NOISE if options.decoder_only else NOISE
    saved = 0.0

    def save() -> None:
        training.save_state(
            folder,
            training.pack(model, average, optimizer),
            {"step": step, "decoder_only": options.decoder_only},
        )

    def export(sheet: Path) -> float:
        finished = build(options.size).to(device)
        average.copy_to(finished)
        finished.eval().to(memory_format=torch.channels_last)
        if not options.decoder_only:
            normalise(finished, held_out.pictures)
        made = reconstruct(finished, held_out.pictures)
        shown = np.stack([held_out.pictures[:8], made[:8]], 1).reshape(-1, *made.shape[1:])
        data.sheet(shown, sheet)
        finished.to(number_of("fp16")).save_pretrained(exported)
        return psnr(made, held_out.pictures)

    total, since = torch.zeros(()), 0
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        real = data.to_tensor(crops(pool, setup["batch"], setup["crop"], random)).to(device)
        loss = train_step(model, real, device, coarse=step % 8 == 0, noise=noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(model)
        step, total, since = step + 1, total + loss.detach().cpu(), since + 1
        if step % 100 == 0:
            minutes = round((time_slice.share() * options.minutes), 2)
            training.write_log(log, step=step, loss=round(total.item() / since, 4), minutes=minutes)
            total, since = torch.zeros(()), 0
        if time_slice.share() * options.minutes - saved > 3:
            saved = time_slice.share() * options.minutes
            save()
            training.write_log(
                log, step=step, psnr=round(export(options.state / "sheets/autoencoder.png"), 2)
            )
    save()
    figure = export(options.state / "sheets" / f"autoencoder-{step:06d}.png")
    training.write_log(
        log, step=step, psnr=round(figure, 2), samples=step * setup["batch"], finished=options.finish
    )


if __name__ == "__main__":
    main()
