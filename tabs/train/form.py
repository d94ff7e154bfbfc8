"""What the two training tabs share: preset, base model, name, settings folded away, and what they mean.

Settings come from core/settings, presets from presets/training; choosing a preset fills the fields, which
a person then changes. Knows nothing about pictures or texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.images import project_set as picture_set
from core.project import Project
from core.settings.base import Settings
from core.settings.marks import COUNTED, marked
from core.settings.presets import preset, preset_names
from core.settings.reading import make, read_yaml
from core.settings.training import ImageTraining, TextTraining, Training, TrainingT
from tabs.jobs import queue, resume_prompt
from tabs.shell.base_model_box import base_box, base_models
from tabs.shell.header import Frame
from tabs.shell.widgets import chooser, field, fields, shown, tip
from tabs.shell.wiring import Page, Studio, connect, watch
from tabs.shell.words import label, static

MAIN = ("lora_rank", "epochs", "learning_rate", "batch_size")
# All the others, folded away in groups; a group shows what its kind of LoRA has.
GROUPS = {
    "What it learns from": (
        "resolution",
        "max_length",
        "holdout",
        "flip",
        "caption_dropout",
        "shuffle_tags",
        "keep_tags",
        "reg_data_dir",
        "reg_weight",
    ),
    "What is trained": (
        "network",
        "use_rslora",
        "lora_alpha",
        "dropout",
        "target_modules",
        "train_text_encoder",
        "text_encoder_lr",
        "prediction",
    ),
    "How it is trained": (
        "optimizer",
        "lr_scheduler",
        "warmup_steps",
        "weight_decay",
        "gradient_accumulation",
        "max_steps",
        "early_stop",
        "ema",
        "min_snr_gamma",
        "noise_offset",
        "seed",
    ),
    "Samples and results": (
        "samples",
        "sample_prompts",
        "sample_topics",
        "sample_steps",
        "validate_steps",
        "look_share",
        "save_steps",
        "keep_best",
        "keep_loras",
        "prove",
        "private_metadata",
        "export_merged",
    ),
    "Speed and memory": ("precision", "quantize", "gradient_checkpointing", "compile"),
}
DEFAULT_NAMES = {"image": "look", "text": "voice"}


@dataclass(frozen=True)
class Controls:
    """The widgets that choose how a LoRA is trained, by the setting's name; `recipe` is the preset."""

    cls: type[Training]
    recipe: gr.Dropdown
    chosen: dict[str, Any]
    start: gr.Button
    question: resume_prompt.Question

    @property
    def counted(self) -> list[Any]:
        """The changes after which a training takes something else."""
        return [self.chosen[name].change for name in marked(self.cls, COUNTED) if name in self.chosen]

    @property
    def trigger(self) -> gr.Textbox:
        """The trigger word's box; only pictures have one."""
        return self.chosen["trigger"]


def controls(studio: Studio, frame: Frame, cls: type[Training], button: str) -> Controls:
    """Preset, base model, name and the main button, with all other settings in an accordion."""
    kind = cls.model_fields["kind"].default
    recipes = [(static(shown_as(name, kind)), name) for name in recipe_names(kind)]
    first = recipes[0][1] if recipes else None
    with gr.Row(elem_classes="st-pair"):
        recipe = chooser("Preset", recipes, first, f"preset-{kind}", "How long and how strongly it learns.")
        base = base_box(studio, kind, "Base model", f"base-{kind}")
    with gr.Row(elem_classes="st-pair"):
        named = names(cls, kind)
    start = gr.Button(static(button), variant="primary", size="lg", elem_id=f"start-{kind}")
    question = resume_prompt.build(kind)
    with gr.Accordion(static("Details"), open=False, elem_id=f"details-{kind}", elem_classes="st-details"):
        about = "An earlier LoRA that learns on; the result is its next version."
        earlier = chooser("Continue from", [(static("A new LoRA"), "")], "", f"earlier-{kind}", about)
        numbers, folders = details(studio, frame, cls, filled(cls, first))

    def offer(page: Page, project: str) -> Any:
        mine = studio.open(project)
        made = mine.image_loras() if kind == "image" else mine.text_loras()
        loras = [(page.say("A new LoRA"), ""), *((path.name, str(path)) for path in made)]
        bases = [(page.say("Embedded"), "embedded"), *base_models(studio, kind)[1:]]
        return gr.update(choices=bases), gr.update(choices=loras, value="")

    def fill(page: Page, recipe: str) -> Any:
        return [shown(cls, name, value) for name, value in filled(cls, recipe, tuple(numbers)).items()]

    arrivals = [*frame.arrivals, *frame.after(kind)]
    watch(studio, arrivals, offer, inputs={"project": frame.project}, outputs=[base, earlier])
    watch(studio, [recipe.input], fill, inputs={"recipe": recipe}, outputs=list(numbers.values()))
    chosen = {"base_model": base, "continue_from": earlier, **named, **folders, **numbers}
    return Controls(cls, recipe, chosen, start, question)


def names(cls: type[Training], kind: str) -> dict[str, Any]:
    """What the LoRA is called and, of pictures, what calls it."""
    boxes = {
        "name": field(
            cls,
            "name",
            label=static("Name of the LoRA"),
            placeholder="my_style",
            elem_id=f"name-{kind}",
            info=static("It becomes part of the file's name."),
            min_width=140,
        )
    }
    if "trigger" in cls.model_fields:
        boxes["trigger"] = field(
            cls,
            "trigger",
            min_width=140,
            elem_id="image-trigger",
            label=static("Trigger word"),
            info=static("Calls the style up; from the captions."),
        )
    return boxes


def details(
    studio: Studio, frame: Frame, cls: type[Training], given: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All other settings: those that a preset fills (`given`: by the first one), and a folder of pictures."""
    numbers, folders = fields(cls, *MAIN, **given), {}
    for title, group in GROUPS.items():
        with gr.Accordion(static(title), open=False, elem_classes="st-group"):
            for name in (name for name in group if name in cls.model_fields):
                if name == "reg_data_dir":
                    folders[name] = pictures_box(studio, frame, cls, name, "regular-pictures")
                else:
                    numbers[name] = field(cls, name, given.get(name))
    return numbers, folders


def pictures_box(
    studio: Studio, frame: Frame, cls: type[Settings], name: str, elem_id: str, nothing: str = "none"
) -> gr.Dropdown:
    """Chooses a folder of pictures: another project's; who sits at the machine may also type one.

    `nothing`: what it is called that none is chosen.
    """
    box = chooser(
        label(name),
        [(static(nothing), "")],
        "",
        elem_id,
        tip(cls, name),
        allow_custom_value=not studio.login,
    )

    def offer(page: Page, project: str) -> Any:
        return gr.update(
            choices=[(page.say(nothing), ""), *picture_set.others(studio.home, project)], value=""
        )

    watch(studio, frame.arrivals, offer, inputs={"project": frame.project}, outputs=[box])
    return box


def starts(
    studio: Studio,
    frame: Frame,
    controls: Controls,
    title: str,
    make: Callable[..., Any],
    inputs: dict[str, Any],
) -> None:
    """Wires the main button: it trains, or asks first where a stopped run of the project could go on.

    `make(page, run, **values of inputs)` gives the settings of a run in the folder `run`, None for a new one.
    """
    kind = controls.cls.model_fields["kind"].default

    def submit(page: Page, settings: Any) -> Any:
        job_id = queue.submit(studio, kind, page.say(title, name=settings.name), settings)
        return [*resume_prompt.answered(), job_id]

    def begin(page: Page, **given: Any) -> Any:
        run = queue.unfinished(studio, kind, given["project"])
        found = queue.waiting(make(page, run, **given)) if run else None
        if found is None:
            return submit(page, make(page, None, **given))
        return [*resume_prompt.ask(page, found), gr.skip()]

    def go_on(page: Page, **given: Any) -> Any:
        run = queue.unfinished(studio, kind, given["project"])
        settings = make(page, run, **given)
        return submit(page, settings.model_copy(update={"resume": "always"}))

    def anew(page: Page, **given: Any) -> Any:
        return submit(page, make(page, None, **given))

    question = controls.question
    for button, run in ((controls.start, begin), (question.go_on, go_on), (question.anew, anew)):
        connect(studio, [button.click], run, inputs=inputs, outputs=[*question.outputs, frame.news])


def recipe_names(kind: str) -> list[str]:
    """Training presets of a kind, quick ones first."""
    names = [
        name for name in preset_names("training") if read_yaml(preset("training", name)).get("kind") == kind
    ]
    return sorted(names, key=lambda name: (not name.endswith("quick"), name))


def shown_as(name: str, kind: str) -> str:
    """A preset's name without its kind: `image-quick` → `Quick`; another name stays as it is."""
    short = name.removeprefix(f"{kind}-")
    return short if short == name else label(short)


def filled(cls: type[Training], recipe: str | None, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """A preset's settings as plain values; all defaults where there is no preset.

    Raises Mistake where there is no such preset.
    """
    values = read_yaml(preset("training", recipe)) if recipe else {}
    settings = make(cls, values, recipe or "the settings")
    return {name: getattr(settings, name) for name in names or values if name != "kind"}


def run_settings(
    page: Page,
    cls: type[TrainingT],
    project: Project,
    recipe: str,
    chosen: dict[str, Any],
    run: Path | None,
    **data: Path,
) -> TrainingT:
    """The settings of a run: preset, what was chosen, the data, and its folder, None for a new one.

    Raises Mistake for values that they can't have.
    """
    kind = cls.model_fields["kind"].default
    title = chosen["name"].strip() or f"{project.name}-{DEFAULT_NAMES[kind]}"
    places = {
        "name": title,
        "output_dir": run or project.new_run(title),
        "lora_dir": project.loras(),
        "continue_from": chosen["continue_from"] or None,
    }
    return make(cls, {**filled(cls, recipe), **chosen, **data, **places}, page.say("Details"))


def plan(page: Page, make: Callable[[], ImageTraining | TextTraining]) -> str:
    """What a training of the settings that `make` gives will take, or what is wrong with them, as HTML."""
    lines = "<br>".join(escape(page.sentence(one)) for one in queue.preflight(make))
    return f"<p class='st-plan'>{lines}</p>"
