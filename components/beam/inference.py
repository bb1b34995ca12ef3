"""Work on units with a model, which Beam's RunInference loads once per process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from apache_beam.ml.inference.base import ModelHandler

from components.errors import RootstockError

Item = tuple[int, Any]


class UnitHandler(ModelHandler[Item, int, Any]):  # type: ignore[misc]
    """Runs `work(item, model)` for every item. load: returns the model."""

    def __init__(self, work: Callable[..., None], load: Callable[[], Any]) -> None:
        super().__init__()
        self.work, self.load = work, load

    def load_model(self) -> Any:
        """The model, or the error of loading it, which the work on the first unit raises."""
        try:
            return self.load()
        except RootstockError as error:
            return error

    def run_inference(
        self, batch: Sequence[Item], model: Any, inference_args: dict[str, Any] | None = None
    ) -> Iterable[int]:
        for item in batch:
            self.work(item, model)
            yield item[0]

    def batch_elements_kwargs(self) -> dict[str, int]:
        return {"max_batch_size": 1}  # a unit has many rows
