"""Where number formats come from, and a processor that shall be plain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core import device

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
ASK = """
from core import device
import torch
print(torch.backends.cpu.get_cpu_capability(), device.dtype("auto", torch.device("cpu")), device.describe())
"""


def test_a_plain_cpu_computes_in_fp32_and_without_newer_instructions() -> None:
    environment = {**os.environ, "STUDIO_CPU": "plain"}
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, text=True, capture_output=True, check=True
    )
    assert asked.stdout.startswith(("AVX2 torch.float32", "NO AVX torch.float32", "DEFAULT torch.float32"))
    assert asked.stdout.rstrip().endswith("as a plain CPU") or torch.cuda.is_available()


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32"])
def test_formats_go_by_their_names(name: str) -> None:
    number = device.number_of(name)
    assert device.name_of(number) == name
    assert device.dtype(name, CPU) == number


def test_autocast_computes_in_the_format_asked_for_and_leaves_fp32_alone() -> None:
    rows = torch.ones(2, 2)
    with device.autocast(CPU, device.number_of("bf16")):
        assert (rows @ rows).dtype == torch.bfloat16
    with device.autocast(CPU, device.number_of("fp32")):
        assert (rows @ rows).dtype == torch.float32
    with device.autocast(CPU):
        assert (rows @ rows).dtype == device.dtype("auto", CPU)
