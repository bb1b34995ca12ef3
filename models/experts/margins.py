"""The margins of all experts of a model, one after another: a column beside the features."""

from __future__ import annotations

from dataclasses import dataclass

from models.inputs.base import Computed

MARGINS = "_margins"


@dataclass(frozen=True, kw_only=True)
class Margins(Computed):
    name: str = MARGINS
