"""What the studio asks of a family of picture bases; each family is a module with these names.

Tensors go by the names of the pipeline's arguments, with the batch first: what `embed` gives is fed to the
pipeline as it stands. A family on flow matching fits as well: it turns `share` into its own times and puts
its own target into `loss`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from core.weights import Shapes

if TYPE_CHECKING:
    import numpy as np
    import torch

Tensors: TypeAlias = "dict[str, torch.Tensor]"
# Given after each step: what tells, until the next one, the latents [N, C, h, w] expected in the end.
Watch: TypeAlias = "Callable[[Callable[[], torch.Tensor]], None]"
Configs: TypeAlias = Mapping[str, Mapping[str, Any]]  # of a pipeline's parts, by their names in it


@dataclass(frozen=True)
class Drawing:
    """How a base model draws best: sizes in pixels (width, height), steps, guidance scale.

    takes: how many drawings of a frame are worth making, for the labeller to choose from. only: whether it
    knows these sizes alone, as a small base does; pictures of other shapes are then cut to them. edges: how
    its drawings are enlarged, `plain` or `crisp` (core.video.picture.enlarge).
    """

    square: tuple[int, int]
    portrait: tuple[int, int]
    landscape: tuple[int, int]
    steps: int
    guidance: float
    takes: int = 1
    only: bool = False
    edges: str = "plain"


@dataclass(frozen=True)
class Drawn:
    """The random choices for a batch: latents and noise [B, C, h, w], times and weights [B], captions.

    `framing` [B, 6] tells how each picture was cut: height and width of its file, top and left of the cut in
    the scaled picture, height and width of the cut, all in pixels.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    framing: torch.Tensor
    weights: torch.Tensor
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """A layer: what it keeps for the backward pass, and its shape where a LoRA can be put on it.

    keeps, keeps_half: numbers kept in fp32 and with autocast. places: positions it works on. area: of the
    kernel. own: whether its LoRA keeps an input that nothing else keeps. linear: a linear layer, whose plain
    LoRA copies no input (core.lora.kernels.lora_linear).
    """

    name: str
    keeps: int = 0
    keeps_half: int = 0
    fan_in: int = 0
    fan_out: int = 0
    places: int = 0
    area: int = 1
    own: bool = False
    linear: bool = False


@dataclass(frozen=True)
class Block:
    """Layers that gradient checkpointing computes again, from `entry` numbers; those with 0 are never."""

    layers: tuple[Layer, ...]
    entry: int = 0


@dataclass(frozen=True)
class Start:
    """What a drawing begins from in place of pure noise: a picture, uint8 [H, W, 3] at the drawing's size.

    strength: how far it leaves that, above 0 up to 1; so many of the steps are done (SDEdit, Meng 2021).
    """

    picture: np.ndarray
    strength: float


class Family(Protocol):
    """The names that a family's module holds."""

    PIPELINE: str  # diffusers' class
    OPTIONS: dict[str, Any]  # what else the class's from_pretrained is told
    DRAWING: Drawing  # for a base that doesn't say it itself
    BACKBONE: str  # the pipeline's attribute of the model that is trained
    TEXT_ENCODERS: tuple[str, ...]  # the attributes of its text encoders
    LAYERS: tuple[str, ...]  # the backbone's layers that `all` means
    DEFAULTS: Configs  # what a part's config.json may leave out
    STARTS: Mapping[str, str]  # how the names of a part's tensors begin in a single file

    def recognises(self, shapes: Shapes) -> bool:
        """Whether a single file with tensors of these shapes is a whole base of this family."""

    def read_configs(self, shapes: Shapes) -> Configs:
        """The configuration of a single file's parts."""

    def load_file(self, path: Path, shapes: Shapes, dtype: torch.dtype, vae_dtype: torch.dtype) -> Any:
        """A single file in the original layout as a pipeline, its autoencoder in `vae_dtype`; no network."""

    def make_ready(self, pipeline: Any, prediction: str) -> None:
        """Sets the sampler and what the model predicts: `auto` keeps what the base says itself."""

    def names(self, pipeline: Any) -> tuple[str, str]:
        """The base's kind in `ss_base_model_version` and in `modelspec.architecture`."""

    def keys(self, model: str, layer: str) -> tuple[str, ...]:
        """A layer's keys in LoRA files: the one that is written first, then others that are read.

        `model` is the pipeline's attribute, `layer` the path in it.
        """

    def text_layers(self, model: str, config: Mapping[str, Any]) -> list[str]:
        """The layers of a text encoder that get a LoRA: square ones, and those whose output is used."""

    def side_unit(self, configs: Configs) -> int:
        """Sides of training pictures are multiples of so many pixels."""

    def latents(self, configs: Configs, size: tuple[int, int]) -> tuple[int, int, int]:
        """Channels, height and width of the latents of a picture of `size` pixels (width, height)."""

    def blocks(self, configs: Configs, size: tuple[int, int]) -> Iterable[Block]:
        """The backbone's layers for a picture of `size` pixels, in the order of its forward pass."""

    def tokenize(self, pipeline: Any, captions: Sequence[str]) -> Tensors:
        """Token ids [N, L] by the text encoder they go to; each as long as the longest caption takes."""

    def read_tokenizer(self, source: Path, configs: Configs) -> Any:
        """The tokenizer of a base's folder or single file that `chunked` takes; no weights are read."""

    def chunked(self, tokenizer: Any, caption: str) -> tuple[int, str]:
        """How many chunks a caption is encoded in, and the rest of it that is cut, mostly empty."""

    def embed(self, pipeline: Any, ids: Tensors) -> Tensors:
        """What the backbone is told, from the token ids of B captions; gradients reach the encoders."""

    def encode(self, pipeline: Any, pixels: torch.Tensor) -> torch.Tensor:
        """Mean and spread [2, C, h, w] (fp32) of one picture's latents; pixels [1, 3, H, W] in -1 to 1."""

    def schedule(self, pipeline: Any) -> Any:
        """How noise is added in training."""

    def time(self, schedule: Any, share: float) -> torch.Tensor:
        """The training time (a scalar) at a share of the way from picture to noise, 0 up to 1."""

    def loss(self, pipeline: Any, schedule: Any, drawn: Drawn, text: Tensors, gamma: float) -> torch.Tensor:
        """The loss of each picture, [B], not yet weighted by `drawn.weights`; gamma of min-SNR, 0: off."""

    def sample(
        self,
        pipeline: Any,
        text: Tensors,
        size: tuple[int, int],
        steps: int,
        guidance: float,
        seeds: Sequence[int],
        starts: Sequence[Start] = (),
        watch: Watch | None = None,
    ) -> Generator[None, None, list[np.ndarray]]:
        """Pictures, uint8 [H, W, 3], one a seed; `text` holds what is wanted of each, then what of none.

        starts: the pictures that they begin from, one a seed and all of one strength, or none. It stops after
        each of the steps that are done, to be told of and timed, and has told `watch` then; gradients are the
        caller's to switch off.
        """
