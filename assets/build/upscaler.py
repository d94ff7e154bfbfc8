"""Trains the 4× upscaler on scenes drawn large and made small, straight and through the autoencoder.

Works on drawn scenes and the finished autoencoder; knows nothing about captions. Pictures that went through
the autoencoder teach it to mend the decoder's softness; plain ones keep it honest on any other picture.

    python -m assets.build.upscaler --size small --minutes 8 --finish
"""

from typing import Any

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from safetensors.torch import save_file

from assets.build import data, muon, training
from assets.build.autoencoder import picture_loss, psnr, reconstruct
from core.video.upscale import FACTOR, Upscaler, upscale

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 8, "blocks": 1, "batch": 2, "crop": 16, "pool": 2, "held_out": 2},
    "small": {"width": 48, "blocks": 8, "batch": 8, "crop": 32, "pool": 96, "held_out": 12},
    "full": {"width": 64, "blocks": 12, "batch": 64, "crop": 64, "pool": 2000, "held_out": 100},
}


def shrink(large: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Area-averages pictures [N, H, W, 3] to a quarter of the side."""
    height, width = large.shape[1] // FACTOR, large.shape[2] // FACTOR
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in large])


def bicubic(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures [N, H, W, 3] enlarged 4 times by bicubic interpolation, the bar to beat."""
    height, width = small.shape[1] * FACTOR, small.shape[2] * FACTOR
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_CUBIC) for p in small])


def pairs(
    small: list[NDArray[np.uint8]],
    large: NDArray[np.uint8],
    count: int,
    side: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random matching crops: [count, side, side, 3] of a `small` set, and 4 times that of `large`."""
    inputs = np.empty((count, side, side, 3), np.uint8)
    targets = np.empty((count, side * FACTOR, side * FACTOR, 3), np.uint8)
    for index in range(count):
        source = small[random.integers(len(small))]
        which = random.integers(len(source))
        y = random.integers(source.shape[1] - side + 1)
        x = random.integers(source.shape[2] - side + 1)
        inputs[index] = source[which, y : y + side, x : x + side]
        rows, columns = slice(y * FACTOR, (y + side) * FACTOR), slice(x * FACTOR, (x + side) * FACTOR)
        targets[index] = large[which, rows, columns]
        if random.random() < 0.5:
            inputs[index], targets[index] = inputs[index, :, ::-1].copy(), targets[index, :, ::-1].copy()
    return inputs, targets


def main() -> None:
    """Trains for one slice, measures held-out scenes, and exports to `models/upscaler`."""
    options = training.read(training.arguments("Trains the upscaler.", minutes=8))
    setup, device = SIZES[options.size], training.pick_device()
    width, height = (side * FACTOR for side in data.SHAPES[options.size]["square"])
    autoencoder: Any = AutoencoderKL.from_pretrained(
        options.models / "base" / "vae", torch_dtype=torch.float32
    )
    autoencoder = autoencoder.eval().to(device).to(memory_format=torch.channels_last)
    unseen = data.draw(range(data.HELD_OUT, data.HELD_OUT + setup["held_out"]), width, height, options.size)

    torch.manual_seed(0)
    model = Upscaler(setup["width"], setup["blocks"]).to(device).to(memory_format=torch.channels_last)
    torch.nn.init.zeros_(model.conv_out.weight)
    torch.nn.init.zeros_(model.conv_out.bias)  # type: ignore[arg-type]
    optimizer = muon.Muon(muon.groups(model, lr=1.5e-3, adam_lr=1.5e-3))
    average = training.Average(model, 0.998)
    folder, step = options.state / "upscaler", 0
    found = training.load_state(folder)
    if found:
        training.unpack(found[0], model, average, optimizer)
        step = found[1]["step"]
    random = np.random.default_rng(step + 1)
    first = int(random.integers(data.PORTRAIT // 2))
    large = data.draw(range(first, first + setup["pool"]), width, height, options.size).pictures
    plain = shrink(large)
    small = [plain, reconstruct(autoencoder, plain)]
    log = options.state / "upscaler.log"
    time_slice = training.Slice(options.minutes, options.steps, options.finish)

    total, since = 0.0, 0
    while time_slice.going():
        training.set_rate(optimizer, time_slice.rate())
        inputs, targets = pairs(small, large, setup["batch"], setup["crop"], random)
        with torch.autocast(device.type, torch.bfloat16):
            made = model(data.to_tensor(inputs).to(device))
        loss = picture_loss(made, data.to_tensor(targets).to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(model)
        step, total, since = step + 1, total + loss.item(), since + 1
        if since == 100:
            training.write_log(log, step=step, loss=round(total / since, 5))
            total, since = 0.0, 0
            training.save_state(folder, training.pack(model, average, optimizer), {"step": step})
    training.save_state(folder, training.pack(model, average, optimizer), {"step": step})

    average.copy_to(model)
    model.eval()
    quarter = shrink(unseen.pictures)
    decoded = reconstruct(autoencoder, quarter)
    made = upscale(quarter, model)
    figures = {
        "step": step,
        "bicubic": round(psnr(bicubic(quarter), unseen.pictures), 2),
        "upscaler": round(psnr(made, unseen.pictures), 2),
        "bicubic_after_autoencoder": round(psnr(bicubic(decoded), unseen.pictures), 2),
        "upscaler_after_autoencoder": round(psnr(upscale(decoded, model), unseen.pictures), 2),
    }
    training.write_log(log, **figures, finished=options.finish)
    shown = np.stack([bicubic(decoded[:4]), upscale(decoded[:4], model)], 1).reshape(-1, *made.shape[1:])
    data.sheet(shown, options.state / "sheets" / "upscaler.png", columns=2)
    target = options.models / "upscaler"
    target.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    temporary = target / "model.safetensors.part"
    save_file(weights, temporary)
    temporary.replace(target / "model.safetensors")


if __name__ == "__main__":
    main()
