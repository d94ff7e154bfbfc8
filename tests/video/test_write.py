"""Scripts by tiny real models, from a topic to its storyboard."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core import commands
from core.messages import Mistake
from core.project import ROOT
from core.settings.style import load_style
from core.settings.video import ComposeSettings, WriteSettings
from core.texts.writer import Writer
from core.video.audio import voice
from core.video.audio.speech import silent
from core.video.script.fitting import repeated
from core.video.script.write import LORAS, chosen_voices, speech_seconds, training_lines, write
from core.video.storyboard import file
from tests.running import finished

TOPIC = "a quiet morning in a river town"


@pytest.fixture(scope="module")
def writer(english_llm: Path) -> Writer:
    return Writer(str(english_llm), "fp32")


@pytest.fixture(scope="module")
def loras(english_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two LoRAs that change what is said a little, and stay sound."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(english_llm, dtype=torch.float32)
        how = LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
        model = get_peft_model(base, how)
        for name, weights in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weights, std=0.05)
        folders.append(tmp_path_factory.mktemp("loras") / f"声音 {seed}")
        model.save_pretrained(folders[-1])
    return tuple(folders)


@pytest.mark.parametrize("voice_name", ["none", "hibari"])
def test_a_script_takes_the_time_that_its_voice_needs(writer: Writer, voice_name: str) -> None:
    settings = WriteSettings(topic=TOPIC, style="neon-night", scenes=4, seconds=20, voice=voice_name)
    style = load_style(settings.style)
    told, board = finished(write(settings, writer))
    lines = [scene.say for scene in board.scenes]
    asked = 4 * speech_seconds(settings, style)
    if voice_name == "none":
        taken = sum(silent(line, style.voice_speed).seconds for line in lines)
    else:
        taken = sum(voice.seconds(line, voice_name, style.voice_speed) for line in lines)
    assert taken == pytest.approx(asked, rel=0.15) and not repeated(lines)
    assert [step.text for step in told[-4:]] == lines and told[0].message == "Planning the scenes"


def test_several_scripts_and_voices_share_one_loaded_model(
    writer: Writer, loras: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoke: list[Path | None] = []
    speak = writer.voice
    monkeypatch.setattr(writer, "voice", lambda lora: spoke.append(lora) or speak(lora))
    settings = WriteSettings(topic=TOPIC, scenes=3, seconds=12, text_lora=loras)
    board = finished(write(settings, writer))[1]
    assert [scene.text_lora for scene in board.scenes] == [loras[0], loras[1], loras[0]]
    assert set(spoke) == {None, *loras}
    assert finished(write(settings, writer))[1] == board
    alone = finished(write(settings.model_copy(update={"text_lora": loras[1:]}), writer))[1]
    assert {scene.text_lora for scene in alone.scenes} == {loras[1]}
    assert all(scene.say for scene in alone.scenes)


def test_a_chinese_topic_gets_chinese_lines_and_english_prompts(chinese_llm: Path) -> None:
    settings = WriteSettings(
        topic="江南小镇的早晨", text_base=str(chinese_llm), voice="none", scenes=4, seconds=25
    )
    writer = Writer(str(chinese_llm), "fp32")
    _, board = finished(write(settings, writer))
    asked = 4 * speech_seconds(settings, load_style(settings.style))
    lines = [scene.say for scene in board.scenes]
    assert sum(map(lambda line: voice.seconds(line, "none", 0.94), lines)) == pytest.approx(asked, rel=0.15)
    assert all(line[-1] in "。！？…”" and not repeated(lines) for line in lines)
    assert all(scene.draw.isascii() and "，早晨" in scene.about for scene in board.scenes)


def test_more_scenes_than_the_time_holds_is_told(writer: Writer) -> None:
    told, _ = finished(write(WriteSettings(topic=TOPIC, style="neon-night", scenes=5, seconds=3), writer))
    assert [step.text for step in told if step.text and "at least" in step.text] == [
        "5 scenes take at least 12 s, not 3 s; ask for fewer scenes or a longer video"
    ]


def test_the_command_prints_the_script_and_saves_the_storyboard(
    english_llm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "剧本.yaml"
    asked = ["write", "--topic", TOPIC, "--text-base", str(english_llm), "--scenes", "2", "--seconds", "9"]
    assert commands.run(asked, lambda _: 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert commands.run([*asked, "--output", str(output)], lambda _: 1) == 0
    assert capsys.readouterr().out.splitlines() == [*lines, str(output)]
    assert [scene.say for scene in file.read(output).scenes] == lines


def test_a_script_asks_for_what_a_video_asks_for() -> None:
    assert set(WriteSettings.model_fields) < set(ComposeSettings.model_fields)
    assert WriteSettings(topic="x", text_lora="a").text_lora == (Path("a"),)
    assert WriteSettings(topic="x", text_lora=None).text_lora == ()


def test_a_mistake_is_said_before_a_model_is_loaded() -> None:
    with pytest.raises(Mistake, match="Chinese"):
        next(write(WriteSettings(topic="江南小镇的早晨")))


def test_a_style_brings_its_own_voice_to_the_embedded_model_alone() -> None:
    style = load_style("ink-wash").model_copy(update={"text_lora": "poet"})
    assert chosen_voices(WriteSettings(topic=TOPIC), style) == (LORAS / "poet",)
    assert chosen_voices(WriteSettings(topic=TOPIC, text_lora="mine"), style) == (Path("mine"),)
    assert chosen_voices(WriteSettings(topic=TOPIC, text_base="Qwen"), style) == ()


def test_a_starter_names_its_texts_from_its_own_folder(tmp_path: Path) -> None:
    starter = tmp_path / "loras" / "poet"
    starter.mkdir(parents=True)
    shutil.copy(ROOT / "assets" / "build" / "voices" / "poet.jsonl", tmp_path)
    (starter / "lineage.yaml").write_text("settings: {train_data_path: ../../poet.jsonl}", encoding="utf-8")
    assert len(training_lines(starter)) >= 40


def test_lines_a_lora_was_trained_on_are_found_in_a_file_and_in_a_folder(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    shutil.copytree(ROOT / "assets" / "sample" / "texts", texts)
    for source in (texts, texts / "narration.jsonl"):
        (tmp_path / "lineage.yaml").write_text(f"settings: {{train_data_path: '{source}'}}", encoding="utf-8")
        assert len(training_lines(tmp_path)) > 100
    shutil.rmtree(texts)
    assert training_lines(tmp_path) == () and training_lines(tmp_path / "nowhere") == ()
