"""Files of weights and what stands beside them: whether they are whole, and their numbers are numbers.

The one place that opens a .safetensors file, and the one that looks a loaded model's numbers over. A file may
be anybody's: what its header claims is checked against its size before anything is made of it. What is wrong
with a file is a Mistake that names it. Knows nothing about what the weights are for.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from core import gguf_file
from core.messages import Mistake, some

if TYPE_CHECKING:
    import torch

Shapes: TypeAlias = dict[str, tuple[int, ...]]  # of a file's tensors, by their names

SUFFIX, GGUF = ".safetensors", ".gguf"
PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
PICKLES = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))  # their first bytes
STEMS = ("diffusion_pytorch_model", "model")  # diffusers' and transformers' names of a model's weights
VARIANTS = ("", ".fp16", ".bf16")  # that a repository may hold of them, the whole numbers first
JSON_FILES = ("*config.json", "model_index.json", "tokenizer.json", "vocab.json", "*.index*.json")
POINTER = b"version https://git-lfs"
MOST_JSON_BYTES = 200_000_000
# What a model's configuration may ask for: some have ten million positions.
MOST_LAYERS, LARGEST_SIZE = 1024, 20_000_000
NUMBERS = 8  # that a byte of weights may hold: more than any format has
NO_SIZES = ("general.", "tokenizer.")  # how keys of a .gguf file begin that tell no size
LARGEST_PRODUCT = 1e18  # of a LoRA's parts; its square is still a number in fp32


def shapes(path: Path) -> tuple[Shapes, dict[str, str]]:
    """Names and shapes of a .safetensors file's tensors and its metadata, from its header alone.

    Raises Mistake where the file is not one, or was cut short.
    """
    with _opened(path, "np") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return found, dict(file.metadata() or {})


@contextlib.contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    """A .safetensors file; the library holds each tensor's place, shape and format against the file's size.

    "np" spares a process torch where no tensor is asked for.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise cut_short(path)
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except (SafetensorError, OSError):
        raise cut_short(path) from None


def metadata(path: Path) -> dict[str, str]:
    """A .safetensors file's metadata, without its tensors. Raises Mistake where it is none."""
    with _opened(path, "np") as file:
        return dict(file.metadata() or {})


def cut_short(path: Path) -> Mistake:
    """That a file of weights isn't there as a whole, as far as its first bytes tell why."""
    if not path.is_file():
        if path.exists():
            return Mistake("{path} is a folder or a device where a file should be; give the file.", path=path)
        return Mistake("{path} is missing; fetch or copy it again.", path=path)
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except OSError as error:
        return Mistake("{path} can't be read ({reason}).", path=path, reason=error.strerror)
    if start == POINTER:
        return Mistake(
            "{path} is a git-lfs pointer and not the file itself; fetch it with git lfs pull, or download "
            "it.",
            path=path,
        )
    if start.startswith(PICKLES):
        return pickled(path)
    return Mistake(
        "{path} is not a whole {kind} file; it may have been cut short, so fetch or copy it again.",
        path=path,
        kind=path.suffix,
    )


def refuse_pickle(path: Path) -> None:
    """Raises Mistake for a file that is pickled by its name; `cut_short` tells one by its content."""
    if path.suffix.lower() in PICKLED and path.is_file():
        raise pickled(path)


def pickled(path: Path) -> Mistake:
    """That a file of weights would run whatever program was put into it."""
    return Mistake(
        "{path} is a pickled file, which can run any program when it is opened; "
        "use a .safetensors file instead.",
        path=path,
    )


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A .safetensors file's tensors, on the CPU, and its metadata.

    Raises Mistake where the file is missing or damaged, and where it holds numbers that are none.
    """
    with _opened(path, "pt") as file:
        metadata = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    check_numbers(tensors, path)
    return tensors, metadata


def check_numbers(tensors: Mapping[str, torch.Tensor], owner: object) -> None:
    """Raises Mistake where tensors hold NaN or infinity: `owner`, what to name, is damaged or diverged."""
    broken = [name for name, tensor in tensors.items() if not finite(tensor)]
    if broken:
        raise Mistake(
            "{owner} holds numbers that are none (NaN or infinite) in {layers}; get it again, or choose "
            "another.",
            owner=owner,
            layers=some(broken),
        )


def finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers of a tensor are numbers.

    NaN and infinity make a sum NaN or infinite, so one sum answers, in a third of the time that reading takes
    from memory; the numbers are looked at one by one only where the sum itself runs over.
    """
    if not addable(tensor):
        return tensor.itemsize == 1 or bool(tensor.isfinite().all())  # bytes of codes, or complex numbers
    held = tensor if tensor.itemsize > 1 else tensor.float()  # torch adds up no numbers of 8 bits
    return bool(held.sum().isfinite()) or bool(held.isfinite().all())


def addable(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds real numbers with a fraction, as what is learnt does; two in a byte are none."""
    return tensor.is_floating_point() and "float4" not in str(tensor.dtype)


def check_product(factors: Iterable[torch.Tensor], scale: float, owner: object, name: str) -> None:
    """Raises Mistake where the product of a LoRA's `factors` times `scale` can run over, or is no number.

    No number of the product, nor of a part of it, is above the product of the factors' norms
    (Cauchy-Schwarz), so nothing has to be multiplied. `owner` and `name`: the file, and what of it is
    multiplied.
    """
    import torch

    norms = [float(torch.linalg.vector_norm(factor.float())) for factor in factors]
    if not math.prod(max(1.0, norm) for norm in [*norms, abs(scale)]) <= LARGEST_PRODUCT:
        raise Mistake(
            "{owner} holds numbers so large that nothing can be reckoned with them, in {name}; get it "
            "again, or choose another.",
            owner=owner,
            name=name,
        )


def files(folder: Path) -> list[Path]:
    """The files that a library reads a model's weights from: one, or the shards that an index names.

    Of several variants those that `variant` names. Raises Mistake where the index is damaged.
    """
    for kind in VARIANTS:
        for stem in STEMS:
            if (whole := folder / f"{stem}{kind}{SUFFIX}").is_file():
                return [whole]
            if (index := folder / f"{stem}{SUFFIX}.index{kind}.json").is_file():
                return _shards(index)
    return []


def _shards(index: Path) -> list[Path]:
    """The files that an index names; all of them stand beside it."""
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict):
        raise unreadable(index)
    names = {str(name) for name in shards.values()}
    if elsewhere := sorted(name for name in names if Path(name).name != name or "\\" in name):
        raise Mistake(
            "{path} is damaged: it names {file}, which doesn't stand beside it; fetch or copy it again.",
            path=index,
            file=elsewhere[0][:100],
        )
    return [index.with_name(name) for name in sorted(names)]


def variant(folders: Iterable[Path]) -> str | None:
    """`fp16`, say, where one of models' folders holds that variant of its weights alone; else None."""
    kinds = [_kind(found[0]) for folder in folders if (found := files(folder))]
    return next(filter(None, kinds), None)


def _kind(file: Path) -> str:
    """`fp16` of `model.fp16.safetensors` and of `model.fp16-00001-of-00002.safetensors`; else empty."""
    middle = file.name.removesuffix(SUFFIX).partition(".")[2]
    return middle.partition("-")[0]


def check_files(source: Path) -> None:
    """Looks at a file of weights, or at what a library reads of a model's folder.

    Raises Mistake for the first file that is damaged or missing.
    """
    if source.is_file():
        _check_file(source)
        return
    for pattern in JSON_FILES:
        for file in sorted(source.glob(pattern)):
            read_json(file)
    found = files(source)
    if found and not any(source.glob("*config.json")):
        raise cut_short(source / "config.json")
    for file in found:
        _check_file(file)


def _check_file(file: Path) -> None:
    if file.suffix == GGUF:
        _check_gguf(file)
    else:
        shapes(file)


def _check_gguf(path: Path) -> None:
    from gguf import GGUFReader

    check_claims(path)
    try:
        GGUFReader(path)
    except Exception:  # of many kinds: it reads past the end
        raise cut_short(path) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object, such as a model's config.json. Raises Mistake where it doesn't."""
    if not path.is_file():
        raise cut_short(path)
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise unreadable(path)
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise unreadable(path) from None
    if not isinstance(found, dict):
        raise unreadable(path)
    return found


def check_claims(source: Path) -> None:
    """Looks at what a model says of itself before a library makes it: a .gguf file, or a folder's JSON.

    Raises Mistake where one is damaged, or asks for sizes that no model has: a library would make such a
    model for hours, or of all memory.
    """
    if source.suffix == GGUF:
        if not source.is_file():
            raise cut_short(source)
        try:
            said = gguf_file.numbers(source)
        except (OSError, ValueError):
            raise cut_short(source) from None
        sizes = {key: value for key, value in said.items() if not key.startswith(NO_SIZES)}
        _check_sizes(source, sizes)
        return
    for entry in sorted(source.iterdir()) if source.is_dir() else ():
        if entry.exists() and not entry.is_file() and not entry.is_dir():
            raise cut_short(entry)  # a pipe or a device: a library would read it for ever
    for file in sorted(source.glob("*config.json")):
        if file.name != "tokenizer_config.json":  # some say there that a text may be 10³⁰ tokens long
            _check_sizes(file, read_json(file))
    if (found := files(source)) and (config := source / "config.json").is_file():
        for file in found:
            shapes(file)
        held = sum(file.stat().st_size for file in found)
        _check_width(config, held)


def _check_width(config: Path, held: int) -> None:
    """Raises Mistake where a language model's layers, width and words can't be in `held` bytes of weights.

    A library fills in what is missing, in memory.
    """
    said = read_json(config)
    inner = said.get("text_config")
    said = inner if isinstance(inner, dict) else said
    layers, width, words = (said.get(name, 0) for name in ("num_hidden_layers", "hidden_size", "vocab_size"))
    if not all(isinstance(number, int) for number in (layers, width, words)):
        return
    for name, numbers in {"hidden_size": width * width * layers, "vocab_size": width * words}.items():
        if numbers > NUMBERS * held:
            raise _impossible(config, name, said[name])


def _check_sizes(path: Path, values: Any, name: str = "") -> None:
    """Raises Mistake where a number in `values`, at any depth, is larger than a model's can be."""
    if isinstance(values, dict | list):
        inner = values.items() if isinstance(values, dict) else ((name, one) for one in values)
        for key, value in inner:
            _check_sizes(path, value, str(key))
    elif isinstance(values, int) and values > (
        MOST_LAYERS if "layers" in name or name.endswith("block_count") else LARGEST_SIZE
    ):
        raise _impossible(path, name, values)


def _impossible(path: Path, name: str, value: int) -> Mistake:
    return Mistake(
        "{path} asks for a model that can't be: its {name} is {value}; get it again, or choose another.",
        path=path,
        name=name[:100],
        value=f"{value:.4g}" if value < 10**300 else "∞",
    )


def unreadable(path: Path) -> Mistake:
    """That a JSON file is damaged."""
    return Mistake("{path} is damaged (it holds no JSON object); fetch or copy it again.", path=path)


def senseless(path: Path, name: str) -> Mistake:
    """That a LoRA's configuration says something of `name` that the studio can't follow."""
    return Mistake(
        "What {path} says of the LoRA's {name} makes no sense, or is nothing that the studio knows; get it "
        "again, or choose another.",
        path=path,
        name=name,
    )
