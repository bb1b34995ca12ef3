"""Which operations of a SavedModel TensorFlow Serving does not have.

It has the operations of TensorFlow's core and of TensorFlow Text. So has a process that loads
TensorFlow's runtime and the libraries of TensorFlow Text, and no Python that could register more.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

IN_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
"""They call the Python process that made the graph."""
LISTING = """\
from serving.server import tensorflow_core
tensorflow_core.prepare()
tensorflow_core.load()
assert tensorflow_core.load_text_operations(), "TensorFlow Text is not installed"
from tensorflow.python.framework.kernels import get_all_registered_kernels
kernels = get_all_registered_kernels().kernel
print(*{k.op for k in kernels if k.device_type in ("CPU", "DEFAULT")})
"""


def not_served(saved_model: Path) -> set[str]:
    """Operations of a SavedModel that TF Serving has no CPU kernel for."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    proto = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    return {op for graph in proto.meta_graphs for op in not_served_of(graph.graph_def)}


def not_served_of(graph: GraphDef) -> set[str]:
    """As `not_served`, of a graph with all its functions."""
    library = graph.library.function
    nodes = [*graph.node, *(node for f in library for node in f.node_def)]
    used = {n.op for n in nodes} - {f.signature.name for f in library}
    assert used
    return used - _served()


@cache
def _served() -> set[str]:
    command = [sys.executable, "-c", LISTING]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(done.stdout.split()) - IN_PYTHON
