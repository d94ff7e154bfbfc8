"""Settings from YAML, the command line and presets; each wrong input is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import settings
from core.jobs import Mistake
from core.settings import ComposeSettings, ImageTraining, TextTraining

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
    chosen = settings.load(ImageTraining, written(tmp_path, FAMILIAR))
    assert chosen.learning_rate == 2e-4 and chosen.lora_rank == 8 and chosen.save_steps == 100
    assert chosen.alpha == 8.0 and chosen.title == "my_style_lora"


def test_kind_chooses_the_class_and_changes_go_over_the_file(tmp_path: Path) -> None:
    values = settings.read_yaml(written(tmp_path, "kind: text\nepochs: 2"))
    chosen = settings.training({**values, **settings.parse_changes(["epochs=5", "dropout=0.1"])})
    assert isinstance(chosen, TextTraining) and chosen.epochs == 5 and chosen.dropout == 0.1


def test_what_is_dumped_loads_to_the_same(tmp_path: Path) -> None:
    chosen = ImageTraining(train_data_dir=Path("图 片"), lora_alpha=4, target_modules=("to_q",))
    assert settings.load(ImageTraining, written(tmp_path, settings.dump(chosen))) == chosen


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lora_ranks: 8", ["unknown setting lora_ranks", "did you mean lora_rank?"]),
        ("lora_rank: many", ["lora_rank", "'many'", "valid integer"]),
        ("lora_rank: 0", ["lora_rank", "greater than or equal to 1"]),
        ("kind: sound", ["kind", "sound", "image or text"]),
        ("- a\n- b", ["name: value"]),
        ("lora_rank: [1", ["not valid YAML at line"]),
    ],
)
def test_a_wrong_yaml_is_one_sentence(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(Mistake) as caught:
        settings.training(settings.read_yaml(path), path)
    said = str(caught.value)
    assert all(part in said for part in parts), said
    assert "\n" not in said and str(path) in said


def test_a_missing_or_binary_yaml_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"There is no file .*no\.yaml"):
        settings.read_yaml(tmp_path / "no.yaml")
    binary = tmp_path / "bad.yaml"
    binary.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(Mistake, match="UTF-8"):
        settings.read_yaml(binary)
    assert settings.read_yaml(written(tmp_path, "")) == {}


def test_a_change_that_is_no_pair_is_refused() -> None:
    with pytest.raises(Mistake, match="name=value"):
        settings.parse_changes(["epochs"])


@pytest.mark.parametrize(("topic", "said"), [("  ", "empty"), ("x" * 5000, "5000 characters")])
def test_a_topic_that_is_empty_or_endless_is_refused(topic: str, said: str) -> None:
    with pytest.raises(Mistake, match=said):
        settings.make(ComposeSettings, {"topic": topic})


def test_every_field_says_what_it_is() -> None:
    classes = (settings.LabelSettings, ImageTraining, TextTraining, settings.Style, ComposeSettings)
    silent = [f"{c.__name__}.{n}" for c in classes for n, f in c.model_fields.items() if not f.description]
    assert silent == []


def test_every_preset_and_style_loads() -> None:
    styles = settings.preset_names("styles")
    assert {"ink-wash", "neon-night", "product-pitch"} <= set(styles)
    for name in styles:
        style = settings.load_style(name)
        assert style.name == name and {"en", "zh"} <= style.title.keys() & style.about.keys()
    for name in settings.preset_names("training"):
        settings.training(settings.read_yaml(settings.preset("training", name)), name)


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(Mistake, match="ink-wash, neon-night"):
        settings.load_style("watercolour")
