"""The device that computes: which one, in which number format, with how much memory.

The one place where number formats are decided. STUDIO_CPU=plain in the environment keeps the studio and the
libraries that compute from the instructions of newer processors (AVX-512, AMX), which most people's lack.
Knows nothing about models. torch is imported inside, because the window asks for none of it at start.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import platform
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

GIB = 1024**3
PLAIN = os.environ.get("STUDIO_CPU") == "plain"
PLAIN_LIBRARIES = {  # torch, oneDNN and MKL read them once, when they first compute
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
NEWER_FLAGS = ("avx512", "amx", "avx_vnni")
NUMBERS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
MadeT = TypeVar("MadeT")
ToldT = TypeVar("ToldT")

if PLAIN:
    os.environ.update(PLAIN_LIBRARIES)


def pick() -> torch.device:
    """The best device there is: cuda, then mps, then cpu."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The processor's feature flags on Linux, but for newer ones' where it is plain; empty elsewhere."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                flags = line.split(":", 1)[1].split()
                return frozenset(flag for flag in flags if not (PLAIN and flag.startswith(NEWER_FLAGS)))
    except OSError:
        pass
    return frozenset()


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is at least as fast as fp32 there: on a CPU only with its own instructions for it."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & cpu_flags())


def dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format for frozen weights: what was asked for, or for "auto" the fastest safe one."""
    if precision != "auto":
        return number_of(precision)
    if fast_bf16(device):
        return number_of("bf16")
    return number_of("fp16" if device.type == "cuda" else "fp32")


def number_of(name: str) -> torch.dtype:
    """The number format called bf16, fp16 or fp32."""
    import torch

    found: torch.dtype = getattr(torch, NUMBERS[name])
    return found


def name_of(dtype: torch.dtype) -> str:
    """What a number format is called: bf16, fp16 or fp32."""
    return next(name for name in NUMBERS if number_of(name) == dtype)


def autocast(place: torch.device, numbers: torch.dtype | None = None) -> AbstractContextManager[None]:
    """Within it layers compute in `numbers`, by default the fastest safe format; in fp32 nothing is cast."""
    import torch

    numbers = numbers or dtype("auto", place)
    return torch.autocast(place.type, numbers, enabled=numbers != torch.float32)


def memory_format(dtype: torch.dtype) -> torch.memory_format:
    """channels_last helps in half precision only (measured: 0.98 → 0.93 s a step in bf16)."""
    import torch

    return torch.contiguous_format if dtype == torch.float32 else torch.channels_last


def memory_bytes() -> int:
    """The machine's memory, in bytes; a container's limit where there is a lower one."""
    total = _physical_bytes()
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return total


def available_bytes(place: torch.device) -> int:
    """Memory that a new job can have: a GPU's free one, with what torch keeps of it without a use; else the
    system's, at most a container's limit.
    """
    import torch

    if place.type != "cuda":
        return free_memory_bytes()
    unused = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    return torch.cuda.mem_get_info(place)[0] + unused


def held_bytes(place: torch.device) -> int:
    """What tensors hold of a GPU now, from where `peak_bytes` counts on; elsewhere 0."""
    import torch

    if place.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(place)
    return torch.cuda.memory_allocated(place)


def peak_bytes(place: torch.device) -> int:
    """The most that tensors have held of a GPU since `held_bytes` was asked; elsewhere 0."""
    import torch

    return torch.cuda.max_memory_allocated(place) if place.type == "cuda" else 0


def free_memory_bytes() -> int:
    """The system's free memory, at most a container's limit."""
    import psutil

    return min(psutil.virtual_memory().available, memory_bytes())


def _physical_bytes() -> int:
    if sys.platform == "win32":
        import ctypes

        kib = ctypes.c_ulonglong(0)
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kib))  # type: ignore[attr-defined]
        return kib.value * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peak_memory_bytes() -> int:
    """The most memory this process has held so far, in bytes; 0 where the system doesn't tell."""
    if sys.platform == "win32":
        return 0
    import contextlib
    import resource

    with contextlib.suppress(OSError, StopIteration):  # Linux; getrusage there counts in who started us
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free() -> None:
    """Gives memory of dropped models back, before the next one is loaded."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    _trim()


def _trim() -> None:
    """Hands freed blocks back: glibc keeps them, hundreds of MB after a model of 0.5 GB."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on whichever device."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # The CPU's allocator has no class of its own: "not enough memory" on Windows, the other elsewhere.
    return any(said in str(error) for said in ("not enough memory", "can't allocate memory"))


def within_memory(make: Callable[[], MadeT]) -> MadeT | None:
    """What `make` gives; None, with all freed that can be, where the memory was not enough for it."""
    try:
        return make()
    except Exception as error:
        if not out_of_memory(error):
            raise
    free()  # only here has the error let go of what it held
    return None


def steps_within_memory(steps: Generator[ToldT, None, MadeT]) -> Generator[ToldT, None, MadeT | None]:
    """The same steps and outcome; None, with all freed that can be, as soon as the memory isn't enough."""
    try:
        return (yield from steps)
    except Exception as error:
        if not out_of_memory(error):
            raise
    free()
    return None


def wait(place: torch.device) -> None:
    """Waits until the device has done what it was given, so that a step can be timed."""
    import torch

    if place.type in ("cuda", "mps"):
        getattr(torch, place.type).synchronize()


def bitsandbytes(place: torch.device) -> bool:
    """Whether the package bitsandbytes works on `place`: there, whole, and on a card that it knows."""
    import torch

    if place.type != "cuda":
        return False
    try:
        optim = importlib.import_module("bitsandbytes.optim")
        tried = torch.nn.Parameter(torch.zeros(64, 64, device=place))
        tried.grad = torch.zeros_like(tried)
        optim.AdamW8bit([tried]).step()
    except Exception:  # a broken install has errors of many kinds, some at its first use only
        return False
    return True


def describe() -> str:
    """One line for people: device, its memory, number format."""
    import torch

    device = pick()
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        name, memory = card.name, card.total_memory
    else:
        name, memory = f"{platform.machine()} CPU, {os.cpu_count()} cores", memory_bytes()
    numbers = str(dtype("auto", device)).removeprefix("torch.")
    return f"{name}, {memory / GIB:.0f} GB, {numbers}{', as a plain CPU' if PLAIN else ''}"
