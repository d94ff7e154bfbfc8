"""A text LoRA's folder as it is read: its configuration, its weights, and how it is put on a language model.

Works on peft's folders of any program: of what a stranger's configuration says only what makes a LoRA reaches
peft. Knows nothing about training or what the model is asked.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core import adapter_config, device, weights
from core.adapter_config import CONFIG, WEIGHTS, Strengths
from core.messages import Mistake

if TYPE_CHECKING:
    import torch

PREFIX = "base_model.model."  # of peft's names of tensors
LENGTHS = "lora_magnitude_vector"  # DoRA's
PARTS = (("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B"))  # down and up


class Pair(NamedTuple):
    """A layer's LoRA: down [r, in], up [out, r], and what their product is multiplied by."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's adapter_config.json. Raises Mistake where it isn't a text LoRA's, or makes no sense."""
    if not (folder / CONFIG).is_file():
        raise Mistake(
            "{folder} is not a text LoRA (it has no adapter_config.json); give a PEFT folder.", folder=folder
        )
    said = weights.read_json(folder / CONFIG)
    if not {"r", "lora_alpha"} <= said.keys():
        raise Mistake(
            "{path} tells no rank and alpha, so it is no LoRA's; give another folder.", path=folder / CONFIG
        )
    try:
        adapter_config.check(said)
    except ValueError as error:
        raise weights.senseless(folder / CONFIG, str(error)) from None
    return said


def read_layers(folder: Path) -> dict[str, Pair]:
    """The LoRA's layers by their paths in the model; one that lacks half of its pair is left out.

    Raises Mistake where there are none, or they are damaged, no numbers, or don't go together.
    """
    said, file = read_config(folder), folder / WEIGHTS
    strengths = Strengths(said)
    if not file.is_file():
        for name in ("adapter_model.bin", "adapter_model.pt"):
            weights.refuse_pickle(folder / name)
        raise Mistake("{path} is not a text LoRA (it has no adapter_model.safetensors).", path=folder)
    tensors, _ = weights.read(file)
    lengths = {name.removeprefix(PREFIX).partition(f".{LENGTHS}")[0] for name in tensors if LENGTHS in name}
    layers: dict[str, Pair] = {}
    for path, down, up in _pairs(tensors):
        plain = weights.addable(down) and weights.addable(up) and down.dim() == up.dim() > 1
        lacking = said.get("use_dora") and path not in lengths
        if not plain or not len(down) or len(down) != up.shape[1] or lacking:
            raise Mistake(
                "{path} is damaged: the parts of its layer {layer} don't go together; get it again, or "
                "choose another.",
                path=file,
                layer=path,
            )
        try:
            layers[path] = Pair(down, up, strengths.quotient(path, len(down)))
        except ValueError as error:
            raise weights.senseless(folder / CONFIG, str(error)) from None
        weights.check_product((down, up), layers[path].scale, file, path)
    if not layers:
        raise Mistake("{path} holds no layers of a text LoRA; give another folder.", path=file)
    return layers


def _pairs(tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """(path in the model, down, up) of each layer that has both."""
    for name, down in tensors.items():
        for one, other in PARTS:
            up = tensors.get(f"{name.removesuffix(one)}{other}")
            if name.endswith(f".{one}") and up is not None:
                yield name.removeprefix(PREFIX).removesuffix(f".{one}"), down, up


def _peft_config(said: Mapping[str, Any], layers: Mapping[str, Pair]) -> Any:
    """Peft's configuration of the LoRA, anew.

    Layers that are named by a regular expression, and ranks and alphas by patterns, are named as the file's
    tensors are: peft would try the expressions however long they take. Other settings, which have peft fetch,
    import or compute, are a stranger's and stay out.
    """
    from peft import LoraConfig

    ranks = {path: len(pair.down) for path, pair in layers.items()}
    alphas = {path: pair.scale * ranks[path] for path, pair in layers.items()}
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    named = said.get("target_modules")
    return LoraConfig(
        task_type="CAUSAL_LM",
        inference_mode=True,
        r=int(rank),
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft takes fractions
        target_modules=named if isinstance(named, list) and named else sorted(layers),
        rank_pattern={re.escape(path): value for path, value in ranks.items() if value != rank},
        alpha_pattern={re.escape(path): value for path, value in alphas.items() if value != alpha},
        use_dora=bool(said.get("use_dora")),
        fan_in_fan_out=bool(said.get("fan_in_fan_out")),
        bias=said.get("bias") or "none",
        modules_to_save=said.get("modules_to_save") or None,
    )


def put_on(model: Any, folder: Path, base: str, name: str = "default") -> Any:
    """The language model `base` with the LoRA on it, as its adapter `name`; on top of those it has already.

    Raises Mistake where the folder is no text LoRA, a damaged one, or one of another model.
    """
    from peft import PeftModel

    said, layers = read_config(folder), read_layers(folder)
    if layers.keys().isdisjoint(path.removeprefix(PREFIX) for path, _ in model.named_modules()):
        raise _not_of(folder, base)
    try:
        config = _peft_config(said, layers)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of target modules that the file has nothing for: they add nothing
            if isinstance(model, PeftModel):
                model.add_adapter(name, config)
                model.load_adapter(str(folder), adapter_name=name)
                return model
            return PeftModel.from_pretrained(model, str(folder), adapter_name=name, config=config).eval()
    except Exception as error:  # a library's own, of many kinds
        if device.out_of_memory(error):
            raise
        raise _not_of(folder, base) from error


def _not_of(folder: Path, base: str) -> Mistake:
    return Mistake(
        "The text LoRA {folder} doesn't fit the language model {base}; train it again on this one.",
        folder=folder,
        base=base,
    )
