"""Worker of `gpu_peers.py`: our models on Keras's JAX backend."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from gpu_peers_cases import TOGETHER, Work, Worker
from gpu_peers_step import JaxStep
from speed_peers_nets import features_of, trunk_of

from models.balancing.base import Balancing
from models.discovery import methods
from models.lazy import keras
from models.multitask.parts import MultitaskParts
from models.multitask.planning import _freeze_statistics
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask


def made(work: Work) -> tuple[Callable[[int], float], dict[str, object]]:
    """One call of the compiled function takes a step with each batch on the device."""
    case = work.case
    policy = "mixed_bfloat16" if work.dtype == "bfloat16" else "float32"
    keras.config.set_dtype_policy(policy)
    names = [f"t{i}" for i in range(case.tasks)]
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in names)
    balancing = methods("models.balancing", Balancing)[work.balancing]()
    model = MultitaskParts(features_of(case), targets, trunk_of(case), Hard(), balancing)
    if case.fine_tuned:
        _freeze_statistics(model.trunk)
    step = JaxStep(model, keras.optimizers.Adam(1e-3))

    def by_batch(x: np.ndarray) -> jax.Array:
        return jax.device_put(x.reshape(TOGETHER, case.batch, *x.shape[1:]))

    features = {name: by_batch(x) for name, x in case.columns().items()}
    labels = {t: by_batch(case.labels()[:, i].copy()) for i, t in enumerate(names)}

    def steps(state: object, features: object, labels: object) -> object:
        return jax.lax.scan(lambda s, batch: step(s, *batch), state, (features, labels))

    lowered = jax.jit(steps, donate_argnums=0).lower(step.state, features, labels)
    compiled = lowered.compile()
    held = [step.state]

    def run(count: int) -> float:
        state = held.pop()
        for _ in range(max(1, count // TOGETHER)):
            state, objectives = compiled(state, features, labels)
        held.append(state)
        jax.block_until_ready((state, objectives))
        return float(objectives[-1])

    return run, {}


def main() -> None:
    worker = Worker()
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    worker.say(about=str(jax.devices()[0].device_kind), jax=jax.__version__)
    for work in worker.in_time():
        worker.prepare(made, work)
    worker.say(done=True)
    worker.serve()


if __name__ == "__main__":
    main()
