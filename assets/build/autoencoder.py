"""Trains the base's autoencoder: pictures to latents with a sixteenth of the side and 16 channels, and back.

Works on drawn scenes; knows nothing about captions or diffusion. Flat art needs crisp edges, so the loss
adds the difference of gradients to the difference of colours. Three habits make the latents easy for a
small diffusion model: noise on the latents while the decoder learns (it forgives the UNet's errors), a
decoder that also turns latents of half the size into a picture of half the size (Kouzelis et al. 2025,
arXiv:2502.09509; coarse structure then stands in the low frequencies), and, at the end, channels that
are as large as what they change in the picture (`normalise`). It learns on whole pictures: on crops, group
norms see other means than in use, and whole pictures lost 2 dB. `decoder` goes on from here.

    python -m assets.build.autoencoder --minutes 20 --finish
"""

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
    "tiny": {"channels": (8, 8, 8, 8, 16), "batch": 2, "pool": 4, "held_out": 2},
    "full": {"channels": (24, 48, 96, 160, 192), "batch": 16, "pool": 8000, "held_out": 64},
}
LATENT_CHANNELS = 16
NOISE = 0.1  # largest deviation of the noise on the latents, whose own deviation is kept near 1


def build(size: str) -> Any:
    """A new autoencoder of the genuine architecture: f = 16, no attention, one block a level."""
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


def varied(pictures: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures [N, H, W, 3], half of them mirrored, an eighth with other colours.

    Other colours (grey, inverted, swapped channels, dimmed) keep the autoencoder useful for pictures that are
    unlike the scenes, such as the ones that a LoRA is trained on.
    """
    found = np.empty_like(pictures)
    for index, picture in enumerate(pictures):
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        if random.random() < 0.12:
            kind = random.integers(4)
            if kind == 0:
                picture = np.repeat(picture.mean(2, keepdims=True), 3, axis=2)
            elif kind == 1:
                picture = 255 - picture
            elif kind == 2:
                picture = picture[:, :, random.permutation(3)]
            else:
                picture = picture * random.uniform(0.2, 0.9)
        found[index] = picture
    return found


def _painted(job: tuple[int, int, int]) -> NDArray[np.uint8]:
    from assets.build import scenes

    seed, width, height = job
    scene = scenes.draw(seed, 2 * width, 2 * height)
    paint = list(styles.STYLES.values())[seed % len(styles.STYLES)]
    return np.asarray(
        cv2.resize(paint(scene.image, seed, scene.mask), (width, height), interpolation=cv2.INTER_AREA)
    )


def training_pool(size: str, shape: str, count: int, seed: int, workers: int = 1) -> NDArray[np.uint8]:
    """Pictures [count, H, W, 3] of a shape: scenes, and for every tenth one in a starter LoRA's style.

    The base's latents must hold what a LoRA is to learn, and that looks unlike the scenes.
    """
    width, height = data.SHAPES[size][shape]
    first = int(np.random.default_rng(seed).integers(data.PORTRAIT // 2))
    styled = count // 10
    pool = data.draw(range(first, first + count - styled), width, height, workers).pictures
    jobs = [(other, width, height) for other in range(first + count, first + count + styled)]
    return np.stack([*pool, *data.spread(_painted, jobs, workers)])


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
    return decode(model, data.encode(model, pictures, at_once), at_once)


@torch.no_grad()
def decode(model: Any, latents: Tensor, at_once: int = 8) -> NDArray[np.uint8]:
    """Pictures of latents [N, C, h, w]."""
    device, made = next(model.parameters()).device, []
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


def train_step(model: Any, real: Tensor, device: torch.device, coarse: bool) -> Tensor:
    """The loss of one batch [N, 3, H, W] at full size and, if `coarse`, at half size too.

    The latents get noise of a random deviation up to `NOISE`.
    """
    with autocast(device):
        latents = model.encode(real).latent_dist.mean
        strength = NOISE * torch.rand(len(real), 1, 1, 1, device=device)
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
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    options = training.read(parser)
    setup, device = SIZES[options.size], training.pick_device()
    batch = options.batch or setup["batch"]
    unseen = range(data.HELD_OUT, data.HELD_OUT + setup["held_out"])
    held_out = data.draw(unseen, *data.SHAPES[options.size]["portrait"], options.workers)

    torch.manual_seed(0)
    model = build(options.size).to(device).to(memory_format=torch.channels_last)
    optimizer = muon.Muon(muon.groups(model, lr=options.rate, adam_lr=options.rate), turns=2)
    average = training.Average(model, 0.998)
    folder, step, exported = options.state / "autoencoder", 0, options.models / "base" / "vae"
    if found := training.load_state(folder):
        training.unpack(found[0], model, average, optimizer)
        step = found[1]["step"]
    pools = [
        training_pool(options.size, shape, setup["pool"] // 2, step, options.workers)
        for shape in data.SHAPES[options.size]
    ]
    random = np.random.default_rng(step)
    torch.manual_seed(step)
    log = options.state / "autoencoder.log"
    time_slice = training.Slice(options.minutes, options.steps, options.finish)

    def export() -> float:
        finished = build(options.size).to(device)
        average.copy_to(finished)
        finished.eval().to(memory_format=torch.channels_last)
        normalise(finished, held_out.pictures)
        made = reconstruct(finished, held_out.pictures)
        shown = np.stack([held_out.pictures[:8], made[:8]], 1).reshape(-1, *made.shape[1:])
        data.sheet(shown, options.state / "sheets" / f"autoencoder-{step:06d}.png")
        finished.to(number_of("fp16")).save_pretrained(exported)
        return psnr(made, held_out.pictures)

    losses, look = [], training.Every(3)
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        pool = pools[int(random.random() < 0.7)]
        chosen = pool[random.integers(len(pool), size=batch)]
        real = data.to_tensor(varied(chosen, random)).to(device)
        loss = train_step(model, real, device, coarse=step % 8 == 0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(model)
        step += 1
        losses.append(loss.detach())
        if step % 100 == 0:
            training.write_log(log, step=step, loss=round(torch.stack(losses).mean().item(), 4))
            losses = []
        if look.due():
            training.save_state(folder, training.pack(model, average, optimizer), {"step": step})
            training.write_log(log, step=step, psnr=round(export(), 2))
    training.save_state(folder, training.pack(model, average, optimizer), {"step": step})
    training.write_log(log, step=step, psnr=round(export(), 2), samples=step * batch, finished=options.finish)


if __name__ == "__main__":
    main()
