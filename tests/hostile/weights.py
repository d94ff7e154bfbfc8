"""Hostile weights and what stands beside them: LoRAs, configurations, lineages, base models, templates.

Each is a small real one, changed in one way. `cases` writes them; the tests of tests/lora and tests/core take
the parts they need.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests import tiny
from tests.hostile.case import Case

KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
DOTTED = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
RANK, WIDTH = 2, 8
NOWHERE = "nobody-at-all/fetched-because-a-file-says-so"  # no such repository
ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SLOW_PATTERN = "(([a-z_.0-9]|[a-z_.0-9])+)+[A-Z]"  # takes ages to fit nothing

SAID = (
    ("a boat", "Somebody painted it green, years ago."),
    ("rain", "It begins before anyone looks up."),
    ("tea", "The kettle has opinions about mornings."),
    ("a bridge", "Two banks, one long argument of stone."),
    ("snow", "Every roof wears the same white hat."),
    ("a cat", "Nobody owns her; she owns the wall."),
    ("a lamp", "Moths know where supper is."),
    ("a kite", "A boy holds one end of the wind."),
    ("a gate", "Rust has learnt its hinges by heart."),
    ("the moon", "Tonight it hangs low as a ripe pear."),
)

Put = Callable[[Path], Any]


def safetensors(header: Any, data: bytes = bytes(8), length: int | None = None) -> Put:
    """A file with this header, as it is or in JSON, and this length said of it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()

    def put(path: Path) -> None:
        path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)

    return put


def text(content: str | bytes) -> Put:
    """A file of these letters."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def gone(path: Path) -> None:
    """What stood there is away."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def folder(path: Path) -> None:
    """A folder where a file should be."""
    gone(path)
    path.mkdir()


def link(target: str) -> Put:
    """A link to `target`; `.` is the link itself."""

    def put(path: Path) -> None:
        gone(path)
        path.symlink_to(path.name if target == "." else target)

    return put


def pipe(path: Path) -> None:
    """A pipe that nobody writes into: to open it is to wait for ever."""
    gone(path)
    os.mkfifo(path)


class Runs:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickled(path: Path) -> None:
    """A plain pickle that runs a program, under whatever name."""
    path.write_bytes(pickle.dumps(Runs(path.with_name("pickle-was-run")), protocol=2))


def zipped(path: Path) -> None:
    """The same as torch writes it."""
    torch.save({"a": Runs(path.with_name("pickle-was-run"))}, path)


FILES: dict[str, Put] = {
    "an empty file": text(b""),
    "four bytes": text(b"\x01\x02\x03\x04"),
    "a page of HTML": text("<html>Not found</html>"),
    "a folder": folder,
    "a link to itself": link("."),
    "a link to nothing": link("nowhere"),
    "a link to an endless device": link("/dev/zero"),
    "a pipe": pipe,
}
HEADERS: dict[str, Put] = {
    "a list": safetensors([1]),
    "a number": safetensors(3),
    "null": safetensors(None),
    "a text": safetensors("x"),
    "deep lists": safetensors(b"[" * 200_000),
    "deep objects": safetensors(b'{"a":' * 200_000),
    "no letters": safetensors(b'{"\xff":' + json.dumps(ONE).encode() + b"}"),
    "nothing": safetensors({}, b""),
    "data but no tensors": safetensors({}),
    "no offsets": safetensors({"a": {"dtype": "F32", "shape": [2]}}),
    "no shape": safetensors({"a": {"dtype": "F32", "data_offsets": [0, 8]}}),
    "no dtype": safetensors({"a": {"shape": [2], "data_offsets": [0, 8]}}),
    "a tensor that is null": safetensors({"a": None}),
    "an unknown dtype": safetensors({"a": {**ONE, "dtype": "Q4"}}),
    "a negative shape": safetensors({"a": {**ONE, "shape": [-2]}}),
    "a shape of text": safetensors({"a": {**ONE, "shape": ["2"]}}),
    "a fraction of a shape": safetensors({"a": {**ONE, "shape": [2.5]}}),
    "offsets of text": safetensors({"a": {**ONE, "data_offsets": ["0", "8"]}}),
    "negative offsets": safetensors({"a": {**ONE, "data_offsets": [-8, 0]}}),
    "offsets the wrong way": safetensors({"a": {**ONE, "data_offsets": [8, 0]}}),
    "offsets past the end": safetensors({"a": {**ONE, "shape": [200], "data_offsets": [0, 800]}}),
    "overlapping offsets": safetensors({"a": ONE, "b": ONE}),
    "a hole": safetensors({"a": {**ONE, "data_offsets": [8, 16]}}, bytes(16)),
    "ten to the twelve elements": safetensors(
        {"a": {**ONE, "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}
    ),
    "a product that runs over": safetensors({"a": {**ONE, "shape": [2**40, 2**40]}}),
    "an empty tensor of a huge shape": safetensors(
        {f"{KEY}.lora_down.weight": {"dtype": "F32", "shape": [0, 10**12], "data_offsets": [0, 0]}}, b""
    ),
    "the same name twice": safetensors(
        f'{{"a":{json.dumps(ONE)},"a":{json.dumps({**ONE, "data_offsets": [8, 16]})}}}'.encode(), bytes(16)
    ),
    "metadata that is a list": safetensors({"__metadata__": [1], "a": ONE}),
    "metadata of numbers": safetensors({"__metadata__": {"a": 1}, "a": ONE}),
    "metadata in metadata": safetensors({"__metadata__": {"a": {"b": "c"}}, "a": ONE}),
    "a length past the end": safetensors({"a": ONE}, length=10**6),
    "a length of 2⁶³": safetensors({"a": ONE}, length=2**63),
    "a length of nothing": safetensors({"a": ONE}, length=0),
    "a name with signs for the terminal": safetensors({"\x1b[2J\x07a": ONE}),
    "a name of a megabyte": safetensors({"a" * 1_000_000: ONE}),
    "a pickle": pickled,
    "torch's zip": zipped,
}


def pair(rank: int = RANK, rows: int = WIDTH, columns: int = WIDTH) -> dict[str, torch.Tensor]:
    """Down and up of one layer of the tiny base."""
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(rank, columns, generator=generator), torch.randn(rows, rank, generator=generator)
    return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(float(rank))}


def lora(parts: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None, key: str = KEY) -> Put:
    """An image LoRA of one layer."""
    return lambda path: save_file(
        {f"{key}.{name}": tensor.contiguous() for name, tensor in parts.items()}, path, metadata
    )


def peft_lora(said: Any) -> Put:
    """An image LoRA in diffusers' format, with this as peft's configuration, in JSON or as it is."""
    held = pair()
    parts = {"lora_A.weight": held["lora_down.weight"], "lora_B.weight": held["lora_up.weight"]}
    return lora(parts, {"lora_adapter_metadata": said if isinstance(said, str) else json.dumps(said)}, DOTTED)


def layers() -> dict[str, Put]:
    """LoRA files that are whole, with layers that make no sense."""
    one, ones = pair(), torch.ones
    loha = {f"hada_{name}": ones(WIDTH, RANK) for name in ("w1_a", "w2_a")}
    loha |= {f"hada_{name}": ones(RANK, WIDTH) for name in ("w1_b", "w2_b")}
    nan, infinite = float("nan"), float("inf")
    changed: dict[str, dict[str, torch.Tensor]] = {
        "NaN": {"lora_up.weight": torch.full((WIDTH, RANK), nan)},
        "infinity": {"lora_down.weight": torch.full((RANK, WIDTH), infinite)},
        "numbers whose product runs over": {
            name: tensor * 1e30 for name, tensor in one.items() if name != "alpha"
        },
        "an alpha that is NaN": {"alpha": torch.tensor(nan)},
        "an infinite alpha": {"alpha": torch.tensor(infinite)},
        "an alpha of 10³⁸": {"alpha": torch.tensor(1e38)},
        "an alpha of many numbers": {"alpha": ones(3)},
        "an empty alpha": {"alpha": ones(0)},
        "rank 0": {"lora_down.weight": ones(0, WIDTH), "lora_up.weight": ones(WIDTH, 0)},
        "scalars": {"lora_down.weight": torch.tensor(1.0), "lora_up.weight": torch.tensor(1.0)},
        "vectors": {"lora_down.weight": ones(WIDTH), "lora_up.weight": ones(WIDTH)},
        "parts of two ranks": {"lora_up.weight": ones(WIDTH, RANK + 1)},
        "no columns": {"lora_down.weight": ones(RANK, 0)},
        "another width": {"lora_down.weight": ones(RANK, WIDTH + 1)},
        "seven axes": {"lora_down.weight": ones(RANK, WIDTH, 1, 1, 1, 1, 1)},
        "a middle that doesn't fit": {"lora_mid.weight": ones(3, 3, 3, 3)},
        "a middle that is a number": {"lora_mid.weight": torch.tensor(1.0)},
        "lengths of another layer": {"dora_scale": ones(3)},
        "lengths that are a number": {"dora_scale": torch.tensor(1.0)},
        "lengths of nothing": {"dora_scale": ones(0)},
        "bytes": {name: tensor.to(torch.int8) for name, tensor in one.items()},
        "truths": {name: tensor > 0 for name, tensor in one.items()},
        "complex numbers": {name: tensor.to(torch.complex64) for name, tensor in one.items()},
        "powers of two": {name: tensor.abs().to(torch.float8_e8m0fnu) for name, tensor in one.items()},
    }  # fmt: skip
    made = {f"a LoRA with {name}": lora(one | parts) for name, parts in changed.items()}
    others: dict[str, dict[str, torch.Tensor]] = {
        "alpha alone": {"alpha": torch.tensor(1.0)},
        "half of a LoHa": {name: loha[name] for name in ("hada_w1_a", "hada_w1_b")},
        "a LoHa of two sizes": loha | {"hada_w2_a": ones(WIDTH + 1, RANK)},
        "a LoHa of rank 0": {name: t[:0] if "_b" in name else t[:, :0] for name, t in loha.items()},
        "a LoKr with scalars": {"lokr_w1": torch.tensor(1.0), "lokr_w2": torch.tensor(1.0)},
        "a LoKr of nothing": {"lokr_w1": ones(0, 2), "lokr_w2": ones(4, 4)},
        "a LoKr without half of a part": {"lokr_w1": ones(2, 2), "lokr_w2_a": ones(4, 1)},
        "a LoKr of another size": {"lokr_w1": ones(3, 3), "lokr_w2": ones(5, 5)},
        "a LoKr whose parts are of two ranks": {
            "lokr_w1": ones(2, 2), "lokr_w2_a": ones(4, 1), "lokr_w2_b": ones(2, 4)
        },
    }  # fmt: skip
    made |= {name: lora(parts) for name, parts in others.items()}
    huge = {"lora_down.weight": ones(1, 300_000), "lora_up.weight": ones(300_000, 1)}
    made["a LoRA that grows to 300 GB"] = lora(huge)
    many = {f"{KEY}_{at}.lora_down.weight": ones(1, 1) for at in range(20_000)}
    made["twenty thousand halves of layers"] = lambda path: save_file(many, path)
    return made


STRENGTHS: dict[str, Any] = {
    "broken": "{",
    "a list": [1],
    "null": None,
    "deep": "[" * 100_000,
    "an alpha that is NaN": {"lora_alpha": float("nan")},
    "an infinite alpha": {"lora_alpha": float("inf")},
    "an alpha of text": {"lora_alpha": "8"},
    "an alpha that is a list": {"lora_alpha": [8]},
    "an alpha of 400 digits": {"lora_alpha": 10**400},
    "patterns that are a list": {"lora_alpha": 8, "alpha_pattern": ["to_q"]},
    "a pattern that is none": {"lora_alpha": 8, "alpha_pattern": {"(": 1}},
    "a pattern that takes for ever": {"lora_alpha": 8, "alpha_pattern": {SLOW_PATTERN: 1}},
    "an alpha of text by pattern": {"lora_alpha": 8, "alpha_pattern": {"to_q": "1"}},
    "a thousand patterns": {"lora_alpha": 8, "alpha_pattern": {f"(a|b)+{at}": 1 for at in range(1000)}},
}
SETTINGS: dict[str, Any] = {"kind": "image", "train_data_dir": "pictures", "base_model": "embedded"}
LINEAGES: dict[str, Put] = {
    "a list": text("- 1\n- 2\n"),
    "a text": text("trained with love\n"),
    "a number": text("7\n"),
    "broken YAML": text("settings: {a: [\n"),
    "no UTF-8": text(b"made: \xff\xfe\xff\n"),
    "a zero byte": text(b"made: \x00\n"),
    "an object of Python": text("settings: !!python/object/apply:os.system ['touch pickle-was-run']\n"),
    "settings that are a list": text("settings: [1, 2]\n"),
    "settings that are a text": text("settings: yes please\n"),
    "numbers for names": text("settings: {1: 2, 3: 4}\n"),
    "a list for a name": text("? [a, b]\n: c\n"),
    "settings of the wrong kind": text("settings: {lora_rank: [1], kind: [image], train_data_dir: {a: b}}\n"),
    "a number of 9,999 digits": text(f"settings: {{lora_rank: {'9' * 9999}}}\n"),
    "a date that is none": text("made: 2026-99-99\n"),
    "deep lists": text("settings: " + "[" * 50_000),
    "aliases that multiply": text(
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        )
        + "settings: {lora_rank: *h}\n"
    ),
    "an alias of itself": text("settings: &a {lora_rank: *a}\n"),
    "ten megabytes": text("a: b\n" * 2_000_000),
    "a base that would be fetched": text(f"settings: {json.dumps({**SETTINGS, 'base_model': NOWHERE})}\n"),
    "a base on another machine": text("settings: {base_model: '//192.0.2.1/share/base'}\n"),
    "a base that is a device": text("settings: {base_model: /dev/zero}\n"),
    **{
        name: FILES[name]
        for name in ("a link to itself", "a link to an endless device", "a folder", "a pipe")
    },
}
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 4,
    "lora_alpha": 8.0,
    "target_modules": ["q_proj"],
}
CONFIGS: dict[str, Any] = {
    "r of 0": {"r": 0},
    "r below 0": {"r": -1},
    "r of text": {"r": "4"},
    "a true r": {"r": True},
    "r of a thousand million": {"r": 10**9},
    "an r that is NaN": {"r": float("nan")},
    "an alpha that is NaN": {"lora_alpha": float("nan")},
    "an infinite alpha": {"lora_alpha": float("inf")},
    "an alpha of text": {"lora_alpha": "8"},
    "an alpha that is a list": {"lora_alpha": [8]},
    "an alpha of 10³⁸": {"lora_alpha": 1e38},
    "target_modules of numbers": {"target_modules": [1, 2]},
    "target_modules that is a number": {"target_modules": 3},
    "target_modules that is null": {"target_modules": None},
    "target_modules of nobody": {"target_modules": ["nobody"]},
    "target_modules that takes for ever": {"target_modules": SLOW_PATTERN},
    "a target_modules that is no pattern": {"target_modules": "("},
    "ranks that take for ever": {"rank_pattern": {SLOW_PATTERN: 3}},
    "ranks that are a list": {"rank_pattern": [1]},
    "alphas that take for ever": {"alpha_pattern": {SLOW_PATTERN: 3}},
    "alphas that are a list": {"alpha_pattern": [1]},
    "another peft_type": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8},
    "an unknown peft_type": {"peft_type": "EVIL"},
    "a peft_type that is a list": {"peft_type": ["LORA"]},
    "adapters that would be fetched": {"peft_type": "XLORA", "adapters": {"0": NOWHERE}, "hidden_size": 32},
    "another task_type": {"task_type": "SEQ_CLS"},
    "a task_type of nobody": {"task_type": "EVIL"},
    "a base that would be fetched": {"base_model_name_or_path": NOWHERE, "revision": "main"},
    "a base that is a list": {"base_model_name_or_path": [1]},
    "a base on another machine": {"base_model_name_or_path": "\\\\192.0.2.1\\share\\base"},
    "modules of its own": {"auto_mapping": {"parent_library": "antigravity", "base_model_class": "Evil"}},
    "a library to import": {"megatron_core": "antigravity", "megatron_config": {}},
    "layers once more": {"layer_replication": [[0, 2], [0, 2]]},
    "parameters": {"target_parameters": ["q_proj.weight"]},
    "modules_to_save of nobody": {"modules_to_save": ["nobody"]},
    "modules_to_save that is a number": {"modules_to_save": 3},
    "layers_to_transform of text": {"layers_to_transform": ["a"], "layers_pattern": "("},
    "initial numbers that are computed": {"init_lora_weights": "eva", "eva_config": {"rho": 10**9}},
    "initial numbers of 4 bits": {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 10**9}},
    "a bias of nobody": {"bias": "evil"},
    "lengths that aren't there": {"use_dora": True},
    "a use_dora of text": {"use_dora": "maybe"},
    "unknown settings": {"evil": True, "trust_remote_code": True, "auto_map": {"AutoConfig": "evil.Evil"}},
}  # fmt: skip
JSONS: dict[str, Put] = {
    "broken JSON": text("{"),
    "a list": text("[]"),
    "null": text("null"),
    "a number": text("7"),
    "deep lists": text("[" * 200_000),
    "no UTF-8": text(b'{"a": "\xff"}'),
    **{name: FILES[name] for name in ("an empty file", "a folder", "a link to itself", "a pipe")},
}
TEMPLATES: dict[str, str] = {
    "loops for ever": ENDLESS,
    "loops for long in one go": "{% for a in range(10**9) %}{% endfor %}",
    "makes ten billion letters": "{{ 'a' * 10**10 }}",
    "doubles its letters": "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x "
    "%}{% endfor %}",
    "fills with blanks": "{{ '{:>9999999999}'.format('a') }}",
    "calls itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "looks for classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "looks for globals": "{{ cycler.__init__.__globals__.os.system('touch pickle-was-run') }}",
    "reads a file": "{% include '/etc/passwd' %}",
    "is none": "{% for",
    "refuses": "{{ raise_exception('no') }}",
    "divides by zero": "{{ 1 / 0 }}",
}
MODEL = {
    "config.json": "config.json",
    "tokenizer.json": "tokenizer.json",
    "an index": "model.safetensors.index.json",
}
SIZES = {
    "num_hidden_layers": 10**9,
    "hidden_size": 10**9,
    "vocab_size": 10**12,
    "max_position_embeddings": 10**12,
}


def gguf(values: int, tensors: int, rest: bytes = b"", version: int = 3) -> bytes:
    """The beginning of a .gguf file: so many values and tensors are said to follow."""
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values) + rest


def gguf_value(key: str, kind: int, value: bytes) -> bytes:
    """A value of a .gguf file."""
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


GGUFS: dict[str, bytes] = {
    "an empty file": b"",
    "a header alone": gguf(0, 0),
    "nothing but a name": b"GGUF",
    "another version": gguf(0, 0, version=99),
    "values that aren't there": gguf(2**60, 0),
    "tensors that aren't there": gguf(0, 2**60),
    "a list of 2⁶² numbers": gguf(1, 0, gguf_value("a", 9, struct.pack("<IQ", 4, 2**62))),
    "a list of 2⁶² texts": gguf(1, 0, gguf_value("a", 9, struct.pack("<IQ", 8, 2**62))),
    "a text of 2⁶² letters": gguf(1, 0, gguf_value("a", 8, struct.pack("<Q", 2**62))),
    "lists in lists": gguf(1, 0, gguf_value("a", 9, struct.pack("<IQ", 9, 1) * 50_000)),
    "an unknown kind": gguf(1, 0, gguf_value("a", 77, bytes(8))),
    "a thousand million layers": gguf(
        2,
        0,
        gguf_value("general.architecture", 8, struct.pack("<Q", 5) + b"llama")
        + gguf_value("llama.block_count", 4, struct.pack("<I", 10**9)),
    ),
    "a tensor with 2³⁰ axes": gguf(0, 1, struct.pack("<Q", 1) + b"a" + struct.pack("<I", 2**30)),
    "a tensor of 2⁶⁴ numbers": gguf(
        0, 1, struct.pack("<Q", 1) + b"a" + struct.pack("<IQQIQ", 2, 2**32, 2**32, 0, 0)
    ),
}


def cases(folder: Path, seed: int) -> Iterator[Case]:
    """A command line for each hostile input, which is written just before it. `seed` chooses nothing."""
    place = Place(folder)
    yield from _image_loras(place)
    yield from _lineages(place)
    yield from _text_loras(place)
    yield from _picture_bases(place)
    yield from _language_models(place)


class Place:
    """A folder with small real models, LoRAs for them, and what to train on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.base, self.llm = tiny.picture_base(folder / "base"), tiny.language_model(folder / "llm")
        self.pictures, self.texts = folder / "pictures", folder / "texts.jsonl"
        self.pictures.mkdir()
        for number in range(3):
            Image.effect_mandelbrot((40, 40), (-2, -1, 1, 1), 10 + number).save(
                self.pictures / f"{number}.png"
            )
        rows = "".join(f"{number}.png,a boat {number}\n" for number in range(3))
        (self.pictures / "metadata.csv").write_text(f"file_name,text\n{rows}")
        turns = [
            [{"role": "user", "content": topic}, {"role": "assistant", "content": said}]
            for topic, said in SAID
        ]
        self.texts.write_text("".join(f"{json.dumps({'messages': both})}\n" for both in turns))
        self.lora, self.voice = folder / "ink.safetensors", folder / "voice"
        lora(pair())(self.lora)
        voice(self.voice)

    def new(self, name: str) -> Path:
        """A path that nothing stands at, in a folder of its own."""
        self.count += 1
        (path := self.folder / f"{self.count:03}").mkdir()
        return path / name

    def copied(self, source: Path, file: str, put: Put) -> Path:
        """A copy of a model's or LoRA's folder, with one of its files put anew."""
        path = self.new(source.name)
        shutil.copytree(source, path)
        put(path / file)
        return path

    def training(self, **settings: Any) -> tuple[str, ...]:
        """The command that trains one step."""
        file = self.new("train.yaml")
        kind = settings["kind"]
        data = {"train_data_dir": self.pictures} if kind == "image" else {"train_data_path": self.texts}
        base = {"base_model": self.base if kind == "image" else self.llm}
        given = {
            **base,
            **data,
            "output_dir": file.with_name("run"),
            "max_steps": 1,
            "samples": 0,
            **settings,
        }
        file.write_text(json.dumps(given, default=str))
        return ("train", "--config", str(file), "--yes")

    def export(self, path: Path, *more: str) -> tuple[str, ...]:
        return ("export", str(path), *(more or ("--base", str(self.base))))

    def prove(self, path: Path, *more: str) -> tuple[str, ...]:
        how = ("--pictures", str(self.pictures), "--steps", "1", "--seeds", "1", "--weights", "1")
        return ("prove", str(path), "--base", str(self.base), *how, *more)

    def compose(self, *more: str) -> tuple[str, ...]:
        size = (
            "--width",
            "64",
            "--height",
            "64",
            "--steps",
            "1",
            "--scenes",
            "1",
            "--seconds",
            "6",
            "--fps",
            "5",
        )
        out = ("--output", str(self.new("film.mp4")), "--voice", "none", "--music", "none")
        return ("compose", "--topic", "a boat", *size, *out, *more)


def voice(folder: Path) -> Path:
    """A text LoRA for the tiny language model, in peft's folder."""
    folder.mkdir(parents=True)
    name = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    tensors = {name.format(at, part): torch.full(shape, 0.01) for at in (0, 1)
               for part, shape in (("A", (4, 32)), ("B", (32, 4)))}  # fmt: skip
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    return folder


def changed_tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Put:
    """A file of tensors, changed."""

    def put(path: Path) -> None:
        tensors = change(load_file(path))
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})

    return put


def changed_json(values: Mapping[str, Any]) -> Put:
    """A file of JSON, with other values."""
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


VOICES: dict[str, Put] = {
    "NaN": changed_tensors(lambda found: {name: t * float("nan") for name, t in found.items()}),
    "numbers whose product runs over": changed_tensors(lambda found: {n: t * 1e30 for n, t in found.items()}),
    "rank 0": changed_tensors(lambda f: {n: t[:0] if "_A" in n else t[:, :0] for n, t in f.items()}),
    "scalars": changed_tensors(lambda found: {name: torch.tensor(1.0) for name in found}),
    "vectors": changed_tensors(lambda found: {name: t.flatten() for name, t in found.items()}),
    "parts of two ranks": changed_tensors(lambda f: {n: t[:2] if "_A" in n else t for n, t in f.items()}),
    "bytes": changed_tensors(lambda found: {name: t.to(torch.int8) for name, t in found.items()}),
    "another width": changed_tensors(lambda f: {n: t.repeat(2, 1) if "_B" in n else t for n, t in f.items()}),
    "no layers": changed_tensors(lambda found: {"a": torch.ones(1)}),
    "layers of nobody": changed_tensors(lambda f: {n.replace("q_proj", "evil"): t for n, t in f.items()}),
}  # fmt: skip


TRIED_EVERYWHERE = (
    "a header: deep lists",
    "a LoRA with numbers whose product runs over",
    "a LoRA with rank 0",
    "a LoRA with parts of two ranks",
    "a LoRA with lengths of another layer",
    "a LoRA that grows to 300 GB",
    "a configuration: an alpha that is NaN",
    "a link to itself",
)


def _image_loras(place: Place) -> Iterator[Case]:
    wrong = FILES | {f"a header: {name}": put for name, put in HEADERS.items()} | layers()
    wrong |= {f"a configuration: {name}": peft_lora(said) for name, said in STRENGTHS.items()}
    for name, put in wrong.items():
        put(path := place.new("evil.safetensors"))
        yield Case(f"image LoRA, {name}: export", place.export(path))
    for name in TRIED_EVERYWHERE:
        wrong[name](path := place.new("evil.safetensors"))
        yield Case(f"image LoRA, {name}: train", place.training(kind="image", continue_from=path))
        yield Case(f"image LoRA, {name}: compose", place.compose("--lora", f"{path}:0.5"))
        yield Case(f"image LoRA, {name}: prove", place.prove(path))
    for suffix in ("ckpt", "pt", "PTH", "bin", "pkl"):
        pickled(path := place.new(f"evil.{suffix}"))
        yield Case(f"image LoRA, a pickle named .{suffix}: export", place.export(path))


def _lineages(place: Place) -> Iterator[Case]:
    for name, put in LINEAGES.items():
        shutil.copy(place.lora, path := place.new("ink.safetensors"))
        put(path.with_suffix(".yaml"))
        yield Case(f"lineage, {name}: export", place.export(path, "--format", "diffusers"))
        folder = place.copied(place.voice, "lineage.yaml", put)
        yield Case(f"lineage, {name}: chat", ("chat", str(folder), "a boat", "--base", str(place.llm)))
    for name in ("a list", "deep lists", "aliases that multiply", "a base that would be fetched"):
        shutil.copy(place.lora, path := place.new("ink.safetensors"))
        LINEAGES[name](path.with_suffix(".yaml"))
        yield Case(f"lineage, {name}: prove", ("prove", str(path), "--pictures", str(place.pictures)))
        folder = place.copied(place.voice, "lineage.yaml", LINEAGES[name])
        yield Case(f"lineage, {name}: merge", ("merge", str(folder)))


SPOKEN_EVERYWHERE = (
    "configuration, r of 0",
    "configuration, a base that would be fetched",
    "weights, rank 0",
    "weights, numbers whose product runs over",
    "weights, another width",
    "template, loops for ever",
)


def _text_loras(place: Place) -> Iterator[Case]:
    base = ("--base", str(place.llm))
    wrong = {f"configuration, {name}": ("adapter_config.json", put) for name, put in JSONS.items()}
    wrong |= {
        f"configuration, {name}": ("adapter_config.json", changed_json(v)) for name, v in CONFIGS.items()
    }
    wrong |= {
        f"weights, {name}": ("adapter_model.safetensors", put) for name, put in (FILES | VOICES).items()
    }
    wrong |= {f"template, {name}": ("chat_template.jinja", text(said)) for name, said in TEMPLATES.items()}
    wrong |= {
        f"template, {name}": ("chat_template.jinja", put) for name, put in JSONS.items() if "JSON" not in name
    }
    for name, (file, put) in wrong.items():
        folder = place.copied(place.voice, file, put)
        yield Case(f"text LoRA, {name}: chat", ("chat", str(folder), "a boat", *base))
    for name in SPOKEN_EVERYWHERE:
        folder = place.copied(place.voice, *wrong[name])
        yield Case(f"text LoRA, {name}: merge", ("merge", str(folder), *base))
        yield Case(f"text LoRA, {name}: train", place.training(kind="text", continue_from=folder))
        how = ("--texts", str(place.texts), "--topics", "1", "--replies", "1")
        yield Case(f"text LoRA, {name}: prove", ("prove", str(folder), *base, *how))
        write = ("write", "--topic", "a boat", "--scenes", "1", "--text-base", str(place.llm))
        yield Case(f"text LoRA, {name}: write", (*write, "--text-lora", str(folder)))
    fetched = place.copied(
        place.voice, "adapter_config.json", changed_json({"base_model_name_or_path": NOWHERE})
    )
    yield Case("text LoRA, a base that would be fetched: chat alone", ("chat", str(fetched), "a boat"))
    yield Case("text LoRA, a base that would be fetched: merge alone", ("merge", str(fetched)))
    for name, put in {"alone": gone, "beside the weights": lambda path: None}.items():
        folder = place.copied(place.voice, "adapter_model.safetensors", put)
        zipped(folder / "adapter_model.bin")
        yield Case(f"text LoRA, a pickle {name}: chat", ("chat", str(folder), "a boat", *base))


def _picture_bases(place: Place) -> Iterator[Case]:
    index = {
        "no class": {"_class_name": None},
        "a class that is a list": {"_class_name": ["evil", "Evil"]},
        "another class": {"_class_name": "EvilPipeline" * 1000},
        "a part of another library": {"unet": ["os", "system"]},
        "a part with its own code": {"unet": ["evil", "Evil"]},
        "a part that is a text": {"unet": "evil"},
        "a part of three": {"unet": ["diffusers", "UNet2DConditionModel", "evil"]},
        "a part of nobody": {"unet": ["diffusers", "Evil"]},
    }
    unet = {
        "a thousand million layers": {"layers_per_block": 10**9},
        "a width of a thousand million": {"block_out_channels": [10**9, 10**9]},
        "a width of text": {"block_out_channels": "wide"},
        "widths that are a number": {"block_out_channels": 8},
        "no widths": {"block_out_channels": []},
        "a width below 0": {"block_out_channels": [-8, 16]},
        "blocks of nobody": {"down_block_types": ["Evil", "Evil"]},
        "more layers than weights": {"layers_per_block": 900},
    }
    wrong = {f"model_index.json, {name}": ("model_index.json", put) for name, put in JSONS.items()}
    wrong |= {f"model_index.json, {n}": ("model_index.json", changed_json(v)) for n, v in index.items()}
    wrong |= {f"unet, {name}": ("unet/config.json", changed_json(v)) for name, v in unet.items()}
    wrong |= {f"unet's config.json, {name}": ("unet/config.json", put) for name, put in JSONS.items()}
    wrong |= {
        f"unet's weights, {name}": ("unet/diffusion_pytorch_model.safetensors", put)
        for name, put in (FILES | {"a pickle": pickled, "deep lists": HEADERS["deep lists"]}).items()
    }
    scheduler, encoder = "scheduler/scheduler_config.json", "text_encoder/config.json"
    wrong |= {
        "a scheduler of 10¹² steps": (scheduler, changed_json({"num_train_timesteps": 10**12})),
        "a scheduler of no steps": (scheduler, changed_json({"num_train_timesteps": 0})),
        "a scheduler of text": (scheduler, changed_json({"beta_start": "evil"})),
        "a tokenizer that is a list": ("tokenizer/tokenizer.json", text("[]")),
        "tokens that are text": (encoder, changed_json({"vocab_size": "many"})),
        "a text encoder of 10⁹ layers": (encoder, changed_json({"num_hidden_layers": 10**9})),
        "positions of 10¹²": (encoder, changed_json({"max_position_embeddings": 10**12})),
        "studio.json of text": ("studio.json", changed_json({"square": "ab", "portrait": "cd"})),
        "studio.json of a thousand million steps": ("studio.json", changed_json({"steps": 10**9})),
        "studio.json of a thousand million pixels": ("studio.json", changed_json({"square": [10**9, 10**9]})),
        "studio.json that is null": ("studio.json", changed_json({"guidance": None})),
        "words that are numbers": ("vocabulary.json", text('{"object": [1, 2], "setting": 3}')),
    }
    for name, (file, put) in wrong.items():
        folder = place.copied(place.base, file, put)
        argv = place.export(place.lora, "--base", str(folder))
        if name.startswith(("studio.json", "words")):
            argv = place.compose("--image-base", str(folder), "--text-base", str(place.llm))
        yield Case(f"picture base, {name}", argv)
        if name.startswith(("unet,", "a text encoder", "tokens")):
            yield Case(f"picture base, {name}: train", place.training(kind="image", base_model=folder))
    for name, put in (FILES | {"a pickle": pickled, "torch's zip": zipped, "a LoRA": lora(pair())}).items():
        put(path := place.new("evil.safetensors"))
        yield Case(f"picture base, {name}", place.export(place.lora, "--base", str(path)))
    for name in ("deep lists", "metadata that is a list", "no shape", "a length of 2⁶³"):
        HEADERS[name](path := place.new("evil.safetensors"))
        yield Case(f"picture base, a header: {name}", place.training(kind="image", base_model=path))
    pickled(path := place.new("evil.ckpt"))
    yield Case("picture base, a .ckpt", place.compose("--image-base", str(path)))


def _language_models(place: Place) -> Iterator[Case]:
    code = {
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"},
        "model_type": "evil",
    }
    wrong = {f"{name}, {how}": (file, put) for name, file in MODEL.items() for how, put in JSONS.items()}
    wrong |= {f"config.json, {name}": ("config.json", changed_json({name: n})) for name, n in SIZES.items()}
    wrong |= {
        f"weights, {n}": ("model.safetensors", put) for n, put in (FILES | {"a pickle": pickled}).items()
    }
    wrong |= {f"template, {name}": ("chat_template.jinja", text(said)) for name, said in TEMPLATES.items()}
    wrong |= {
        "code of its own": ("config.json", changed_json(code)),
        "a tokenizer's own code": (
            "tokenizer_config.json",
            changed_json({"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}),
        ),
        "more layers than weights": ("config.json", changed_json({"num_hidden_layers": 900})),
        "wider than its weights": ("config.json", changed_json({"hidden_size": 1_000_000})),
        "more words than its weights": ("config.json", changed_json({"vocab_size": 10_000_000})),
        "an unknown kind": ("config.json", changed_json({"model_type": "evil"})),
        "a kind that is a list": ("config.json", changed_json({"model_type": ["llama"]})),
        "architectures that are a number": ("config.json", changed_json({"architectures": 3})),
        "layers of text": ("config.json", changed_json({"num_hidden_layers": "two"})),
        "a text_config that is a list": ("config.json", changed_json({"text_config": [1]})),
        "numbers in 4 bits": ("config.json", changed_json({"quantization_config": {"quant_method": "awq"}})),
        "numbers in nobody's way": ("config.json", changed_json({"quantization_config": [1]})),
        "a template that is a number": ("tokenizer_config.json", changed_json({"chat_template": 7})),
        "a generation_config.json that is a list": ("generation_config.json", text("[]")),
        "an adapter beside it": (
            "adapter_config.json", text(json.dumps({**CONFIG, "base_model_name_or_path": NOWHERE}))
        ),
    }  # fmt: skip
    for name, (file, put) in wrong.items():
        folder = place.copied(place.llm, file, put)
        if file == "model.safetensors.index.json":
            gone(folder / "model.safetensors")
        yield Case(f"language model, {name}", ("chat", str(place.voice), "a boat", "--base", str(folder)))
        if name.startswith(("config.json, ", "a text_config", "layers of", "template, loops for ever")):
            yield Case(f"language model, {name}: train", place.training(kind="text", base_model=folder))
    folder = place.copied(place.llm, "model.safetensors", gone)
    elsewhere = {"weight_map": {"model.norm.weight": "../../outside/canary.txt"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(elsewhere))
    yield Case(
        "language model, an index of files elsewhere", ("merge", str(place.voice), "--base", str(folder))
    )
    folder = place.copied(place.llm, "model.safetensors", gone)
    zipped(folder / "pytorch_model.bin")
    yield Case("language model, a pickle alone", ("merge", str(place.voice), "--base", str(folder)))
    for name, raw in GGUFS.items():
        (path := place.new("evil.gguf")).write_bytes(raw)
        yield Case(f"language model, GGUF, {name}", ("chat", str(place.voice), "a boat", "--base", str(path)))
    for name, put in {name: FILES[name] for name in ("a folder", "a link to itself", "a pipe")}.items():
        put(path := place.new("evil.gguf"))
        yield Case(f"language model, GGUF, {name}", place.training(kind="text", base_model=path))
