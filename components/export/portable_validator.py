"""PortableValidator: checks that the portable files of a model answer as it does in Keras."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from timeit import timeit
from typing import Annotated

from pydantic import Field

from components.artifacts import Blessing, ExportedModel
from components.data.lazy import np
from components.export.expected_outputs import read_details, read_expected
from components.export.near_threshold import near_threshold
from components.export.portable.base import Arrays, PortableFormat
from components.export.portable_runtime import DIRECTORY, portable_runtime
from components.stage import Context, Stage
from models.description import read_description
from serving.wire.names import FROM_FEATURES, TO_FEATURES


@dataclass(frozen=True)
class PortableValidatorInputs:
    model: ExportedModel


@dataclass(frozen=True)
class PortableValidatorOutputs:
    blessing: Blessing


@dataclass(frozen=True, kw_only=True)
class PortableValidator(Stage[PortableValidatorInputs, PortableValidatorOutputs]):
    """Runs each file in its own runtime on the expected examples, and compares the answers.

    Exact formats have to answer as Keras does, within their tolerance; what the others answer is
    measured by the Evaluator. Figures of each: its size in MB (10^6 bytes), the largest difference,
    and the median time for one row in ms, measured in turns with the SavedModel's own core.

    formats: those of the Exporter. rounds: how often each is timed.
    """

    formats: tuple[PortableFormat, ...] = ()
    rounds: Annotated[int, Field(ge=1)] = 30

    def run(self, inputs: PortableValidatorInputs, context: Context) -> PortableValidatorOutputs:
        """Compare. A model with a file that answers otherwise is not blessed: that is no error."""
        from serving.server.saved_model import SavedModel

        saved_model = inputs.model.saved_model
        served = SavedModel(saved_model)
        raw, expected = read_expected(inputs.model.expected)
        keras = {**read_details(inputs.model.expected), **expected}
        features = served.predict(TO_FEATURES, raw)
        row = {name: values[:1] for name, values in features.items()}
        asked: dict[str, Callable[[], object]] = {
            "saved_model": lambda: served.predict(FROM_FEATURES, row)
        }
        record = read_description(inputs.model.path)
        reasons, differences = [], dict[str, float]()
        for form in self.formats:
            runtime = portable_runtime(form, saved_model)
            answers = runtime(features)
            differences[form.name] = _largest(answers, keras)
            if form.exact:
                near = near_threshold(record.targets, record.radii, keras, form.tolerance)
                wrong = _differences(answers, keras, near, form.tolerance)
                reasons += [f"{form.name}: {what}" for what in wrong]
            asked[form.name] = partial(runtime, row)
        times = _in_turns(asked, self.rounds)
        sizes = {
            form.name: round((saved_model / DIRECTORY / form.file).stat().st_size / 1e6, 3)
            for form in self.formats
        }
        figure = context.observer.figure
        for name, size in sizes.items():
            differs = f"differs by {differences[name]:.2g}"
            figure(name, f"{size:g} MB, {times[name]:g} ms, {differs}")
        figure("saved_model.ms", times["saved_model"])
        for name, size in sizes.items():
            figure(f"{name}.mb", size)
            figure(f"{name}.ms", times[name])
            figure(f"{name}.difference", differences[name])
        output = context.output / "blessing"
        output.mkdir()
        verdict = {"judge": "PortableValidator", "blessed": not reasons, "reasons": reasons}
        (output / "blessing.json").write_text(json.dumps(verdict, indent=2) + "\n")
        return PortableValidatorOutputs(Blessing(output))


def _largest(given: Arrays, keras: Arrays) -> float:
    """The largest difference of a number; infinite if one is not finite."""
    numbers = {name: values for name, values in given.items() if values.dtype.kind == "f"}
    found = max(float(np.abs(values - keras[name]).max()) for name, values in numbers.items())
    return found if np.isfinite(found) else math.inf


def _differences(given: Arrays, keras: Arrays, near: Arrays, tolerance: float) -> list[str]:
    """What is wrong with the answers of an exact format, a sentence each. near: where decisions
    may be either: see `near_threshold`.
    """
    found = []
    for name, values in given.items():
        wanted = keras[name]
        if values.dtype.kind != "f":
            wrong = (values != wanted) & ~near[name]
            if wrong.any():
                found.append(f"{name!r}: {wrong.sum()} of {wrong.size} differ from Keras.")
        elif not (np.abs(values - wanted) <= tolerance * (1 + np.abs(wanted))).all():
            largest = _largest({name: values}, keras)
            found.append(
                f"{name!r}: answers differ from Keras by up to {largest:.3g}; allowed"
                f" {tolerance:g}."
            )
    return found


def _in_turns(asked: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each in ms; the first call of each does not count."""
    for ask in asked.values():
        ask()
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, ask in asked.items():
            times[name].append(timeit(ask, number=1))
    return {name: round(median(seconds) * 1e3, 4) for name, seconds in times.items()}
