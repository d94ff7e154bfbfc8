"""What loading a model of any kind needs: libraries kept quiet, and their errors as one sentence."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core import device, disk, singlefile, weights
from core.messages import Mistake, Sentence


@contextlib.contextmanager
def reading(name: str, source: Path | str, places: Sequence[Path] = ()) -> Iterator[None]:
    """Within it a library reads a model: whatever it raises of that is a Mistake.

    One that names the damaged file, where one of those in `places`, files and folders, is.
    """
    try:
        yield
    except Mistake:
        raise
    except Exception as error:  # tokenizers and safetensors have classes of their own, of no common kind
        if device.out_of_memory(error):
            raise
        for place in places:
            weights.check_files(place)
        raise _not_loaded(name, source, error) from error


def _not_loaded(name: str, source: Path | str, error: Exception) -> Mistake:
    if isinstance(error, OSError) and error.errno in disk.NO_ROOM | disk.FORBIDDEN:
        return disk.mistake(error) or Mistake(str(error))
    if "trust_remote_code" in str(error):
        return Mistake(
            "{name} brings program code of its own, which the studio doesn't run; choose a model that "
            "transformers knows by itself, such as MiniCPM3, Qwen, Llama or Gemma.",
            name=name,
        )
    if isinstance(source, str) and isinstance(error, OSError):
        return Mistake(
            "The hub model {name} could not be fetched; check the name and the network, or use embedded.",
            name=name,
        )
    said = str(error)
    reason = next(iter(said.splitlines()), type(error).__name__).rstrip(".")
    if "ignore_mismatched_sizes" in said:
        reason = Sentence("its weights haven't the sizes that its config.json says")
    return Mistake(
        "The base model {name} can't be loaded ({reason}); get it again, or choose another.",
        name=name,
        reason=reason,
    )


def quiet() -> None:
    """The libraries' own bars, notes and warnings would break the studio's progress lines."""
    import warnings

    import diffusers
    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def dequantized() -> dict[str, Any]:
    """Options that make plain numbers of a GGUF file's."""
    from transformers import GgufConfig

    return {"quantization_config": GgufConfig(dequantize=True)}


def count_numbers(folder: Path) -> int:
    """How many numbers a folder's weights are, from their headers."""
    shapes = [singlefile.read_shapes(file) for file in weights.files(folder)]
    return sum(math.prod(shape) for tensors in shapes for shape in tensors.values())
