"""Simultaneous runs of a SavedModel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.server import saved_model
from serving.server.batching import Batcher, Batching
from serving.server.saved_model import SavedModel
from serving.signatures import SignatureInput, export
from serving.wire.errors import ServingError


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares numbers one by one, in a loop of the graph."""
    import tensorflow as tf

    def square(raw: dict[str, Any]) -> dict[str, Any]:
        return {"square": tf.map_fn(lambda x: x * x, raw["x"])}

    path = tmp_path_factory.mktemp("squares") / "saved_model"
    export(square, tf.Module(), [SignatureInput("x", "float32")], ["square"], path)
    return path


@pytest.fixture(scope="module")
def model(squares: Path) -> SavedModel:
    return SavedModel(squares)


@pytest.mark.parametrize("cores", [1, 4, 1000])
def test_simultaneous_requests_get_their_own_outputs(
    model: SavedModel, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(saved_model, "_CORES", cores)

    def ask(number: int) -> bool:
        x = np.arange(number, number + 5, dtype="float32")
        return np.array_equal(model.predict("serving_default", {"x": x})["square"], x**2)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_all_cores_are_busy_at_as_many_runs_as_cores(
    model: SavedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_model, "_CORES", 2)
    with model._counted_run() as one:
        with model._counted_run() as two:
            assert (one, two) == (False, True)
        with model._counted_run() as again:
            assert again
    with pytest.raises(KeyError), model._counted_run():
        raise KeyError
    with model._counted_run() as after:
        assert not after


def test_both_ways_to_run_give_the_same_outputs(squares: Path) -> None:
    model = SavedModel(squares)
    arguments = "serving_default", ["x"], ("square",)
    spread = model._callable(*arguments, busy=False)
    assert list(model._callables.values()) == [spread], "the other one is made when it is wanted"
    assert model._callable(*arguments, busy=True) is spread, "nobody waits for it"
    model._wanted["serving_default", ("square",), True].join()
    on_this_thread = model._callable(*arguments, busy=True)
    assert on_this_thread is not spread
    x = np.arange(6, dtype="float32")
    np.testing.assert_array_equal(spread(x), on_this_thread(x))
    model.close()


def test_other_shapes_reach_the_model_and_no_batch(exported: Path) -> None:
    batches: list[int] = []
    batching = SavedModel(exported, Batcher(Batching(rows=4), batches.append))
    text = np.array([b"a", b"bc"], object)
    for texts in (text, text[:, None], text[:0]):
        ages = np.zeros(texts.shape, np.float32)
        outputs = batching.predict("size", {"text": texts, "age": ages})
        expected = np.array([len(t) for t in texts.ravel()], np.float32).reshape(texts.shape)
        np.testing.assert_array_equal(outputs["size"], expected)
    assert batches == [2]
    with pytest.raises(ServingError, match=r"Expects arg.* to be float but string is provided"):
        batching.predict("size", {"text": text, "age": text})
    batching.close()


def test_a_scalar_is_an_array_without_axes(exported: Path) -> None:
    scalar = np.array(b"abc", object)
    outputs = SavedModel(exported).predict(
        "size", {"text": scalar, "age": np.float32(0).reshape(())}
    )
    assert outputs["size"].shape == ()
    assert outputs["size"].item() == 3.0
