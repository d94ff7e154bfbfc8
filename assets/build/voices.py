"""Trains the starter LoRAs for texts, a poet and a lively seller, with the studio's own training code.

Their texts were written for the studio and lie in `voices`, a topic with its words a line. Knows nothing
about the training itself (core.lora.train).

    python -m assets.build.voices [--voice poet] [--output assets/loras] [key=value …]
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from assets.build.loras import LORAS
from core import terminal
from core.device import number_of
from core.lineage import write_lineage
from core.lora.train import train
from core.settings import presets, reading, training
from core.texts.lorafolder import CONFIG, WEIGHTS
from core.texts.template import FILE as TEMPLATE

TEXTS = Path(__file__).parent / "voices"
VOICES = {"poet": "narration", "seller": "pitch"}  # what each is asked for
RECIPE = {
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "lora_rank": 8,
    "max_steps": 120,
    "learning_rate": 2e-3,
    "validate_steps": 20,
    "keep_loras": 0,
    "samples": 0,
}


def train_voice(name: str, state: Path, output: Path, changes: dict[str, Any]) -> Path:
    """Trains one voice; its folder, which names no place of this machine."""
    texts, work, target = TEXTS / f"{name}.jsonl", state / "voices" / name, output / name
    shutil.rmtree(work, ignore_errors=True)
    values = reading.read_yaml(presets.preset("training", "text-quick")) | RECIPE
    asked = {"task": VOICES[name], "train_data_path": texts, "output_dir": work, "name": name, "seed": 1}
    made = terminal.show(train(training.training({**values, **asked, **changes})))
    assert made is not None
    target.mkdir(parents=True, exist_ok=True)
    for file in (CONFIG, TEMPLATE):
        shutil.copy2(made / file, target / file)
    small = {key: tensor.to(number_of("fp16")) for key, tensor in load_file(made / WEIGHTS).items()}
    save_file(small, target / WEIGHTS, {"format": "pt"})
    source = Path(os.path.relpath(texts, target)).as_posix()
    write_lineage(target, {"settings": {"task": VOICES[name], "train_data_path": source}})
    return target


def main() -> None:
    """Trains one voice, or all."""
    parser = argparse.ArgumentParser(description="Trains the starter LoRAs for texts.")
    parser.add_argument("--voice", choices=tuple(VOICES), help="only this one")
    parser.add_argument("--state", type=Path, default=Path("build-state"), help="where the runs lie")
    parser.add_argument("--output", type=Path, default=LORAS, help="folder that the LoRAs go to")
    parser.add_argument(
        "changes", nargs="*", metavar="key=value", help="settings that go before the preset's"
    )
    options = parser.parse_args()
    for name in (options.voice,) if options.voice else VOICES:
        print(train_voice(name, options.state, options.output, reading.parse_changes(options.changes)))


if __name__ == "__main__":
    main()
