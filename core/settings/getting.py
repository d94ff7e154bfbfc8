"""Settings of what is fetched: which of the models that the studio can get by itself."""

from __future__ import annotations

from pydantic import Field

from core.settings.base import Settings


class GetSettings(Settings):
    """Fetches a model that the studio can use but doesn't bring."""

    what: str = Field(pattern="^(writer)$", description="writer: the better language model, 1.1 GB")
