"""The design of a study: arms with their controls, baselines, seeds and questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from components.training.recipe import Recipe
from components.training.settings import Training
from models.balancing.base import Balancing
from models.balancing.loss_based.equal import Equal
from models.balancing.loss_based.fixed import FixedWeights
from models.sharing.hard import Hard
from models.tasks.base import Task
from pipeline.flow import recipe
from pipeline.spec.load import SpecSource
from pipeline.spec.metrics import chosen_metrics
from pipeline.spec.sections import Spec
from pipeline.spec.study import Study
from pipeline.study.arms import ArmModel, PlannedArm, planned_arms, planned_controls, uneven_tuning
from pipeline.study.claims import Claim, claims_of
from pipeline.study.statistics import fewest_seeds


@dataclass(frozen=True)
class Design:
    """What is compared.

    arms: with controls; the reference arm is first. metrics: by task. notes: what the report says
    about the design.
    """

    spec: Spec
    settings: Study
    arms: tuple[PlannedArm, ...]
    baselines: tuple[str, ...]
    seeds: int
    metrics: Mapping[str, str]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    @property
    def reference(self) -> str:
        return self.arms[0].name

    @property
    def compared(self) -> tuple[PlannedArm, ...]:
        """The arms without the controls: those that can be recommended."""
        return tuple(a for a in self.arms if not a.control_of)

    @property
    def drawn_by(self) -> Task:
        """The task whose class proportions are kept in fractions of the training data."""
        return next(iter(self.spec.tasks.values()))


def design(source: SpecSource) -> Design:
    """The design of the study in a spec file.

    Raises:
        RootstockError: the spec or an arm is invalid.
    """
    spec = source.of_one_model()
    settings, arms = spec.study, planned_arms(source)
    controls, notes = planned_controls(arms, settings)
    seeds = settings.seeds or fewest_seeds(len(spec.tasks), settings.alpha)
    planned = (*arms, *controls)
    metrics = chosen_metrics(spec, "study", settings.metrics)
    claims = tuple(claims_of(planned, settings.baselines))
    notes = [*uneven_tuning(arms), *notes]
    if spec.data.key and min(settings.fractions) < 1:
        notes.append(
            "fractions below 1 draw training rows, not groups (`data.key`), so they have rows of"
            " most groups: learning curves say little about fewer groups"
        )
    return Design(spec, settings, planned, settings.baselines, seeds, metrics, claims, tuple(notes))


def model_recipe(arm: PlannedArm, model: ArmModel, training: Training, seed: int) -> Recipe:
    """The recipe of one model of an arm, without the settings that concern other tasks."""
    tasks = tuple(arm.spec.tasks[name] for name in model.tasks)
    stopping, own = training.early_stopping, tuple(f"val_{name}_" for name in model.tasks)
    if stopping is not None and not stopping.monitor.startswith(own):
        stopping = replace(stopping, monitor="val_loss")
    sampling = training.sampling.narrowed(model.tasks)
    alone = len(tasks) == 1
    return replace(
        recipe(arm.spec),
        tasks=tasks,
        sharing=Hard() if alone else arm.spec.model.sharing,
        balancing=Equal() if alone else _narrowed(arm.spec.model.balancing, model.tasks),
        training=replace(
            training, early_stopping=stopping, gradient_figures=False, sampling=sampling
        ),
        seed=seed,
    )


def _narrowed(balancing: Balancing, tasks: tuple[str, ...]) -> Balancing:
    if not isinstance(balancing, FixedWeights):
        return balancing
    return replace(balancing, weights={t: w for t, w in balancing.weights.items() if t in tasks})
