"""The layers of diffusers' UNet2DConditionModel, from its configuration alone.

In the order of the forward pass, with what autograd keeps of each: a norm, an activation and a convolution
keep their input, a frozen linear layer nothing (its weight's gradient isn't asked for), attention keeps
queries, keys, values and output. Knows no weights; all counts are for one sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.families.family import Block, Layer


def blocks(config: Mapping[str, Any], size: tuple[int, int], tokens: int) -> Iterator[Block]:
    """The UNet's blocks for latents of `size` (width, height) and captions of `tokens`, in forward order."""
    widths, count = list(config["block_out_channels"]), len(config["block_out_channels"])
    depths = _each(config.get("layers_per_block", 2), count)
    attentions = _each(config.get("transformer_layers_per_block", 1), count)
    contexts = _each(config["cross_attention_dim"], count)
    linear = bool(config.get("use_linear_projection"))
    places = [_places(size, level) for level in range(count)]

    def attention(name: str, level: int) -> Iterator[Block]:
        text = (tokens, contexts[level])
        return _transformer(name, widths[level], places[level], text, attentions[level], linear)

    yield Block((_conv("conv_in", config["in_channels"], widths[0], places[0]),))
    skips = [widths[0]]
    for level, kind in enumerate(config["down_block_types"]):
        for number in range(depths[level]):
            name = f"down_blocks.{level}"
            before = widths[max(level - 1, 0)] if number == 0 else widths[level]
            yield _resnet(f"{name}.resnets.{number}", before, widths[level], places[level])
            if "CrossAttn" in kind:
                yield from attention(f"{name}.attentions.{number}", level)
            skips.append(widths[level])
        if level < count - 1:
            yield Block((_conv(f"{name}.downsamplers.0.conv", widths[level], widths[level], places[level]),))
            skips.append(widths[level])
    yield Block(_resnet("mid_block.resnets.0", widths[-1], widths[-1], places[-1]).layers)
    yield from attention("mid_block.attentions.0", count - 1)
    yield _resnet("mid_block.resnets.1", widths[-1], widths[-1], places[-1])
    width = widths[-1]
    for number, kind in enumerate(config["up_block_types"]):
        level, name = count - 1 - number, f"up_blocks.{number}"
        for step in range(depths[level] + 1):
            yield _resnet(f"{name}.resnets.{step}", width + skips.pop(), widths[level], places[level])
            width = widths[level]
            if "CrossAttn" in kind:
                yield from attention(f"{name}.attentions.{step}", level)
        if level:
            yield Block((_conv(f"{name}.upsamplers.0.conv", width, width, places[level - 1]),))
    numbers = widths[0] * places[0]
    out = _conv("conv_out", widths[0], config["out_channels"], places[0])
    yield Block((_kept("conv_norm_out", numbers), _kept("conv_act", numbers), out))


def _each(value: Any, count: int) -> list[int]:
    return list(value) if isinstance(value, Sequence) else [value] * count


def _places(size: tuple[int, int], level: int) -> int:
    width, height = size
    for _ in range(level):
        width, height = (width + 1) // 2, (height + 1) // 2
    return width * height


def _kept(name: str, numbers: int) -> Layer:
    return Layer(name, numbers, numbers)


def _conv(name: str, fan_in: int, fan_out: int, places: int, area: int = 9) -> Layer:
    return Layer(name, fan_in * places, fan_in * places, fan_in, fan_out, places, area)


def _linear(name: str, fan_in: int, fan_out: int, places: int, own: bool = False) -> Layer:
    return Layer(name, 0, 0, fan_in, fan_out, places, 1, own, linear=True)


def _resnet(name: str, fan_in: int, fan_out: int, places: int) -> Block:
    before, after = fan_in * places, fan_out * places
    layers = [
        _kept(f"{name}.norm1", before),
        _kept(f"{name}.nonlinearity", before),
        _conv(f"{name}.conv1", fan_in, fan_out, places),
        _kept(f"{name}.norm2", after),
        _kept(f"{name}.nonlinearity", after),
        _conv(f"{name}.conv2", fan_out, fan_out, places),
    ]
    if fan_in != fan_out:  # in fp32 its input is norm1's, with autocast a copy in another memory format
        layers.append(Layer(f"{name}.conv_shortcut", 0, before, fan_in, fan_out, places))
    return Block(tuple(layers), before)


def _transformer(
    name: str, width: int, places: int, text: tuple[int, int], depth: int, linear: bool
) -> Iterator[Block]:
    numbers, (tokens, context) = width * places, text

    def projection(which: str) -> Layer:
        if linear:
            return _linear(f"{name}.{which}", width, width, places, own=True)
        return _conv(f"{name}.{which}", width, width, places, area=1)

    yield Block((_kept(f"{name}.norm", numbers), projection("proj_in")))
    for number in range(depth):
        inner = f"{name}.transformer_blocks.{number}"
        yield Block(
            (
                _kept(f"{inner}.norm1", numbers),
                *_attention(f"{inner}.attn1", width, places, places, width),
                _kept(f"{inner}.norm2", numbers),
                *_attention(f"{inner}.attn2", width, places, tokens, context),
                _kept(f"{inner}.norm3", numbers),
                _linear(f"{inner}.ff.net.0.proj", width, 8 * width, places, own=True),
                _kept(f"{inner}.ff.net.0", 12 * numbers),  # GEGLU: both halves, and one's activation
                _linear(f"{inner}.ff.net.2", 4 * width, width, places, own=True),
            ),
            numbers,
        )
    yield Block((projection("proj_out"),))


def _attention(name: str, width: int, places: int, others: int, context: int) -> list[Layer]:
    """`others`: positions attended to, `context` wide."""
    return [
        _linear(f"{name}.to_q", width, width, places, own=True),
        _linear(f"{name}.to_k", context, width, others),
        _linear(f"{name}.to_v", context, width, others),
        _kept(name, 2 * width * (places + others)),
        _linear(f"{name}.to_out.0", width, width, places),
    ]
