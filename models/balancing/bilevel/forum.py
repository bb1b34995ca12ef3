"""FORUM (Ye, Lin, Cao, Zhang and Tsang 2024, ECAI, arXiv:2401.09257, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, BilevelBalancer, Lookahead
from models.balancing.math.newton import minimize_on_simplex
from models.balancing.math.state import task_variables
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Forum(Balancing):
    """Reduces every task's loss on held-out rows (upper level), while the weighted training loss
    (lower level) approaches what a few inner steps could reach. First derivatives only.

    One half of each batch is for each level, as in the official code. State: a logit, a share and a
    weight per task. Costs, over half a batch, one backward pass per task plus `inner_steps`, and
    memory for one gradient per task.

    The update minimises each upper loss, divided by its gradient's norm and multiplied by its
    share, plus a multiple of the lower loss. The shares solve the dual of the paper's problem and
    are averaged over steps. Differences from the paper: the update takes both losses over the whole
    batch (equal in expectation). Logits take steps of `learning_rate` times their derivative over
    its mean magnitude, where the official code uses Adam.

    rho: how fast the lower loss must approach its goal. inner_steps: steps that compute this goal.
    inner_rate: learning rate of the inner steps.
    """

    name: Literal["forum"] = "forum"
    rho: Annotated[float, Field(gt=0)] = 0.1
    inner_steps: Annotated[int, Field(ge=1)] = 5
    inner_rate: Annotated[float, Field(gt=0)] = 0.1
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> BilevelBalancer:
        return ForumBalancer(targets, self)


class ForumBalancer(WeightedLosses, BilevelBalancer):
    """logits: [tasks], of the lower-level weights. averaged: [tasks], shares of the upper losses.
    steps: [tasks], steps in which a task was present. learned: [tasks], weights of the next step.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: Forum) -> None:
        super().__init__(targets)
        self.method = method
        (self.learned,) = task_variables(self.num_tasks, "learned", value=1.0)
        others = task_variables(self.num_tasks, "logits", "averaged", "steps")
        self.logits, self.averaged, self.steps = others
        self.variables = [*others, self.learned]

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        return keras.ops.convert_to_tensor(self.learned)

    def update_weights(self, lookahead: Lookahead) -> None:
        ops = keras.ops
        task_weights = self.task_weights()
        before, in_training = lookahead.losses(lookahead.TRAINING)
        _, in_validation = lookahead.losses(lookahead.VALIDATION)
        present = in_training * in_validation
        lower_weights = softmax_over_present(self.logits, present)
        lower = lookahead.gradient(lookahead.TRAINING, task_weights * lower_weights)
        after = self._inner_losses(lookahead, task_weights * lower_weights, lower)
        gap = task_weights * (before - after)
        by_logit = lower_weights * (gap - ops.sum(lower_weights * gap))

        gradients = lookahead.task_gradients(lookahead.VALIDATION)
        norms = ops.sqrt(ops.sum(gradients**2, axis=1))
        unit = gradients / ops.maximum(norms, 1e-30)[:, None]
        inner = ops.matmul(unit, lower)
        lower_square = ops.sum(lower**2) + ops.sum(by_logit**2) + 1e-8
        shares = self._shares(ops.matmul(unit, ops.transpose(unit)), inner, lower_square, present)
        self.steps.assign_add(present)
        rate = present * ops.maximum(self.steps, 1.0) ** -0.75
        self.averaged.assign_add(rate * (shares - self.averaged))
        mixture = present * self.averaged
        mixture /= ops.maximum(ops.sum(mixture), 1e-30)

        push = ops.maximum(self.method.rho - ops.sum(mixture * inner) / lower_square, 0.0)
        weights = mixture / ops.maximum(norms, 1e-30) + push * lower_weights
        self.learned.assign(ops.where(present > 0, weights, self.learned))
        step = push * by_logit
        mean = ops.sum(ops.abs(step)) / ops.maximum(ops.sum(present), 1.0)
        step /= ops.where(mean > 0, mean, 1.0)
        self.logits.assign_sub(self.method.learning_rate * present * step)

    def _inner_losses(self, lookahead: Lookahead, weights: Tensor, gradient: Tensor) -> Tensor:
        """Training losses [tasks] after the inner steps; `gradient` is that of the first step."""
        shift = -self.method.inner_rate * gradient
        for _ in range(self.method.inner_steps - 1):
            with lookahead.shifted(shift):
                gradient = lookahead.gradient(lookahead.TRAINING, weights)
            shift -= self.method.inner_rate * gradient
        with lookahead.shifted(shift):
            losses, _ = lookahead.losses(lookahead.TRAINING)
        return losses

    def _shares(
        self, gramian: Tensor, inner: Tensor, lower_square: Tensor, present: Tensor
    ) -> Tensor:
        """The x [tasks] on the simplex that minimises, together with the best p >= 0, |x @ unit + p
        * lower|² / 2 - p * rho * lower_square.

        gramian: of the unit gradients. inner: their inner products with the gradient `lower`.
        lower_square: its squared norm.
        """
        ops = keras.ops
        tensors = gramian, inner, lower_square, present
        gramian, inner, lower_square, members = (ops.cast(x, "float64") for x in tensors)

        def derivatives(x: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            push = ops.maximum(self.method.rho - ops.sum(x * inner) / lower_square, 0.0)
            pushes = ops.cast(push > 0, "float64")
            hessian = gramian - pushes * inner[:, None] * inner[None] / lower_square
            return ops.matmul(gramian, x) + push * inner, hessian

        return ops.cast(members * minimize_on_simplex(derivatives, members), "float32")
