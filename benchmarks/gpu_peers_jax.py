"""Worker of `gpu_peers.py`: our models on Keras's JAX backend.

One thread builds and traces; others compile, while the first goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from gpu_peers_cases import Work, Worker
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


def traced(work: Work) -> tuple[Any, Any, list[Any]]:
    """The lowered step, its state, and batches on the device."""
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
    columns, labels = case.columns(), case.labels()
    batches = []
    for start in range(0, case.rows, case.batch):
        rows = slice(start, start + case.batch)
        features = {name: jax.device_put(x[rows]) for name, x in columns.items()}
        answers = {t: jax.device_put(labels[rows, i]) for i, t in enumerate(names)}
        batches.append((features, answers))
    lowered = jax.jit(step, donate_argnums=0).lower(step.state, *batches[0])
    return lowered, step.state, batches


def made(
    lowered: Any, state: Any, batches: list[Any]
) -> tuple[Callable[[int], float], dict[str, object]]:
    compiled = lowered.compile()
    costs = compiled.cost_analysis() or {}
    held = [state]

    def run(steps: int) -> float:
        state = held.pop()
        for i in range(steps):
            state, objective = compiled(state, *batches[i % len(batches)])
        held.append(state)
        jax.block_until_ready((state, objective))
        return float(objective)

    about = {"flops": costs.get("flops"), "bytes": costs.get("bytes accessed")}
    return run, about


def prepare(worker: Worker) -> None:
    with ThreadPoolExecutor(8) as pool:
        for work in worker.in_time():
            try:
                parts = traced(work)
            except Exception as e:  # the others shall still be measured
                worker.say(failed=work.key, error=f"{type(e).__name__}: {e}"[:2000])
            else:
                pool.submit(worker.prepare, lambda _, parts=parts: made(*parts), work)
    worker.say(done=True)


def main() -> None:
    worker = Worker()
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    worker.say(about=str(jax.devices()[0].device_kind), jax=jax.__version__)
    threading.Thread(target=prepare, args=[worker], daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()
