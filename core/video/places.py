"""Where a video and what belongs to it stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where a video and what belongs to it stand.

    `video.mp4` has its folder to itself: cover.png, storyboard.yaml, report.json, scenes/. Any other name
    goes before theirs, so that several videos can share a folder.
    """

    video: Path

    def beside(self, name: str) -> Path:
        """The path of something that belongs to the video."""
        stem = self.video.stem
        return self.video.with_name(name if stem == "video" else f"{stem}.{name}")

    @property
    def ass(self) -> Path:
        """The subtitles in the film's look, word by word."""
        return self.video.with_suffix(".ass")

    @property
    def srt(self) -> Path:
        """The subtitles, where players look for them."""
        return self.video.with_suffix(".srt")
