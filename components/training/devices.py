"""The devices that train a model together. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import RootstockError
from components.training.dataset import SEED_OF_REPLICA
from components.training.workers import joined, while_all_are_there
from models.lazy import keras, tf
from models.multitask import replicas

if TYPE_CHECKING:
    from components.training.settings import ChosenTraining, DevicesOf
    from models.multitask.adaptation import Adaptation
    from models.multitask.model import MultitaskModel


class Devices:
    """Replicas of a model, one on each device of each worker process.

    A model must be built, changed and read within `scope`, and steps run by `step`.

    count: number of replicas. own: the numbers of those of this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        """strategy: None for one device."""
        self.strategy = strategy
        self.count, self.own = 1, range(1)
        if strategy is not None:
            self.count = int(strategy.num_replicas_in_sync)
            local = len(strategy.extended.worker_devices)
            first = local * int(getattr(strategy.extended, "_id_in_cluster", 0))
            self.own = range(first, first + local)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints."""
        return self.own.start == 0

    def scope(self) -> AbstractContextManager[object]:
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def step(self, step: Callable[[Any], object], xla: bool = False) -> Callable[[Any], object]:
        """A function that runs a step on a batch of `dataset`, called in a graph.

        xla: compile it; on one device only.
        """
        if self.strategy is None:
            options = {"reduce_retracing": True, "autograph": False, "jit_compile": xla or None}
            graph: Callable[[Any], object] = tf.function(step, **options)
            return graph
        strategy, own = self.strategy, self.own

        def everywhere(batch: Any) -> None:
            parts = (batch,) if len(own) == 1 else batch

            def one() -> None:
                step(parts[replicas.index() - own.start])

            strategy.run(one)

        return everywhere

    def number_of_chief(self, number: int) -> int:
        """The number that the chief gives; all workers call this at the same point."""
        return int(self._of_chief(np.array([number], np.int64))[0])

    def bytes_of_chief(self, content: bytes) -> bytes:
        """What the chief gives; all workers call this at the same point."""
        if len(self.own) == self.count:
            return content
        size = self.number_of_chief(len(content))
        words = np.zeros(-(-size // 4) * 4, np.uint8)
        words[: len(content)] = np.frombuffer(content, np.uint8)
        return self._of_chief(words.view(np.int32)).tobytes()[:size] if size else b""

    def _of_chief(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers [n], the same n everywhere: those of replica 0."""
        if self.strategy is None or len(self.own) == self.count:
            return values
        strategy = self.strategy

        def sent(own: tf.Tensor) -> tf.Tensor:
            return replicas.total(own if replicas.index() == 0 else tf.zeros_like(own))

        with while_all_are_there():
            result = strategy.run(tf.function(sent, autograph=False), (tf.constant(values),))
        return np.asarray(strategy.experimental_local_results(result)[0])

    def first(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that computes tensors without training, from the weights of one replica."""
        if self.strategy is None:
            return function
        strategy = self.strategy

        def on_one(*args: Any) -> Any:
            results = strategy.run(function, args)
            return tf.nest.map_structure(
                lambda x: strategy.experimental_local_results(x)[0], results
            )

        return on_one

    def prepare(self, model: MultitaskModel) -> Callable[[], None]:
        """Make layers of a fresh model compute what they would on one device.

        Batch normalisation takes its statistics from the whole batch. Returns a function that gives
        layers that draw numbers, such as dropout, other numbers in each replica; to be called
        after the state of training was restored.
        """
        if self.strategy is None:
            return lambda: None
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        balancing = {id(v) for v in model.balancer.variables}  # draws the same everywhere
        seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
        states = [(v, int(np.asarray(v)[0])) for v in seeds if id(v) not in balancing]
        strategy = self.strategy

        def separate() -> None:
            for v, seed in states:
                own = tf.constant(seed + SEED_OF_REPLICA * replicas.index(), v.value.dtype)
                v.assign(tf.stack([own, v.value[1]]))

        return lambda: strategy.run(tf.function(separate, autograph=False))


ONE_DEVICE = Devices()


def devices_for(wanted: DevicesOf, alone: bool = False) -> Devices:
    """The devices of a training: those of all workers, if this process is one of several.

    alone: whether something of it runs on one device only; then `auto` takes one.
    """
    if (strategy := joined()) is not None:
        return Devices(strategy)
    gpus = tf.config.list_logical_devices("GPU")
    found = gpus or tf.config.list_logical_devices("CPU")
    many = len(found) > 1 and (wanted == "all" or (wanted == "auto" and bool(gpus) and not alone))
    return Devices(_mirrored(tuple(d.name for d in found))) if many else ONE_DEVICE


@cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One strategy for all trainings of a process: a second one would number its sums from the
    beginning again, and TensorFlow would take them for those of the first.
    """
    return tf.distribute.MirroredStrategy(devices)


def check_devices(devices: Devices, training: ChosenTraining, adaptation: Adaptation) -> None:
    """Check that the settings fit several devices.

    Raises:
        RootstockError: they do not.
    """
    if devices.count == 1:
        return
    what = f"{devices.count} devices train together"
    own = len(devices.own) == devices.count
    cure = "set training.devices: one" if own else "train in one process"
    if training.xla:
        raise RootstockError(
            f"training.xla compiles the step of one device, but {what}. Remove it, or {cure}."
        )
    if adaptation.pairs is not None:
        raise RootstockError(
            f"model.transfer trains the trunk on pairs, which one device does, but {what}."
            f" {cure.capitalize()}."
        )
    if training.seconds is not None and not own:
        raise RootstockError(
            "training.seconds: workers have clocks of their own, and all must end with the same"
            f" step, but {what}. State training.epochs instead."
        )
    if training.batch_size < devices.count:
        raise RootstockError(
            f"training.batch_size: {what}, so each step needs at least as many rows. Received:"
            f" {training.batch_size}. Raise it, or {cure}."
        )
