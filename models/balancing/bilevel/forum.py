"""FORUM (Ye, Lin, Cao, Zhang and Tsang 2024, ECAI, arXiv:2401.09257, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, Probe, TwoLevelBalancer
from models.balancing.math.newton import on_simplex
from models.balancing.math.weighted_sum import WeightedLosses, shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class Forum(Balancing):
    """Lowers every task's loss on some rows, while the weighted loss on others, under weights that
    are learned, comes near what a few steps would make of it: first derivatives alone.

    Half of every batch is learned from and the other half judges, as in the authors' code. The
    update is one of a weighted loss: a share of each judged loss, divided by the length of its
    gradient, and a multiple of the lower loss. Both are taken over the whole batch here, where the
    paper takes each over its half; their expectations are the same. Shares minimise the dual of the
    paper's problem and are averaged over steps. The logits of the lower weights take steps of
    `learning_rate` times their derivative divided by its mean size, where the authors use Adam.
    State: a logit, a share and a weight per task. Costs, over half a batch, a backward pass per
    task and `inner_steps` more, and memory for a gradient per task.

    rho: how fast the lower loss has to come near. inner_steps, inner_rate: of the steps that say
        what could be reached.
    """

    __pydantic_config__ = STRICT
    name: Literal["forum"] = "forum"
    rho: Annotated[float, Field(gt=0)] = 0.1
    inner_steps: Annotated[int, Field(ge=1)] = 5
    inner_rate: Annotated[float, Field(gt=0)] = 0.1
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> TwoLevelBalancer:
        return ForumBalancer(targets, self)


class ForumBalancer(WeightedLosses, TwoLevelBalancer):
    """See `Forum`. logits, averaged, learned: [tasks]: of the lower weights, the shares of judged
    losses, and what the next step takes. steps: [tasks], in which a task was present.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], method: Forum) -> None:
        super().__init__(targets)
        self.method = method

        def state(name: str, initializer: str) -> keras.Variable:
            return keras.Variable(
                initializer, shape=(len(targets),), trainable=False, name=name, dtype="float32"
            )

        self.logits, self.averaged = state("logits", "zeros"), state("averaged", "zeros")
        self.steps, self.learned = state("steps", "zeros"), state("learned", "ones")
        self.variables = [self.logits, self.averaged, self.steps, self.learned]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.convert_to_tensor(self.learned)

    def look(self, probe: Probe) -> None:
        ops = keras.ops
        own = ops.convert_to_tensor(self.task_weights, "float32")
        before, learned = probe.losses(0)
        _, judged = probe.losses(1)
        present = learned * judged
        share = shares(self.logits, present)
        lower = probe.gradient(0, own * share)
        gap = own * (before - self._reached(probe, own * share, lower))
        by_logit = share * (gap - ops.sum(share * gap))
        gradients = probe.gradients(1)
        length = ops.sqrt(ops.sum(gradients**2, axis=1))
        unit = gradients / ops.maximum(length, 1e-30)[:, None]
        along = ops.matmul(unit, lower)
        size = ops.sum(lower**2) + ops.sum(by_logit**2) + 1e-8
        shared = self._shares(ops.matmul(unit, ops.transpose(unit)), along, size, present)
        self.steps.assign_add(present)
        pace = present * ops.maximum(self.steps, 1.0) ** -0.75
        self.averaged.assign_add(pace * (shared - self.averaged))
        mixture = present * self.averaged
        mixture /= ops.maximum(ops.sum(mixture), 1e-30)
        push = ops.maximum(self.method.rho - ops.sum(mixture * along) / size, 0.0)
        taken = mixture / ops.maximum(length, 1e-30) + push * share
        self.learned.assign(ops.where(present > 0, taken, self.learned))
        step = push * by_logit
        mean = ops.sum(ops.abs(step)) / ops.maximum(ops.sum(present), 1.0)
        step /= ops.where(mean > 0, mean, 1.0)
        self.logits.assign_sub(self.method.learning_rate * present * step)

    def _reached(
        self, probe: Probe, weights: keras.KerasTensor, slope: keras.KerasTensor
    ) -> keras.KerasTensor:
        """The losses [tasks] after the inner steps, of which `slope` is the first."""
        moved = -self.method.inner_rate * slope
        for _ in range(self.method.inner_steps - 1):
            with probe.moved(moved):
                slope = probe.gradient(0, weights)
            moved -= self.method.inner_rate * slope
        with probe.moved(moved):
            losses, _ = probe.losses(0)
        return losses

    def _shares(
        self,
        gramian: keras.KerasTensor,
        along: keras.KerasTensor,
        size: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """The x [tasks] on the simplex with the smallest |x @ unit + p * lower|² / 2 - p * rho *
        size, for the p >= 0 that is best for it.

        gramian: of the unit gradients; along: their inner products with the lower loss's, and size
        its squared length.
        """
        ops = keras.ops
        gramian, along, size, members = (
            ops.cast(x, "float64") for x in (gramian, along, size, present)
        )

        def derivatives(
            x: keras.KerasTensor, _: keras.KerasTensor
        ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
            push = ops.maximum(self.method.rho - ops.sum(x * along) / size, 0.0)
            pushed = ops.cast(push > 0, "float64")
            curvature = gramian - pushed * along[:, None] * along[None] / size
            return ops.matmul(gramian, x) + push * along, curvature

        return ops.cast(members * on_simplex(derivatives, members), "float32")
