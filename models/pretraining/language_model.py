"""Domain-adaptive pretraining (Gururangan et al. 2020, arXiv:2004.10964, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT

FEWEST_TEXTS = 100
"""Different texts without which there is no pretraining."""
EPOCHS, FEWEST_STEPS, MOST_STEPS = 10, 100, 3000
"""How often a text is read, and limits of the number of steps that is chosen."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """Before any label is read, a pretrained text trunk goes on with the task that it was made
    with, on the texts of the training rows and of sources with `split: unlabelled`.

    Encoders predict masked tokens (Devlin et al. 2019, section 3.1): of those that are chosen, 80 %
    become the mask token, 10 % another token, and 10 % stay. Decoders predict the next token. What
    predicts is tied to the trunk's embedding of tokens, and is left out afterwards. The transfer
    mode then starts from these weights.

    steps: chosen from the number of texts if absent. rows: texts, or windows of long texts, in a
        step; 32 for encoders and 8 for decoders if absent. learning_rate: at its peak.
    masked: share of an encoder's tokens to predict.
    """

    __pydantic_config__ = STRICT
    name: Literal["language_model"] = "language_model"
    steps: Annotated[int, Field(ge=1)] | None = None
    rows: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    masked: Annotated[float, Field(gt=0, lt=1)] = 0.15

    def steps_for(self, texts: int, rows: int) -> int:
        """The number of steps of so many rows."""
        return self.steps or min(max(round(EPOCHS * texts / rows), FEWEST_STEPS), MOST_STEPS)
