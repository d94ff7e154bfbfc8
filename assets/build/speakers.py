"""Makes assets/voices: the voices of Kokoro-82M that the studio carries, in half precision.

They come from the npm package kokoro-js (Apache-2.0), which needs npm; a voice is a table of 510 styles, one
for each number of phonemes.

    python -m assets.build.speakers [--output assets/voices/kokoro.safetensors]
"""

from __future__ import annotations

import argparse
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from core import device
from core.project import write_atomic
from core.video.audio.voices.kokoro import TABLES, Kokoro

PACKAGE = "kokoro-js@1.2.1"


def tables(names: list[str]) -> dict[str, np.ndarray]:
    """The tables of voices by name, in half precision [510, 256]."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            return {name: _table(archive, name) for name in names}


def _table(archive: tarfile.TarFile, name: str) -> np.ndarray:
    file = archive.extractfile(f"package/voices/{name}.bin")
    assert file is not None
    return np.frombuffer(file.read(), np.float32).reshape(510, 256).astype(device.NUMBERS["fp16"])


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TABLES)
    output = parser.parse_args().output
    found = tables([voice.name for voice in Kokoro.voices])
    print(write_atomic(output, save(found, {"licence": "Apache-2.0", "source": f"Kokoro-82M, by {PACKAGE}"})))


if __name__ == "__main__":
    main()
