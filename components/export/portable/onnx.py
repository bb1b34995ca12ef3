"""ONNX, in float32."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.errors import RootstockError
from components.export.portable.base import Arrays, Core, PortableFormat, Runtime

OPSET = 18


@dataclass(frozen=True, kw_only=True)
class Onnx(PortableFormat):
    """An `.onnx` file of standard operations (opset 18), for any batch size."""

    file = "model.onnx"
    modules = ("onnx", "onnxruntime", "tf2onnx")
    extra = "onnx"
    name: Literal["onnx"] = "onnx"

    def write(self, core: Core, rows: Arrays, file: Path) -> None:
        onnx, tf2onnx = importlib.import_module("onnx"), importlib.import_module("tf2onnx")
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what is wrong is checked below
        function = core.function(batch=None)
        model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
        known = {"", *(o.domain for o in model.opset_import if o.domain)}
        lacking = sorted(
            {
                node.op_type
                for node in model.graph.node
                if node.domain in known and not onnx.defs.has(node.op_type, node.domain)
            }
        )
        if lacking:
            raise RootstockError(
                f"export.formats: onnx: ONNX lacks operations of this model: {', '.join(lacking)}."
                " Leave the format out, or choose another trunk."
            )
        for tensor in (*model.graph.input, *model.graph.output):
            dimensions = tensor.type.tensor_type.shape.dim
            if dimensions and not dimensions[0].HasField("dim_value"):
                dimensions[0].dim_param = "batch"
        model.producer_name, model.graph.name = "rootstock", "core"
        file.write_bytes(model.SerializeToString(deterministic=True))

    def load(self, file: Path) -> Runtime:
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))
