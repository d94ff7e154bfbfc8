"""What an image LoRA's proof found: figures, the advice that follows from them, and what shows both.

Works on plain data; knows nothing about models. A page's frame, tables and files are core.lora.proof.page's.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from core.lora.proof import page as proof_page
from core.lora.proof.page import Say, english, lora_name

# Chosen by hand. The embedded labeller gives the sample pictures 0.36 with their own names, 0.23 with others.
PROMPT_LOSS = 0.05  # cosine by which pictures may fit their prompts less than the base's do

MOST_PICTURES = 20_000  # on one page


@dataclass(frozen=True)
class Figures:
    """What was measured of a LoRA at a weight, over all prompts and seeds; of the base where the weight is 0.

    step: of the training, None for the finished LoRA. style: mean cosine to the training pictures; gain: that
    less the base's, spread: the gain's standard deviation over seeds. prompt: mean cosine to the prompts;
    kept: that less the base's. nearest: the training picture most like one of these, likeness: their cosine,
    correlation: the highest of pixels. copies: pictures that repeat a training picture.
    """

    step: int | None
    weight: float
    style: float
    gain: float
    spread: float
    prompt: float
    kept: float
    nearest: str
    likeness: float
    correlation: float
    copies: int

    def gains(self, seeds: int) -> bool:
        """Whether it has more style than the base by more than chance would give `seeds` seeds."""
        return self.gain > self.error(seeds)

    def error(self, seeds: int) -> float:
        """The standard error of the gain; 0 with one seed, which tells nothing of chance."""
        return max(0.0, self.spread) / math.sqrt(seeds or 1)


@dataclass(frozen=True)
class Proof:
    """A LoRA beside its base: the base's figures first, then those of each LoRA at each weight.

    own_style, own_likeness, own_correlation: how alike the training pictures are among themselves, see
    `core.lora.proof.scores.Judge`.
    """

    lora: str
    base: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    own_style: float
    own_likeness: float
    own_correlation: float
    figures: tuple[Figures, ...]

    @property
    def advised(self) -> Figures | None:
        """The most style of those that keep to the prompts and copy nothing; None where none does.

        Where others have as much within its standard error, the lowest weight and earliest step of them.
        """
        fit = [one for one in self.gaining if one.copies == 0 and _keeps(one)]
        most = max(fit, key=lambda one: one.gain, default=None)
        if most is None:
            return None
        least = most.gain - most.error(len(self.seeds))
        alike = [one for one in fit if one.gain >= least]
        return min(alike, key=lambda one: (one.weight, math.inf if one.step is None else one.step))

    @property
    def whole(self) -> bool:
        """Whether its pictures are no more than can be shown."""
        return len(self.figures) * len(self.prompts) * len(self.seeds) <= MOST_PICTURES

    @property
    def gaining(self) -> list[Figures]:
        """Those with more style than the base, beyond chance."""
        return [one for one in self.figures[1:] if one.gains(len(self.seeds))]


def _keeps(one: Figures) -> bool:
    return one.kept >= -PROMPT_LOSS


def write(proof: Proof, folder: Path) -> Path:
    """Writes proof.json and proof.html, its pictures inside, beside the pictures in `folder`; the page."""
    advised = asdict(proof.advised) if proof.advised else None
    values = asdict(proof) | {"advice": advice(proof), "advised": advised}

    def inside(picture: str) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode((folder / picture).read_bytes()).decode()}"

    return proof_page.write(folder, values, proof.lora, body(proof, inside))


def read(folder: Path) -> Proof | None:
    """The proof in a folder; None where there is none. Raises Mistake where it is damaged."""
    return proof_page.read(folder, Proof)


def advice(proof: Proof, say: Say = english) -> str:
    """Which LoRA to use at which weight and why, or why none, in one sentence."""
    best, gaining = proof.advised, proof.gaining
    if best is not None:
        return say(
            "Use {name} at weight {weight}: its style score is {gain} above the base's (± {spread} over "
            "seeds), its prompt score {kept} against it, and no picture repeats a training picture.",
            name=title(best, say),
            weight=f"{best.weight:g}",
            gain=f"{best.gain:.3f}",
            spread=f"{best.spread:.3f}",
            kept=f"{best.kept:+.3f}",
        )
    if not gaining and any(one.gain > 0 for one in proof.figures[1:]):
        return say(
            "Its style score is no further above the base's than chance would have it; train longer, or "
            "prove it with more seeds."
        )
    if not gaining:
        return say(
            "At no weight does it come nearer to your pictures than the base alone; train longer or at a "
            "higher learning rate."
        )
    if all(one.copies for one in gaining):
        return say(
            "Wherever it shows the style it repeats training pictures; train fewer epochs or add pictures."
        )
    return say(
        "Wherever it shows the style it loses the prompt; train fewer epochs or at a lower learning rate."
    )


def title(one: Figures, say: Say = english) -> str:
    """What a row is called: the base, the finished LoRA, the LoRA of a step."""
    return say("the base alone") if one.weight == 0 else lora_name(one.step, say)


def picture_name(step: int | None, weight: float, prompt: int, seed: int) -> str:
    """File name of the picture drawn from the prompt of that number at a seed."""
    lora = "base" if weight == 0 else f"{'final' if step is None else f'step-{step}'}-{weight:g}"
    return f"{lora}-prompt-{prompt + 1}-seed-{seed}.jpg"


def body(proof: Proof, address: Callable[[str], str], say: Say = english) -> str:
    """Advice, figures and pictures as HTML; `address` says where a picture's file is to be had."""
    loras = list(dict.fromkeys(one.step for one in proof.figures[1:]))
    best = proof.advised
    opened = best.step if best else None
    return (
        f"<section class='st-proof'><p class='st-advice'>{escape(advice(proof, say))}</p>"
        + _table(proof, say)
        + "".join(_pairs(proof, step, step == opened, address, say) for step in loras)
        + f"<p class='st-rule'>{_rule(proof, say)}</p></section>"
    )


def _table(proof: Proof, say: Say) -> str:
    heads = [say("LoRA"), say("Weight"), say("Style"), say("Prompt"), say("Nearest training picture")]
    rows = "".join(_row(one, one == proof.advised, say) for one in proof.figures)
    return proof_page.table(heads, rows)


def _row(one: Figures, advised: bool, say: Say) -> str:
    plain = one.weight == 0
    nearest = f"{one.nearest}: {one.likeness:.3f} · {one.correlation:.2f}"
    cells = [
        title(one, say),
        f"{one.weight:g}",
        f"{one.style:.3f}" + ("" if plain else f" ({one.gain:+.3f} ± {one.spread:.3f})"),
        f"{one.prompt:.3f}" + ("" if plain else f" ({one.kept:+.3f})"),
        nearest + (" · " + say("{count} copies", count=one.copies) if one.copies else ""),
    ]
    return proof_page.row(cells, advised)


def _pairs(proof: Proof, step: int | None, opened: bool, address: Callable[[str], str], say: Say) -> str:
    """One LoRA's pictures: a row for each prompt and seed, the base's first, then by weight."""
    shown = [one for one in proof.figures if one.weight == 0 or one.step == step]
    heads = [say("Prompt and seed"), *(say("base") if not one.weight else f"{one.weight:g}" for one in shown)]
    rows = ""
    for number, prompt in enumerate(proof.prompts):
        for seed in proof.seeds:
            files = [picture_name(one.step, one.weight, number, seed) for one in shown]
            pictures = "".join(f"<td><img alt='' src='{escape(address(file))}'></td>" for file in files)
            rows += f"<tr><th scope='row'>{escape(prompt)}<br>{seed}</th>{pictures}</tr>"
    return proof_page.folded(title(shown[-1], say), proof_page.table(heads, rows, "st-pairs"), opened)


def _rule(proof: Proof, say: Say) -> str:
    """How the figures are meant."""
    return escape(
        say(
            "Style: mean similarity to the training pictures; they have {style} among themselves. Prompt: "
            "similarity to the prompt without the trigger word. Nearest: highest similarity to one training "
            "picture, and highest correlation of pixels with one; training pictures usually have {likeness} "
            "and {correlation} with the one most like them. Advised is the most style of those whose prompt "
            "score falls by {loss} at most, that repeat no training picture and whose gain exceeds its "
            "standard error over the seeds; where others have as much within that error, the lowest weight "
            "and the earliest step of them. Similarities are cosines of the studio's labeller, an open_clip "
            "model.",
            style=f"{proof.own_style:.3f}",
            likeness=f"{proof.own_likeness:.3f}",
            correlation=f"{proof.own_correlation:.2f}",
            loss=f"{PROMPT_LOSS:g}",
        )
    )
