"""IP-Adapters (Ye 2023): which one of a person's fits a picture base, and a pipeline that looks at a picture.

They lie under <home>/models/IP-Adapter with their picture encoders, in folders as the repository
h94/IP-Adapter has them, or any other: a file is known by its keys, an encoder by what it gives. Those for
faces (FaceID) want another program's numbers and can't be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import weights
from core.bases import picture_base
from core.bases.loading import reading
from core.messages import Mistake, Sentence
from core.project import Home
from core.weights import Shapes

if TYPE_CHECKING:
    import numpy as np
    import torch

FOLDER = "IP-Adapter"  # under <home>/models
PROJECTION, ATTENTION = "image_proj.", "ip_adapter."
TOKENS = 4  # that a plain adapter makes of a picture
ORDER = ("down_blocks", "up_blocks", "mid_block")  # in which its layers are counted: 1, 3, 5, …
BASES = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"}


@dataclass(frozen=True)
class Adapter:
    """An IP-Adapter's file and the folder of the encoder that sees pictures for it."""

    file: Path
    encoder: Path


@dataclass(frozen=True)
class Kind:
    """What an adapter's keys say: width of the words that it adds to, what it takes of its encoder.

    name: of the encoder's configuration, for what it gives; size: how much of that.
    """

    context: int
    name: str
    size: int


def files(home: Home) -> list[Path]:
    """The adapters under a home, and files that are too damaged to tell; by name."""
    found = sorted((home.folder / "models" / FOLDER).rglob("*.safetensors"))
    return [path for path in found if not _is_encoder(path)]


def _is_encoder(path: Path) -> bool:
    return (path.parent / "config.json").is_file()


def find(base: str) -> tuple[Adapter | None, Sentence | None]:
    """The first adapter that fits a base; else why there is none.

    Raises Mistake where the only ones that could are damaged, or have no encoder.
    """
    home = Home.default()
    config, wrong = picture_base.read_config(base), list[Mistake]()
    there = files(home)
    for path in there:
        try:
            shapes = _shapes(path)
            found = kind(path, shapes)
            if config is not None and _fits(shapes, config):
                return Adapter(path, _encoder(path, found, home)), None
        except Mistake as mistake:
            wrong.append(mistake)
    if wrong:
        raise wrong[0]
    if there:
        names = ", ".join(path.name for path in there)
        return None, Sentence("{names} was made for another kind of base", names=names)
    return None, Sentence("there is no IP-Adapter in {folder}", folder=f"models/{FOLDER}")


def _shapes(path: Path) -> Shapes:
    return weights.shapes(path)[0]


def kind(path: Path, shapes: Shapes) -> Kind:
    """What an adapter takes and gives. Raises Mistake where it is none, or one for faces."""
    parts = {name.removeprefix(PROJECTION): shape for name, shape in shapes.items()}
    context = shapes.get(f"{ATTENTION}1.to_k_ip.weight", (0, 0))[-1]
    if not context:
        raise Mistake(
            "{path} is no IP-Adapter; take it out of {folder}.", path=path, folder=f"models/{FOLDER}"
        )
    if len(plain := parts.get("proj.weight", ())) == 2 and plain[0] == TOKENS * context:
        return Kind(context, "projection_dim", plain[1])
    if "latents" in parts and parts.get("proj_out.weight", (0,))[0] == context:
        return Kind(context, "hidden_size", parts.get("proj_in.weight", (0, 0))[-1])
    if "norm.weight" not in parts and parts.get("proj.3.weight", (0,))[0] == context:
        return Kind(context, "hidden_size", parts.get("proj.0.weight", (0, 0))[-1])
    raise Mistake(
        "{path} is an IP-Adapter of a kind that the studio can't use, such as one for faces; use a plain, "
        "plus or full one.",
        path=path,
    )


def _fits(shapes: Shapes, config: picture_base.Config) -> bool:
    """Whether an adapter's layers are those of a base's attention to words, one for each."""
    family, side = config.family, config.family.side_unit(config.parts)
    wanted = [
        (ORDER.index(layer.name.split(".")[0]), (layer.fan_out, layer.fan_in))
        for block in family.blocks(config.parts, (side, side))
        for layer in block.layers
        if layer.name.endswith(".attn2.to_k")
    ]
    wanted.sort(key=lambda one: one[0])
    layers = {
        f"{ATTENTION}{2 * at + 1}.{part}_ip.weight": size
        for at, (_, size) in enumerate(wanted)
        for part in ("to_k", "to_v")
    }
    held = {name: shape for name, shape in shapes.items() if name.endswith("_ip.weight")}
    return held == layers


def _encoder(path: Path, kind: Kind, home: Home) -> Path:
    """The folder of an encoder that gives what an adapter takes, the nearest to it. Raises Mistake."""
    root = home.folder / "models" / FOLDER
    beside = sorted(root.rglob("config.json"), key=lambda one: one.parent.parent != path.parent)
    for config in beside:
        said = weights.read_json(config)
        if "vision_config" not in said and said.get(kind.name) == kind.size and weights.files(config.parent):
            return config.parent
    raise Mistake(
        "{path} needs the picture encoder that it was made with ({name} {size}); put its folder "
        "image_encoder beside it.",
        path=path,
        name=kind.name,
        size=kind.size,
    )


def load(pipeline: Any, adapter: Adapter) -> None:
    """Puts an adapter on a pipeline. Raises Mistake where its file or its encoder is damaged."""
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    tensors, _ = weights.read(adapter.file)
    state = {
        part.rstrip("."): {
            name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)
        }
        for part in (PROJECTION, ATTENTION)
    }
    with reading(str(adapter.file), adapter.file, [adapter.file, adapter.encoder]):
        weights.check_claims(adapter.encoder)
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            adapter.encoder, dtype=pipeline.unet.dtype, local_files_only=True, use_safetensors=True
        )
        weights.check_numbers(encoder.state_dict(), adapter.encoder)
        side = encoder.config.image_size
        pipeline.register_modules(
            image_encoder=encoder.to(pipeline.device),
            feature_extractor=CLIPImageProcessor(size=side, crop_size=side),
        )
        pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)


def seen(pipeline: Any, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """What the UNet is told of pictures, uint8 [H, W, 3], and last of none: [N + 1, 1, …]."""
    import torch
    from diffusers.models.embeddings import ImageProjection

    (layer,) = pipeline.unet.encoder_hid_proj.image_projection_layers
    hidden = not isinstance(layer, ImageProjection)
    with torch.inference_mode():
        both = [pipeline.encode_image(one, pipeline.device, 1, hidden) for one in pictures]
        return torch.cat([*(wanted for wanted, _ in both), both[0][1]])[:, None]


def listed(home: Home) -> Iterator[tuple[Path, str]]:
    """Each adapter with what it is for, or what is wrong with it."""
    for path in files(home):
        try:
            found = kind(path, _shapes(path))
            _encoder(path, found, home)
            yield path, f"for {BASES.get(found.context, f'bases whose words have {found.context} numbers')}"
        except Mistake as mistake:
            yield path, str(mistake)
