"""A pretrained text trunk that reads the texts before it reads a label."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.text import TextInput
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Adapted(Candidate):
    """A pretrained trunk that first learns from all texts, without labels; then as `frozen`."""

    name: ClassVar[str] = "adapted"
    rank: ClassVar[int] = 1
    adapts: ClassVar[bool] = True
    few_labels: ClassVar[int] = 1
    cost: ClassVar[float] = 40.0

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        texts = any(isinstance(i, TextInput) for i in spec.inputs.values())
        if not texts or spec.model.trunk.check_pretraining():
            return None
        # 300 steps were enough on 3,790 messages (docs/transfer.md, Few labels).
        return ("model.pretraining={name: language_model, steps: 300}", "model.transfer=frozen")
