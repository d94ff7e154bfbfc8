"""Settings from YAML, the command line and presets; each wrong input is one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.messages import Mistake
from core.settings import base, data, lora_jobs, presets, reading, training, video
from core.settings import fields as settings_fields
from core.settings.style import Style, load_style
from core.settings.training import ImageTraining, TextTraining
from core.settings.video import ComposeSettings

FAMILIAR = """
train_data_dir: "./data/style_train"
metadata_path: "./data/style_train/metadata.csv"
base_model: "./models/Stable-diffusion/v1-5-pruned.safetensors"
lora_rank: 8
batch_size: 4
epochs: 10
learning_rate: 2e-4
output_dir: "./output/my_style_lora"
save_steps: 100
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_familiar_yaml_is_read_as_it_stands(tmp_path: Path) -> None:
    chosen = reading.load(ImageTraining, written(tmp_path, FAMILIAR))
    assert chosen.learning_rate == 2e-4 and chosen.lora_rank == 8 and chosen.save_steps == 100
    assert chosen.alpha == 8.0 and chosen.title == "my_style_lora"


def test_kind_chooses_the_class_and_changes_go_over_the_file(tmp_path: Path) -> None:
    values = reading.read_yaml(written(tmp_path, "kind: text\nepochs: 2"))
    chosen = training.training({**values, **reading.parse_changes(["epochs=5", "dropout=0.1"])})
    assert isinstance(chosen, TextTraining) and chosen.epochs == 5 and chosen.dropout == 0.1


def test_what_is_dumped_loads_to_the_same(tmp_path: Path) -> None:
    chosen = ImageTraining(train_data_dir=Path("图 片"), lora_alpha=4, target_modules=("to_q",))
    assert reading.load(ImageTraining, written(tmp_path, reading.dump(chosen))) == chosen


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lora_ranks: 8", ["unknown setting lora_ranks", "did you mean lora_rank?"]),
        ("lora_rank: many", ["lora_rank", "is many", "it must be a whole number from 1 to 256"]),
        ("lora_rank: 0", ["lora_rank", "is 0;", "it must be a whole number from 1 to 256"]),
        ("lora_dropout: 2", ["lora_dropout", "is 2;", "a number from 0 to 0.9"]),
        ("kind: [image]", ["kind", "image or text"]),
        ("lora_ranks:", ["unknown setting lora_ranks"]),
        ("null: 3", ["unknown setting"]),
        ("kind: sound", ["kind", "sound", "image or text"]),
        ("- a\n- b", ["name: value"]),
        ("lora_rank: [1", ["not valid YAML at line"]),
    ],
)
def test_a_wrong_yaml_is_one_sentence(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(Mistake) as caught:
        training.training(reading.read_yaml(path), path)
    said = str(caught.value)
    assert all(part in said for part in parts), said
    assert "\n" not in said and str(path) in said


def test_a_styles_letters_are_the_studios(tmp_path: Path) -> None:
    """A name that leads elsewhere would have a stranger's style read any font."""
    for name in ("../../../font", "mono"):
        path = written(tmp_path, f"name: mine\ntitle: {{en: Mine}}\nabout: {{en: x}}\ncaption_font: {name}\n")
        with pytest.raises(Mistake, match=r"caption_font in .* must be one of sans, serif, hand"):
            load_style(str(path))


TYPED = {"name": "2024", "trigger": "yes", "output_dir": "~/on", "metadata_path": "2024-01-01",
         "sample_prompts": ("zz style: a cat", "no", "007"), "max_steps": 1000, "learning_rate": 2e-4,
         "flip": False, "gradient_checkpointing": "on", "compile": "off", "resume": "never",
         "lora_dir": None, "base_model": "1.5", "target_modules": ("to_q", "to_v")}  # fmt: skip
AS_YAML = """
name: 2024
trigger: yes
output_dir: ~/on
metadata_path: 2024-01-01
sample_prompts:
- zz style: a cat
- no
- 007
max_steps: 1e3
learning_rate: 2e-4
flip: off
gradient_checkpointing: on
compile: no
resume: false
lora_dir: null
seed:
base_model: 1.5
target_modules: [to_q, to_v]
"""
AS_PAIRS = ["name=2024", "trigger=yes", "output_dir=~/on", "metadata_path=2024-01-01",
            "sample_prompts=[zz style: a cat, no, 007]", "max_steps=1e3", "learning_rate=2e-4", "flip=off",
            "gradient_checkpointing=on", "compile=no", "resume=false", "lora_dir=null", "seed=",
            "base_model=1.5", "target_modules=to_q, to_v"]  # fmt: skip


@pytest.mark.parametrize("way", ["file", "command line", "dumped"])
def test_values_are_the_text_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """No 2024 that is no text, no trigger word True, no prompt that is a mapping."""
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("USERPROFILE", "/home/anna")
    if way == "command line":
        chosen = reading.make(ImageTraining, reading.parse_changes(AS_PAIRS))
    else:
        chosen = reading.load(ImageTraining, written(tmp_path, AS_YAML))
    if way == "dumped":
        chosen = reading.load(ImageTraining, written(tmp_path, reading.dump(chosen)))
    expected = TYPED | {"output_dir": Path("/home/anna/on"), "metadata_path": Path("2024-01-01")}
    assert {name: getattr(chosen, name) for name in expected} == expected and chosen.seed == 42


def test_a_prompt_with_a_colon_stands_on_the_command_line() -> None:
    changes = reading.parse_changes(["sample_prompts=zz style: a cat", "trigger=a: b"])
    chosen = reading.make(ImageTraining, changes)
    assert chosen.sample_prompts == ("zz style: a cat",) and chosen.trigger == "a: b"


CLASSES = [
    one
    for module in (data, lora_jobs, training, video)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, base.Settings) and one.__module__ == module.__name__
]
FIELDS = [(cls, name) for cls in CLASSES for name in cls.model_fields]
WRONG = ["many", "1e3", "nan", "-5", "1e99", "9" * 5000, "x" * 5000, "yes", "2024-01-01", "[1", "", None,
         True, 3.5, b"x", ["a", "b"], ["x"] * 30,
         {"a": 1}, {"a": 1, "b": 2}, [{"a": 1, "b": [2]}]]  # fmt: skip
EXPECTED = ("a whole number", "a number", "a multiple of", "yes or no", "one of", "a text", "a list",
            "a colour", "the name of a file or folder")  # fmt: skip


def required(cls: type[base.Settings]) -> dict[str, object]:
    fields = cls.model_fields
    return {
        n: {"en": "x"} if dict in settings_fields.kinds_of(f) else "x"
        for n, f in fields.items()
        if f.is_required() or n == "topic"
    }


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda one: getattr(one, "__name__", one))
def test_any_wrong_value_is_told_in_plain_words(cls: type[base.Settings], name: str) -> None:
    """Which setting, what was given, what is expected; never a validator's own words."""
    refused = 0
    for value in WRONG:
        try:
            reading.make(cls, {**required(cls), name: value}, "run.yaml")
        except Mistake as mistake:
            refused += 1
            said = str(mistake)
            assert "\n" not in said and len(said) < 300, said
            assert name in said and "run.yaml" in said, said
            if mistake.template.startswith("{name} in"):
                given = mistake.values["given"]
                assert given and str(mistake.values["expected"]).startswith(EXPECTED), said
            else:
                assert "lacks the setting" in said or name == "topic", said
            assert not re.search(r"\bvalid |[Ii]nput|should|parse|pydantic|type=", said), said
    assert refused


def paths() -> list[tuple[type[base.Settings], str]]:
    return [(cls, name) for cls, name in FIELDS if Path in settings_fields.kinds_of(cls.model_fields[name])]


@pytest.mark.parametrize(("cls", "name"), paths(), ids=lambda one: getattr(one, "__name__", one))
def test_a_tilde_is_the_persons_home_in_every_path(
    cls: type[base.Settings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("USERPROFILE", "/home/anna")
    for typed in ("~/a b", Path("~/a b")):
        made = getattr(reading.make(cls, {**required(cls), name: typed}), name)
        assert made in (Path("/home/anna/a b"), (Path("/home/anna/a b"),))


def test_a_missing_or_binary_yaml_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"There is no file .*no\.yaml"):
        reading.read_yaml(tmp_path / "no.yaml")
    binary = tmp_path / "bad.yaml"
    binary.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(Mistake, match="UTF-8"):
        reading.read_yaml(binary)
    assert reading.read_yaml(written(tmp_path, "")) == {}


def test_a_change_that_is_no_pair_is_refused() -> None:
    with pytest.raises(Mistake, match="name=value"):
        reading.parse_changes(["epochs"])


@pytest.mark.parametrize(("topic", "said"), [("  ", "empty"), ("x" * 5000, "5000 characters")])
def test_a_topic_that_is_empty_or_endless_is_refused(topic: str, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        reading.make(ComposeSettings, {"topic": topic})


def test_every_field_says_what_it_is() -> None:
    classes = (data.LabelSettings, ImageTraining, TextTraining, Style, ComposeSettings)
    silent = [f"{c.__name__}.{n}" for c in classes for n, f in c.model_fields.items() if not f.description]
    assert silent == []


def test_every_preset_and_style_loads() -> None:
    styles = presets.preset_names("styles")
    assert {"ink-wash", "neon-night", "product-pitch"} <= set(styles)
    for name in styles:
        style = load_style(name)
        assert style.name == name and {"en", "zh"} <= style.title.keys() & style.about.keys()
    for name in presets.preset_names("training"):
        training.training(reading.read_yaml(presets.preset("training", name)), name)


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(Mistake, match="ink-wash, neon-night"):
        load_style("watercolour")


def test_a_yaml_file_may_hold_anything(tmp_path):
    """The studio says what is wrong with it, whatever the loader raises, before it takes time or memory."""
    from tests.hostile.texts import YAMLS

    said = {}
    for name, text in YAMLS.items():
        path = tmp_path / "a.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        try:
            training.training(reading.read_settings(path), path)
            reading.read_yaml(path)
        except Mistake as mistake:
            said[name] = str(mistake).replace(str(path), "a.yaml")
    assert max(map(len, said.values())) < 1000
    often = "a.yaml is nested too deeply, or repeats its parts too often; write it plainly."
    for name in (
        "a bomb of aliases",
        "a bomb of merges",
        "a value within itself",
        "deep brackets",
        "deep indents",
    ):
        assert said[name] == often, name
    assert said["a date that is none"].startswith("a.yaml holds a value that is none (")
    assert said["a list as kind"] == "kind in a.yaml is ['image']; it must be image or text."
    assert said["two megabytes"] == "a.yaml is larger than 1 MB; split it, or take a part of it."
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("field", "why"),
    [("lora", "is no LoRA or font of the studio's"), ("caption_font", "it must be one of sans, serif, hand")],
)
def test_a_style_brings_no_file_of_elsewhere(field, why):
    style = {"name": "x", "title": {"en": "x"}, "about": {"en": "x"}}
    with pytest.raises(Mistake, match=rf"\.\./x.*{why}"):
        reading.make(Style, style | {field: "../x"})
