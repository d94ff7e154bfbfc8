"""What every training script here shares: device, slice of time, state on disk, moving average.

Works on tensors and folders; knows nothing about pictures, captions or which model is trained. State is
kept in safetensors files of at most 15 MB, so that it can be carried between machines in pieces, and a
folder is replaced whole, so that a killed script finds either the old state or the new one.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.device import number_of

SHARD_BYTES = 14_000_000
MODELS = Path(__file__).resolve().parents[1] / "models"


def arguments(description: str, minutes: float) -> argparse.ArgumentParser:
    """The command line that all scripts share; `minutes` is the default length of a slice."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=("tiny", "full"), default="full", help="tiny is for tests")
    parser.add_argument(
        "--state", type=Path, default=Path("build-state"), help="folder of the training state"
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that the finished models go to")
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="length of this slice; resumes the next time"
    )
    parser.add_argument("--steps", type=int, default=None, help="stop after this many steps of this slice")
    parser.add_argument(
        "--finish", action="store_true", help="let the learning rate fall to zero in this slice"
    )
    parser.add_argument("--batch", type=int, default=0, help="samples a step (and worker); 0: the size's own")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    return parser


def read(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line's options; torch has the threads asked for."""
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def pick_device() -> torch.device:
    """The first CUDA device, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Slice:
    """One run of a script: ends after its minutes or steps, and gives the learning rate's factor."""

    def __init__(
        self, minutes: float, steps: int | None, finish: bool, warm_up: int = 40, fall: float = 0.35
    ):
        """`warm_up` in steps of the slice; `fall`: the share of a finishing slice in which the rate falls."""
        self.start, self.seconds, self.steps = time.monotonic(), minutes * 60, steps
        self.finish, self.warm_up, self.fall, self.done = finish, warm_up, fall, 0

    def share(self) -> float:
        """The share of the slice that is over, 0 to 1 and past."""
        by_time = (time.monotonic() - self.start) / self.seconds
        return max(by_time, self.done / self.steps) if self.steps else by_time

    def going(self) -> bool:
        """Whether there is time for another step."""
        return self.share() < 1

    def rate(self) -> float:
        """The factor on the learning rate for the next step."""
        self.done += 1
        warm = min(1.0, self.done / self.warm_up)
        return warm * min(1.0, max(0.02, 1 - self.share()) / self.fall) if self.finish else warm


class Every:
    """Tells when so many minutes have passed since it last told."""

    def __init__(self, minutes: float):
        """The first time comes after `minutes`."""
        self.seconds, self.last = minutes * 60, time.monotonic()

    def due(self) -> bool:
        """Whether it is time again."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scales every group's `base_lr` by `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


class Average:
    """An exponential moving average of a model's weights that soon forgets the start."""

    def __init__(self, model: nn.Module, decay: float):
        """`decay`: the share that stays at each update, 0.999 say."""
        self.decay, self.updates = decay, 0
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards the model's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        new = [p.detach() for _, p in model.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - decay)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Writes the average into a model of the same shape."""
        for name, p in model.named_parameters():
            p.copy_(self.weights[name])


def save_state(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes tensors (in files of at most 15 MB, large ones cut by rows) and facts, whole or not at all."""
    new, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    shard: dict[str, Tensor] = {}
    held, count = 0, 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        bytes_all = tensor.numel() * tensor.element_size()
        pieces = -(-bytes_all // SHARD_BYTES) if tensor.ndim else 1
        for part, piece in enumerate(tensor.chunk(pieces) if pieces > 1 else (tensor,)):
            size = piece.numel() * piece.element_size()
            if shard and held + size > SHARD_BYTES:
                save_file(shard, new / f"{count:03d}.safetensors")
                shard, held, count = {}, 0, count + 1
            shard[f"{name}|{part}"] = piece.contiguous().clone()
            held += size
    save_file(shard, new / f"{count:03d}.safetensors")
    (new / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_state` wrote, or None when nothing stands there yet."""
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():
        old.rename(folder)
    if not folder.exists():
        return None
    parts: dict[str, list[tuple[int, Tensor]]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for key, tensor in load_file(path).items():
            name, _, part = key.rpartition("|")
            parts.setdefault(name, []).append((int(part), tensor))
    tensors = {
        name: found[0][1] if len(found) == 1 else torch.cat([t for _, t in sorted(found, key=lambda f: f[0])])
        for name, found in parts.items()
    }
    return tensors, json.loads((folder / "facts.json").read_text(encoding="utf-8"))


def pack(
    model: nn.Module, average: Average | None = None, optimizer: torch.optim.Optimizer | None = None
) -> dict[str, Tensor]:
    """A training's tensors under flat names, for `save_state`."""
    tensors = {f"model/{n}": p for n, p in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average/{n}": p for n, p in average.weights.items()}
    if optimizer is not None:
        for index, entry in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in entry.items()}
    return tensors


def unpack(
    tensors: dict[str, Tensor],
    model: nn.Module,
    average: Average | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Puts what `pack` gave back into the model, the average (as one of many updates) and the optimizer."""
    model.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("model/")})
    if average is not None:
        for name, weight in average.weights.items():
            weight.copy_(tensors[f"average/{name}"])
        average.updates = 10**6
    if optimizer is not None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def compact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are kept in assets: matrices in 8 bits (e4m3), what is small and sensitive in 16.

    Libraries read both into the format that they are asked for. The picture base's held-out error grows from
    .1855 to .1862 by it.
    """
    kept = {}
    for name, tensor in weights.items():
        fp = torch.float8_e4m3fn if tensor.ndim >= 2 and tensor.numel() > 4096 else number_of("fp16")
        kept[name] = (tensor.to(fp) if tensor.is_floating_point() else tensor).contiguous()
    return kept


def write_log(path: Path, **figures: Any) -> None:
    """Appends one line of JSON to a log and prints it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"at": time.strftime("%H:%M:%S"), **figures})
    with path.open("a", encoding="utf-8") as log:
        log.write(line + "\n")
    print(line, flush=True)
