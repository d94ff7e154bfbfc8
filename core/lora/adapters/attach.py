"""The LoRA on a picture base's pipeline: put on, gone on from an earlier one, switched off, read out.

Works on the pipeline's backbone and text encoders; knows nothing about pictures or how it is trained.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import families
from core.lora.adapters import fuse, image_file, peft_layers
from core.lora.adapters.layers import Layer, Lora, apart, merged
from core.lora.adapters.refit import put
from core.messages import Mistake, Sentence
from core.settings.training import ImageTraining

if TYPE_CHECKING:
    import torch

KNOWN_TARGETS = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "out_proj": "to_out.0",
}


LEAST_LOSS = 1e-3  # of what an earlier LoRA adds, squared: less isn't told


def meant(wanted: Sequence[str], layers: Sequence[str]) -> list[str]:
    """Target modules by the backbone's own names, whether it has them or not; `all`: all of `layers`."""
    named = [KNOWN_TARGETS.get(name, name) for name in wanted]
    return list(dict.fromkeys(layers if "all" in named else named))


def targets(wanted: Sequence[str], backbone: Any, layers: Sequence[str]) -> list[str]:
    """Names of the backbone's layers that get a LoRA; `all` means all of the family's `layers`.

    Raises Mistake for a name that no layer has.
    """
    names = [module for module, _ in backbone.named_modules()]
    wanted = meant(wanted, layers)
    for name in wanted:
        if not any(module.endswith(f".{name}") for module in names) and name not in layers:
            raise Mistake(
                "The picture base has no layer {target}; target_modules can be {known} or all.",
                target=name,
                known=", ".join(layers),
            )
    return wanted


def add_loras(pipeline: Any, settings: ImageTraining, dtype: torch.dtype) -> list[Sentence]:
    """Puts the LoRA into the models that the pipeline holds: backbone, and text encoders that are trained.

    Trained numbers are fp32, all else is frozen in `dtype`. Gives what is to be told of an earlier LoRA's
    parts that can't be gone on from. Raises Mistake for target modules that the base lacks, and an earlier
    LoRA that doesn't fit it.
    """
    family = families.of(pipeline)
    for name, model in families.models(pipeline).items():
        backbone = name == family.BACKBONE
        model.requires_grad_(False)
        wanted = (
            targets(settings.target_modules, model, family.LAYERS)
            if backbone
            else family.text_layers(name, model.config.to_dict())
        )
        peft_layers.put_on(model, settings, wanted)
        freeze(model, dtype)
        model.train()
    pipeline.vae.requires_grad_(False)
    return _continue(pipeline, settings, settings.continue_from) if settings.continue_from else []


def _continue(pipeline: Any, settings: ImageTraining, path: Path) -> list[Sentence]:
    """Starts the new LoRA from an earlier one; what is to be told of what is left of that.

    Raises Mistake where none of its layers fits.
    """
    held = image_file.read(path)
    taken: set[str] = set()
    added = lost = 0.0  # squared, of layers that can't be taken as they are
    for keys, module in _modules(pipeline):
        key = next((key for key in keys if key in held.layers), None)
        base, layer = module.get_base_layer(), held.layers[key] if key else None
        if key is None or layer is None or not fuse.fits(base, layer):
            continue
        if not peft_layers.start(module, layer):
            raise Mistake(
                "{path} is of another network or rank, so network {network} at rank {rank} can't go on from "
                "it; take those, or network lora, which goes on from any.",
                path=path,
                network=settings.network,
                rank=settings.lora_rank,
            )
        taken.add(key)
        plain = isinstance(layer, Lora) and layer.dora_scale is None and layer.rank <= settings.lora_rank
        if not plain:
            wanted, made = (merged(base.weight, one).detach() for one in (layer, peft_layers.read(module)))
            added += float((wanted - base.weight).square().sum())
            lost += float((wanted - made).square().sum())
    if not taken:
        raise Mistake(
            "{path} can't be gone on from: none of its layers fits this base and target_modules.", path=path
        )
    lines = _left_behind(pipeline, settings, path, held.layers, taken) + held.left_out(path)
    if lost > LEAST_LOSS * added:
        lines.append(
            Sentence(
                "Rank {rank} keeps {share:.1%} of what {name} adds; a higher rank keeps more.",
                rank=settings.lora_rank,
                share=1 - lost / added,
                name=path.name,
            )
        )
    return lines


def _left_behind(
    pipeline: Any, settings: ImageTraining, path: Path, layers: Mapping[str, Layer], taken: set[str]
) -> list[Sentence]:
    """What is to be told of an earlier LoRA's layers that weren't taken, and the setting that takes them."""
    family, rest = families.of(pipeline), layers.keys() - taken
    known = set(targets(settings.target_modules, getattr(pipeline, family.BACKBONE), family.LAYERS))
    wanted: set[str] = set()
    places = 0
    for model, inner, module in fuse.modules_of(pipeline):
        key = next((key for key in fuse.keys(pipeline, model, inner) if key in rest), None)
        name = next((name for name in family.LAYERS if inner.endswith(f".{name}")), None)
        if model == family.BACKBONE and key and name and fuse.fits(module, layers[key]):
            wanted, places, rest = wanted | {name}, places + 1, rest - {key}
    lines = []
    if places:
        lines.append(
            Sentence(
                "{found} of {all} layers of {name} go on; set target_modules to {targets} to keep {more} "
                "more.",
                found=len(taken),
                all=len(layers),
                name=path.name,
                targets=", ".join(sorted(known | wanted)),
                more=places,
            )
        )
    words = {key for key in rest if key.startswith(("lora_te", "text_encoder"))}
    if words and not settings.train_text_encoder:
        lines.append(
            Sentence(
                "{count} layers of {name} are the text encoders' and left out; train_text_encoder keeps "
                "them.",
                count=len(words),
                name=path.name,
            )
        )
        rest -= words
    if rest:
        lines.append(
            Sentence(
                "{count} of {all} layers of {name} have no place in this training and are left out.",
                count=len(rest),
                all=len(layers),
                name=path.name,
            )
        )
    return lines


@contextlib.contextmanager
def without_lora(pipeline: Any) -> Iterator[None]:
    """A `with` in which the LoRA is switched off, so that the base draws alone."""
    modules = [module for _, module in _modules(pipeline)]
    for module in modules:
        module.enable_adapters(False)
    try:
        yield
    finally:
        for module in modules:
            module.enable_adapters(True)


def layers(pipeline: Any) -> dict[str, Layer]:
    """The LoRA on a pipeline's models, by the key that its family writes."""
    return {keys[0]: peft_layers.read(module) for keys, module in _modules(pipeline)}


def _modules(pipeline: Any) -> list[tuple[Sequence[str], Any]]:
    """(keys, peft's layer) of each layer with a LoRA on it; the key that is written comes first."""
    return [
        (fuse.keys(pipeline, name, path), module)
        for name, model in families.models(pipeline).items()
        for path, module in peft_layers.adapted(model)
    ]


def difference(pipeline: Any, filed: dict[str, Layer]) -> float:
    """How far a file's layers are from the LoRA on the pipeline: the largest relative error of a layer.

    What the one adds is reckoned by peft, the other by `layers`. Infinity where their keys differ.
    """
    import torch

    modules = {keys[0]: module for keys, module in _modules(pipeline)}
    if modules.keys() != filed.keys():
        return math.inf
    errors = [0.0]
    with torch.no_grad():
        for key, module in modules.items():
            delta = module.get_delta_weight(peft_layers.ADAPTER).flatten(1).cpu()
            pairs = [(delta, filed[key].delta())]
            trained, length = peft_layers.magnitude(module), filed[key].dora_scale
            if trained is not None:
                pairs.append(
                    (trained.flatten().cpu(), torch.zeros(1) if length is None else length.float().flatten())
                )
            errors += [apart(held, trained) for trained, held in pairs]
    return max(errors)


@contextlib.contextmanager
def holding(pipeline: Any, filed: Mapping[str, Layer]) -> Iterator[None]:
    """Within it the LoRA on the pipeline has a file's numbers; its own are put back bit by bit."""
    modules = {keys[0]: module for keys, module in _modules(pipeline)}
    before = [(p, p.detach().clone()) for module in modules.values() for p in peft_layers.trained(module)]
    try:
        for key, module in modules.items():
            peft_layers.start(module, filed[key])
        yield
    finally:
        for parameter, values in before:
            put(parameter, values)


def freeze(model: Any, dtype: torch.dtype) -> None:
    """Frozen weights in `dtype`, trained ones in fp32."""
    import torch

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)
