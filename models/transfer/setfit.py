"""SetFit: training on pairs of rows before the heads (Tunstall et al. 2022, arXiv:2209.11055)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.transfer.base import Pairs, Phase, Plan, Transfer


@dataclass(frozen=True, kw_only=True)
class SetFit(Transfer):
    """Brings rows of one class together and moves rows of different classes apart; then the trunk
    stays as it is, and heads train on what it computes. For few labels (section 3).

    The paper draws pairs and computes two texts for each. Here a step computes `rows` rows and
    takes all of their pairs, with equal weights for both sorts, as the paper draws equal numbers.
    That is as many pairs at a fraction of the cost. Each binary and multiclass task has its own
    pairs; the losses of all are added.

    Heads of tasks with classes are logistic regressions with the L2 penalty of the paper's, which
    is C = 1 in scikit-learn.

    steps: chosen from the number of labelled rows if absent. rows: in a step; each class has about
        the same number. learning_rate: of the trunk in these steps, at its peak.
    balanced: heads weigh the classes of a task alike, where the task states no `class_weight`. With
        false, a head of few rows hardly ever answers with a rare class. With true, probabilities
        are those of classes that are equally frequent.
    """

    name: Literal["setfit"] = "setfit"
    steps: Annotated[int, Field(ge=1)] | None = None
    rows: Annotated[int, Field(ge=4)] = 16
    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    balanced: bool = True
    fixed_trunk = True
    on_pairs = True

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        pairs = Pairs(variables, self.learning_rate, self.rows, self.steps, self.balanced)
        return Plan((Phase(0, ()),), pairs=pairs)
