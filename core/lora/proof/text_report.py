"""What a text LoRA's proof found: figures, the advice that follows from them, and what shows both.

Works on plain data; knows nothing about models. A page's frame, tables and files are core.lora.proof.page's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from core.lora.proof import page as proof_page
from core.lora.proof.page import Say, english, lora_name
from core.texts.overlap import GRAM, OWN_GRAM

# Chosen by hand, after reading replies of the sample's LoRAs.
WEAK = 0.5  # of the way from the base to the creator: below it a voice is hardly heard
ENDING = 0.8  # least share of replies that end as they should
REPEATING = 0.1  # how much more of a reply may be said twice than of the creator's own texts
LENGTH = 0.25  # how much further off a reply's length may be than the creator's texts are off each other


@dataclass(frozen=True)
class Traits:
    """What was measured of some texts alone, without the model that wrote them.

    longest: words of the longest passage that a training text holds too, `passage`. shared: mean share of
    runs of `GRAM` words that training texts hold. copies: texts that repeat a training text. repeated: mean
    share of runs of `OWN_GRAM` words said before in the same text. ended: share of replies that ended by
    themselves, at a sentence's end. seconds: mean spoken length. off: how far that is from what was
    asked, the creator's own text on the topic, as a mean share of it; the creator's texts are held against
    each other. None where it wasn't taken.
    """

    longest: int
    passage: str
    shared: float
    copies: int
    repeated: float
    ended: float
    seconds: float
    off: float | None = None


@dataclass(frozen=True)
class Figures:
    """What was measured of a model's replies, and the replies.

    lora: False for the base alone. step: of the training, None for the finished LoRA. perplexity: on the
    held-out texts. style: 0 at the base, 1 at the creator (None where it can't be told), spread: its standard
    deviation over seeds. replies: to each topic, one for each seed.
    """

    lora: bool
    step: int | None
    perplexity: float
    style: float | None
    spread: float
    traits: Traits
    replies: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Proof:
    """A text LoRA beside its base: the base's figures first, then each LoRA's.

    held_out: texts that the perplexity is of. own: the creator's text on each topic, own_traits of all held
    out. told: share of pairs, one text of the creator's and one of the base's, that the style's classifier
    tells right; trusted: whether that is beyond chance, enough: whether there are topics enough to say.
    known: training texts. changed: whether the texts are no longer those it was trained on.
    """

    lora: str
    base: str
    topics: tuple[str, ...]
    seed: int
    own: tuple[str, ...]
    own_traits: Traits
    held_out: int
    known: int
    changed: bool
    told: float
    trusted: bool
    enough: bool
    figures: tuple[Figures, ...]

    @property
    def advised(self) -> Figures | None:
        """The most style, or where that can't be told the lowest perplexity, of those that are fit.

        Fit are those above the base that copy nothing, end their replies, don't repeat themselves and are as
        long as the creator's texts.
        """
        fit = [one for one in self.gaining if not self.faults(one)]
        if self.trusted:
            return max(fit, key=lambda one: one.style or 0.0, default=None)
        return min(fit, key=lambda one: one.perplexity, default=None)

    @property
    def whole(self) -> bool:
        """Whether each model replied to each topic."""
        return all(len(one.replies) == len(self.topics) for one in self.figures)

    @property
    def gaining(self) -> list[Figures]:
        """The LoRAs that come nearer to the creator than the base."""
        base, *loras = self.figures
        if self.trusted:
            return [one for one in loras if one.style is not None and one.style > one.spread]
        return [one for one in loras if one.perplexity < base.perplexity]

    def faults(self, one: Figures) -> list[str]:
        """What makes a LoRA unfit, the worst first: copies, endless, repeats, length."""
        wrong = {
            "copies": one.traits.copies > 0,
            "endless": one.traits.ended < ENDING,
            "repeats": one.traits.repeated > self.own_traits.repeated + REPEATING,
            "length": (one.traits.off or 0.0) > (self.own_traits.off or 0.0) + LENGTH,
        }
        return [name for name, found in wrong.items() if found]


def write(proof: Proof, folder: Path) -> Path:
    """Writes proof.json and proof.html into `folder`; returns the page."""
    advised = {"step": proof.advised.step} if proof.advised else None
    values = asdict(proof) | {"advice": advice(proof), "advised": advised}
    return proof_page.write(folder, values, proof.lora, body(proof))


def read(folder: Path) -> Proof | None:
    """The proof in a folder; None where there is none. Raises Mistake where it is damaged."""
    return proof_page.read(folder, Proof)


def advice(proof: Proof, say: Say = english) -> list[str]:
    """Which LoRA to use and why, or why none, and what to change: sentences, the most telling first."""
    best, base = proof.advised, proof.figures[0]
    said = []
    if best is not None and proof.trusted:
        said.append(
            say(
                "Use {name}: on the way from the base (0) to you (1) its style stands at {style} (± {spread} "
                "over seeds), its perplexity on your held-out texts is {perplexity} (the base's {base}), "
                "{ended} of its replies end as they should, and none repeats a training text.",
                name=title(best, say),
                style=f"{best.style:.2f}",
                spread=f"{best.spread:.2f}",
                perplexity=f"{best.perplexity:.1f}",
                base=f"{base.perplexity:.1f}",
                ended=f"{best.traits.ended:.0%}",
            )
        )
        if best.style is not None and best.style < WEAK:
            said.append(say("The voice is still weak: raise epochs or learning_rate."))
    elif best is not None:
        said.append(
            say(
                "Use {name}: its perplexity on your held-out texts is the lowest, {perplexity} (the base's "
                "{base}), and none of its replies repeats a training text.",
                name=title(best, say),
                perplexity=f"{best.perplexity:.1f}",
                base=f"{base.perplexity:.1f}",
            )
        )
    else:
        said.append(_why_none(proof, say))
    if not proof.enough:
        said.append(
            say(
                "Only {count} texts were held out, too few to tell the style by: add texts or raise holdout.",
                count=len(proof.topics),
            )
        )
    elif not proof.trusted:
        said.append(
            say(
                "Your texts and the base's replies can't be told apart by their style (right in {told} of "
                "pairs, by chance in half): add texts that sound more alike.",
                told=f"{proof.told:.0%}",
            )
        )
    if not proof.known:
        said.append(say("Which texts it was trained on is not known, so copying could not be looked for."))
    if proof.changed:
        said.append(
            say("The texts have changed since the training, so some that it has learnt may be among these.")
        )
    return said


def _why_none(proof: Proof, say: Say) -> str:
    """Why no LoRA is advised, and the setting to change, by the fault of the one that comes nearest."""
    if not proof.gaining:
        return say("None comes nearer to your voice than the base alone: raise epochs or learning_rate.")
    least = min(proof.gaining, key=lambda one: len(proof.faults(one)))
    fault = proof.faults(least)[0]
    if fault == "copies":
        return say(
            "Where it sounds like you it repeats training texts (“{passage}”): lower epochs or add texts.",
            passage=least.traits.passage,
        )
    if fault == "endless":
        return say(
            "Only {ended} of its replies end as they should: raise epochs, and max_length where texts are "
            "cut.",
            ended=f"{least.traits.ended:.0%}",
        )
    if fault == "length":
        return say(
            "Its replies are {off} longer or shorter than your texts on the same topics (yours differ by "
            "{own} among themselves): raise epochs, or leave out texts of quite another length.",
            off=f"{least.traits.off or 0.0:.0%}",
            own=f"{proof.own_traits.off or 0.0:.0%}",
        )
    return say(
        "It says {repeated} of its words over again (you {own}): lower learning_rate or epochs.",
        repeated=f"{least.traits.repeated:.0%}",
        own=f"{proof.own_traits.repeated:.0%}",
    )


def title(one: Figures, say: Say = english) -> str:
    """What a row is called: the base, the finished LoRA, the LoRA of a step."""
    return lora_name(one.step, say) if one.lora else say("the base alone")


def body(proof: Proof, say: Say = english) -> str:
    """Advice, figures, the most copied passage and the replies side by side, as HTML."""
    first, *more = advice(proof, say)
    loras = proof.figures[1:]
    opened = proof.advised or (loras[-1] if loras else None)
    return (
        f"<section class='st-proof'><p class='st-advice'>{escape(first)}</p>"
        + "".join(f"<p class='st-more'>{escape(sentence)}</p>" for sentence in more)
        + _table(proof, say)
        + _copied(proof, say)
        + "".join(_replies(proof, one, one is opened, say) for one in loras)
        + f"<p class='st-rule'>{escape(_rule(proof, say))}</p></section>"
    )


def _table(proof: Proof, say: Say) -> str:
    heads = [
        say("LoRA"),
        say("Style"),
        say("Perplexity"),
        say("Longest shared passage"),
        say("Shared runs"),
        say("Said twice"),
        say("Well ended"),
        say("Seconds"),
        say("Off by"),
    ]
    yours = [
        say("your held-out texts"),
        "1" if proof.trusted else "–",
        "–",
        *_cells(proof.own_traits, proof, say),
    ]
    rows = proof_page.row(yours) + "".join(
        proof_page.row(
            [title(one, say), _style(one), f"{one.perplexity:.1f}", *_cells(one.traits, proof, say)],
            one is proof.advised,
        )
        for one in proof.figures
    )
    return proof_page.table(heads, rows)


def _style(one: Figures) -> str:
    if one.style is None:
        return "–"
    return f"{one.style:.2f} ± {one.spread:.2f}" if one.lora else f"{one.style:.2f}"


def _cells(traits: Traits, proof: Proof, say: Say) -> Sequence[str]:
    copies = " · " + say("{count} copies", count=traits.copies) if traits.copies else ""
    return (
        f"{traits.longest}{copies}" if proof.known else "–",
        f"{traits.shared:.1%}" if proof.known else "–",
        f"{traits.repeated:.1%}",
        f"{traits.ended:.0%}",
        f"{traits.seconds:.1f}",
        "–" if traits.off is None else f"{traits.off:.0%}",
    )


def _copied(proof: Proof, say: Say) -> str:
    """The longest passage that any LoRA shares with a training text."""
    most = max(proof.figures[1:], key=lambda one: one.traits.longest, default=None)
    if most is None or not most.traits.passage:
        return ""
    said = say(
        "The passage most like a training text, by {name}: “{passage}”",
        name=title(most, say),
        passage=most.traits.passage,
    )
    return f"<p class='st-more'>{escape(said)}</p>"


def _replies(proof: Proof, one: Figures, opened: bool, say: Say) -> str:
    """A LoRA's replies beside the creator's own text and the base's: a row for each topic."""
    heads = [say("Topic"), say("your text"), say("the base alone"), title(one, say)]
    rows = ""
    for at, topic in enumerate(proof.topics):
        said = (proof.own[at : at + 1], proof.figures[0].replies[at], one.replies[at])
        texts = "".join(f"<td>{''.join(f'<p>{escape(text)}</p>' for text in part)}</td>" for part in said)
        rows += f"<tr><th scope='row'>{escape(topic)}</th>{texts}</tr>"
    return proof_page.folded(title(one, say), proof_page.table(heads, rows, "st-said"), opened)


def _rule(proof: Proof, say: Say) -> str:
    """How the figures are meant."""
    return say(
        "Style: where the replies stand between the base's (0) and your own texts (1), by a classifier on "
        "runs of characters that saw no text on the topic it judges; it tells your text from the base's in "
        "{told} of pairs (chance: 50%). Perplexity: how surprised the model is by {held_out} texts of yours "
        "that were held out. Longest shared passage: words, or Chinese characters, that stand in a training "
        "text just so; a copy is longer than any that your held-out texts share with them. Shared runs: "
        "those of {gram} words that stand in a training text. Said twice: runs of {own_gram} words said "
        "before in the same reply. Well ended: by itself, at most half as long again as your longest text, "
        "and at a sentence's end. Seconds: how long it takes to say. Off by: how far that is from your own "
        "text on the topic; in your row, your texts from each other. Advised is the most style of those that "
        "copy nothing, end {ending} of their replies, repeat themselves hardly more than you and are off by "
        "no more than {length} beyond you.",
        told=f"{proof.told:.0%}",
        held_out=proof.held_out,
        gram=GRAM,
        own_gram=OWN_GRAM,
        ending=f"{ENDING:.0%}",
        length=f"{LENGTH:.0%}",
    )
