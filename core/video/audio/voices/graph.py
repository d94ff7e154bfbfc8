"""Small changes to an ONNX graph, made as bytes: a value to read besides, a value to scale.

A protobuf message followed by a second one reads as both merged, lists one after the other; so what is added
to a model is written behind it, and nothing of ONNX is needed but its field numbers (onnx.proto).
"""

from __future__ import annotations

GRAPH, NODES, INPUTS, OUTPUTS = 7, 1, 11, 12  # fields of a model, and of its graph
FLOAT = 1


def reading(name: str) -> bytes:
    """What added to a model makes one of its inner values an output, the last."""
    return _field(GRAPH, _field(OUTPUTS, _field(1, name.encode())))


def scaling(model: bytes, value: str, by: str) -> bytes:
    """The model with an inner value (one that one node gives) multiplied by a new input, float32 [1].

    The node's own output gets another name of the same length, so that all lengths in the file stay true.
    """
    name, plain = value.encode(), f"{value[:-1]}~".encode()
    if model.count(_field(2, name)) != 1 or plain in model:
        raise ValueError(f"no graph that gives {value} once")
    node = _field(1, plain) + _field(1, by.encode()) + _field(2, name) + _field(4, b"Mul")
    shape = _field(2, _field(1, _number(1, 1)))
    tensor = _field(1, _number(1, FLOAT) + shape)
    added = _field(NODES, node) + _field(INPUTS, _field(1, by.encode()) + _field(2, tensor))
    return model.replace(_field(2, name), _field(2, plain)) + _field(GRAPH, added)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    length, size = len(data), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def _number(number: int, value: int) -> bytes:
    """A field of a whole number below 128."""
    return bytes([number << 3, value])
