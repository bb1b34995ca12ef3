"""The base of the sections of a spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A section of the spec. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
