"""Worker of `gpu_peers.py`: what our parts compute on one platform of JAX, as numbers by name.

    JAX_PLATFORMS=cpu|cuda python gpu_peers_agreement.py numbers|steps FILE [PART PARTS]

numbers: losses, heads, trunks, sharing schemes and balancing methods, from tests/keras_on_jax.py.
steps: raw outputs, and all variables after two training steps with SGD, for every balancing method
with hard sharing and for every sharing scheme with plain sums, on columns and on images. Products
of matrices have the highest precision. PART of PARTS: every PARTS-th model from number PART on.
FILE is written again after every model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from gpu_peers_step import JaxStep

from models.balancing.base import Balancing
from models.discovery import methods
from models.lazy import keras
from models.multitask.parts import MultitaskParts
from models.sharing.base import Sharing
from models.sharing.hard import Hard
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch
from tests import keras_on_jax as parts

STEPS = 2


def models() -> Iterator[tuple[str, tuple[Any, ...], Sharing, Balancing]]:
    balancing = methods("models.balancing", Balancing)
    for name, method in balancing.items():
        yield f"step {name}", parts.COLUMNS, Hard(), method()
    for name, scheme in methods("models.sharing", Sharing).items():
        for what, features in (("columns", parts.COLUMNS), ("images", parts.IMAGES)):
            yield f"step {name} {what}", features, scheme(), balancing["equal"]()


def lowered(features: tuple[Any, ...], sharing: Sharing, balancing: Balancing) -> Any:
    """The steps, and their arguments."""
    keras.utils.set_random_seed(0)
    trunk = Scratch(width=8, dropout=0, image=ResidualConvnet(widths=(4, 6)))
    model = MultitaskParts(features, parts.TASKS, trunk, sharing, balancing)
    rng = np.random.default_rng(1)
    for v in model.trainable_variables:
        v.assign(rng.uniform(-0.5, 0.5, v.shape).astype(np.float32) + (len(v.shape) < 2))
    step = JaxStep(model, keras.optimizers.SGD(0.05))
    x = {f.name: keras.ops.convert_to_tensor(parts.X[f.name]) for f in features}
    labels = rng.integers(0, 2, (3, 6)).astype(np.float32)
    labels[2, ::2] = np.nan
    y = {
        t.name: keras.ops.convert_to_tensor(row) for t, row in zip(parts.TASKS, labels, strict=True)
    }

    def steps(state: Any) -> Any:
        found = [step.outputs(state, x)]
        for _ in range(STEPS):
            state, objective = step(state, x, y)
            found.append(objective)
        return found, state

    return jax.jit(steps).lower(step.state), step.state


def values(program: Any, state: Any) -> list[float]:
    leaves = jax.tree.leaves(program.compile()(state))
    arrays = [np.asarray(leaf, np.float64).reshape(-1) for leaf in leaves]
    return [float(x) for x in np.concatenate(arrays)]


def main() -> None:
    what, file = sys.argv[1], Path(sys.argv[2])
    part, of = map(int, sys.argv[3:5] or (0, 1))
    jax.config.update("jax_default_matmul_precision", "highest")
    found: dict[str, list[float] | str] = {}

    def keep(name: str, result: list[float] | str) -> None:
        found[name] = result
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(found))
        beside.replace(file)  # never half a file, if this process is stopped

    if what == "numbers":
        with jax.enable_x64(True):
            for tested in (parts.heads, parts.layers, parts.balancing):
                for name, tensors in tested():
                    arrays = [np.asarray(t, np.float64).reshape(-1) for t in tensors]
                    keep(name, [float(x) for x in np.concatenate(arrays)])
        return
    with ThreadPoolExecutor(4) as pool:
        waiting = []
        for name, *model in islice(models(), part, None, of):
            try:
                waiting.append((name, pool.submit(values, *lowered(*model))))
            except Exception as e:
                keep(name, f"{type(e).__name__}: {e}"[:500])
        for name, future in waiting:
            try:
                keep(name, future.result())
            except Exception as e:
                keep(name, f"{type(e).__name__}: {e}"[:500])


if __name__ == "__main__":
    main()
