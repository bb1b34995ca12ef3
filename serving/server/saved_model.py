"""One version of a model in memory: a SavedModel in a TensorFlow session, as in TF Serving."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np

from serving.interface import Answer, Field, Interface, read_interface
from serving.server import tensorflow_core
from serving.server.batching import Batcher
from serving.wire.errors import Code, ServingError, invalid
from serving.wire.names import DEFAULT_SIGNATURE
from serving.wire.tensors import STRING, data_type, short_name, to_numpy

_log = logging.getLogger(__name__)
_CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
_CALLING_THREAD = -1
"""A value of `RunOptions.inter_op_thread_pool`: run operations on the thread that calls."""
_Key = tuple[str, tuple[str, ...], bool]
"""Signature, outputs, and whether operations run on the calling thread."""


class SavedModel:
    """A loaded SavedModel. Safe to use from many threads.

    signatures: its `SignatureDef`s by name. all_signatures: also those that TensorFlow itself uses.
    interface: what its inputs and outputs mean.
    """

    def __init__(self, path: Path, batcher: Batcher | None = None) -> None:
        """Load variables, tables and assets.

        batcher: runs requests together if all tensors of their signature have a batch axis.

        Raises:
            ServingError: the directory holds no SavedModel that this TensorFlow can serve.
        """
        tensorflow_core.load()
        with _tensorflow_errors():
            self._session, graph = _load(path)
        self.all_signatures: Mapping[str, Any] = dict(graph.signature_def.items())
        self.signatures: Mapping[str, Any] = {
            name: signature
            for name, signature in self.all_signatures.items()
            if not name.startswith("__saved_model_")
        }
        self.interface = _interface(path, self.signatures)
        self._types = {
            name: {key: info.dtype for key, info in s.inputs.items()}
            for name, s in self.signatures.items()
        }
        self._batcher = batcher
        self._batched = {name for name, s in self.signatures.items() if _has_batch_axis(s)}
        self._callables: dict[_Key, Any] = {}
        self._wanted: dict[_Key, Thread] = {}
        self._preparing = {False: Lock(), True: Lock()}
        self._running = 0
        self._counting = Lock()

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Run a signature.

        Args:
            signature: its name.
            inputs: an array for each input of the signature that has no default; strings as
                objects, bytes or str. Their shapes are the model's affair, as in TF Serving.
            outputs: the outputs to compute; all if empty.

        Raises:
            ServingError: FAILED_PRECONDITION: there is no such signature. INVALID_ARGUMENT: inputs
                that do not fit it. Otherwise the code of TensorFlow's error.
        """
        if signature not in self.signatures:
            message = f'Serving signature key "{signature}" not found.'
            raise ServingError(Code.FAILED_PRECONDITION, message)
        definition = self.signatures[signature]
        names = sorted(definition.inputs)
        types = self._types[signature]
        if inputs.keys() != types.keys():
            inputs = _with_defaults(definition, inputs)
        if any(data_type(array) != types[name] for name, array in inputs.items()):
            raise _wrong_types(definition.inputs, inputs)
        fetches = _check_outputs(definition.outputs, outputs)

        def run(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
            with _tensorflow_errors(), self._counted_run() as all_cores_busy:
                outputs = self._callable(signature, names, fetches, all_cores_busy)(*arrays)
                return [_array(output) for output in outputs]

        arrays = [inputs[name] for name in names]
        if (
            self._batcher is not None
            and signature in self._batched
            and _are_batches(arrays, [definition.inputs[name].tensor_shape for name in names])
        ):
            key = (id(self), signature, fetches, tuple(array.shape[1:] for array in arrays))
            return dict(zip(fetches, self._batcher(key, arrays, run), strict=True))
        return dict(zip(fetches, run(arrays), strict=True))

    def input_types(self, signature: str) -> Mapping[str, int]:
        """The DataTypes of the inputs of a signature, by name."""
        return self._types[signature]

    def close(self) -> None:
        """Free it. No call may be running."""
        for thread in self._wanted.values():
            thread.join()
        self._session.close()

    @contextmanager
    def _counted_run(self) -> Iterator[bool]:
        """Count the block as a run; whether there are now at least as many runs as cores."""
        with self._counting:
            self._running += 1
            all_cores_busy = self._running >= _CORES
        try:
            yield all_cores_busy
        finally:
            with self._counting:
                self._running -= 1

    def _callable(
        self, signature: str, names: Sequence[str], fetches: tuple[str, ...], busy: bool
    ) -> Any:
        """The session's callable for these inputs and outputs: 7 times as fast as `Session.run`.

        It spreads operations over TensorFlow's threads. If no core is free, one that runs them on
        the calling thread gives a third more small runs per second. TensorFlow optimises the graph
        anew for each, which takes a while (a second for a model that reads texts and images). So
        the second is made when first wanted, beside the requests, which do not wait for it.
        """
        spread = self._made((signature, fetches, False), names)
        if not busy:
            return spread
        key = (signature, fetches, True)
        if (on_this_thread := self._callables.get(key)) is not None:
            return on_this_thread
        with self._counting:
            if key not in self._wanted:
                self._wanted[key] = Thread(target=self._made, args=(key, names), daemon=True)
                self._wanted[key].start()
        return spread

    def _made(self, key: _Key, names: Sequence[str]) -> Any:
        from tensorflow.core.protobuf import config_pb2

        if (found := self._callables.get(key)) is not None:
            return found
        signature, fetches, on_this_thread = key
        with self._preparing[on_this_thread]:
            if key not in self._callables:
                definition = self.signatures[signature]
                options = config_pb2.CallableOptions()
                options.feed.extend(definition.inputs[name].name for name in names)
                options.fetch.extend(definition.outputs[name].name for name in fetches)
                if on_this_thread:
                    options.run_options.inter_op_thread_pool = _CALLING_THREAD
                self._callables[key] = self._session._make_callable_from_options(options)
            return self._callables[key]


def _interface(saved_model: Path, signatures: Mapping[str, Any]) -> Interface:
    """What a SavedModel says of itself or, if another program made it, what its signature says."""
    try:
        if (found := read_interface(saved_model)) is not None:
            return found
    except (OSError, ValueError) as error:
        _log.warning("The page of this model shows types only: %s", error)
    if DEFAULT_SIGNATURE not in signatures:
        return Interface((), ())
    signature = signatures[DEFAULT_SIGNATURE]
    return Interface(
        tuple(
            Field(name=name, asks="text" if signature.inputs[name].dtype == STRING else "number")
            for name in sorted(signature.inputs)
        ),
        tuple(Answer(name=name) for name in sorted(signature.outputs)),
    )


def _load(path: Path) -> tuple[Any, Any]:
    """A new session and the `MetaGraphDef` loaded into it."""
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.client.session import Session
    from tensorflow.python.framework import errors_impl, ops
    from tensorflow.python.saved_model.loader_impl import SavedModelLoader

    config = config_pb2.ConfigProto(gpu_options=config_pb2.GPUOptions(allow_growth=True))
    # one round of graph optimisation, not two: most of the time until the first answer
    rewriting = config.graph_options.rewrite_options
    rewriting.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE

    def attempt() -> tuple[Any, Any]:
        graph = ops.Graph()
        session = Session(graph=graph, config=config)
        with graph.as_default():
            return session, SavedModelLoader(str(path)).load(session, ["serve"])

    try:
        return attempt()
    except errors_impl.NotFoundError as error:
        if "Op type not registered" in str(error) and tensorflow_core.load_text_operations():
            return attempt()
        raise


def _has_batch_axis(signature: Any) -> bool:
    """Whether the first axis of all tensors is of unknown size; it is then taken as the batch."""
    tensors = [*signature.inputs.values(), *signature.outputs.values()]
    shapes = [tensor.tensor_shape for tensor in tensors]
    return all(s.dim and s.dim[0].size == -1 and not s.unknown_rank for s in shapes)


def _are_batches(arrays: Sequence[np.ndarray], shapes: Sequence[Any]) -> bool:
    """Whether arrays fit the signature and have equally many rows.

    If they do not, they are run alone: the model may take them, or TensorFlow reports the error.
    """
    fit = all(
        array.ndim == len(shape.dim)
        and all(d.size in (-1, n) for d, n in zip(shape.dim, array.shape, strict=True))
        for array, shape in zip(arrays, shapes, strict=True)
    )
    return fit and bool(arrays) and len(arrays[0]) > 0 and len({len(a) for a in arrays}) == 1


def _with_defaults(definition: Any, received: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs of a request and, for those it lacks, the defaults of the signature."""
    expected, defaults = definition.inputs.keys(), definition.defaults
    if len(received) > len(expected) or (len(received) < len(expected) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(received)}!={len(expected)} "
            f"len({{{_list(received)}}}) != len({{{_list(expected)}}}). "
            f"Sent extra: {{{_list(received.keys() - expected)}}}. "
            f"Missing but required: {{{_list(expected - received.keys())}}}."
        )
    for name in sorted(expected - received.keys() - defaults.keys()):
        raise invalid(
            f"Signature input alias: {name}(feed name: {definition.inputs[name].name}) not found "
            "in request and no default value provided. Inputs expected to be in the request "
            f"{{{_list(received)}}}, or default input alias set: {_list(defaults)}"
        )
    if not received.keys() <= expected:
        used = _list(received.keys() & expected)
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {used}, "
            f"request input: {_list(received)}"
        )
    missing = expected - received.keys()
    return {**received, **{name: to_numpy(defaults[name]) for name in missing}}


def _wrong_types(expected: Mapping[str, Any], received: Mapping[str, np.ndarray]) -> ServingError:
    """The error of TensorFlow for the first input of another type than the model's."""
    by_tensor = sorted(expected, key=lambda name: str(expected[name].name))
    types = [(name, expected[name].dtype, data_type(received[name])) for name in by_tensor]
    position = next(i for i, (_, wanted, actual) in enumerate(types) if actual != wanted)
    name, wanted, actual = types[position]
    return invalid(
        f"Expects arg[{position}] to be {short_name(wanted)} but {short_name(actual)} is provided "
        f"(input {name!r})"
    )


def _array(output: Any) -> np.ndarray:
    """An output as an array: TensorFlow gives scalars as NumPy scalars, and strings as bytes."""
    if isinstance(output, bytes):
        scalar = np.empty((), object)
        scalar[()] = output
        return scalar
    return np.asarray(output)


def _check_outputs(available: Mapping[str, Any], chosen: Sequence[str]) -> tuple[str, ...]:
    for name in chosen:
        if name not in available:
            raise invalid(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{_list(available)}}}."
            )
    if len(set(chosen)) < len(chosen):
        repeated = next(name for name in chosen if chosen.count(name) > 1)
        raise invalid(f"duplicate output tensor alias: {repeated}")
    return tuple(chosen) or tuple(sorted(available))


def _list(names: Any) -> str:
    return ",".join(sorted(names))


@contextmanager
def _tensorflow_errors() -> Iterator[None]:
    """Raise TensorFlow's errors as ServingError, without the stack of the graph's construction."""
    from tensorflow.python.framework import errors_impl

    try:
        yield
    except errors_impl.OpError as error:
        message = str(error.message).split("\n\nOriginal stack trace")[0].strip()
        raise ServingError(Code(error.error_code), message) from None
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise invalid(str(error)) from None
