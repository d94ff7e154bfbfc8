"""Proves a finished LoRA, of pictures or of texts: with and without it, scored, and which one to use."""

from __future__ import annotations

from collections.abc import Iterator

from core.jobs import Progress
from core.settings import ProofSettings, Proving


def prove(settings: Proving) -> Iterator[Progress]:
    """The job of the LoRA's kind; the last report's `result` is the page, see `core.lora.proofpage`."""
    if isinstance(settings, ProofSettings):
        from core.lora import proof

        return proof.prove(settings)
    from core.lora import text_proof
    from core.settings import TextProofSettings

    assert isinstance(settings, TextProofSettings)
    return text_proof.prove(settings)
