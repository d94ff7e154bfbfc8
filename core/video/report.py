"""report.json beside a film: all it takes to make it again, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from core.kept import contents_hash
from core.lineage import lineage
from core.project import file_hash, write_atomic
from core.settings.style import Style
from core.video.drawing import Drawn, Plan
from core.video.post import finding
from core.video.post.finding import Finding
from core.video.script.write import chosen_voices
from core.video.storyboard.board import Storyboard


def write(
    path: Path,
    video: str,
    board: Storyboard,
    style: Style,
    plans: Sequence[Plan],
    drawn: Sequence[Drawn],
    seconds: float,
    took: dict[str, float],
    measured: tuple[float, float] | None = None,
    found: Sequence[Finding] | None = None,
) -> Path:
    """Writes the report of a film of so many seconds; measured: LUFS and dBTP. Returns its path.

    found: what should be mended before it is posted; None: it was not looked through yet.
    """
    loras = dict.fromkeys(lora for plan in plans for lora in plan.how.loras)
    how = plans[0].how
    values = lineage(
        video=video,
        storyboard=board.model_dump(mode="json"),
        style=style.model_dump(mode="json"),
        scenes=[
            {
                "id": scene.id,
                "drawn_from": one.prompt,
                "drawn_seed": one.seed,
                "own_picture": str(plan.own or plan.start or ""),
                "led_by": str(plan.guide or ""),
                "ip_adapter": plan.how.adapter.file.name if plan.guide and plan.how.adapter else "",
                "doubt": one.doubt,
            }
            for scene, plan, one in zip(board.scenes, plans, drawn, strict=True)
        ],
        drawing={
            "base": how.base,
            "width": how.width,
            "height": how.height,
            "steps": how.steps,
            "guidance": how.guidance,
            "takes": how.takes,
            "prediction": how.prediction,
            "loras": [
                {"file": lora.name, "weight": weight, "sha256": contents_hash(lora)} for lora, weight in loras
            ],
        },
        text_loras=[
            {"folder": folder.name, "sha256": file_hash(folder / "adapter_model.safetensors")}
            for folder in chosen_voices(board.film, style)
        ],
        seconds=round(seconds, 3),
        loudness_lufs=measured[0] if measured else None,
        true_peak_dbtp=measured[1] if measured else None,
        findings=None if found is None else [finding.plain(one) for one in found],
        took_seconds=took,
    )
    return write_atomic(path, json.dumps(values, indent=1, ensure_ascii=False))
