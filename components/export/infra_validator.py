"""InfraValidator: checks that the exported model loads in a server and answers as in Keras."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from timeit import repeat
from typing import Annotated, ClassVar

from pydantic import Field

from components.artifacts import Blessing, ExportedModel
from components.data.lazy import np
from components.errors import RootstockError
from components.export.expected_outputs import read_details, read_expected
from components.export.near_threshold import near_threshold
from components.stage import Context, Stage
from models.config import STRICT
from models.description import read_description
from serving.server.exit_codes import UNLOADABLE
from serving.server.launch import ServerExited, ServerProcess
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE, DETAILED

Arrays = Mapping[str, "np.ndarray"]
_MODEL = "candidate"
_TIMED_REQUESTS = 20


@dataclass(frozen=True, kw_only=True)
class ServingLimits:
    """Limits for serving, measured on the machine that runs the pipeline; no limit if None.

    max_load_s: time from the start of the server until the model is loaded. max_latency_ms: median
    time of a one-row request for all tasks, for each protocol. max_memory_mb: resident memory of
    the server after these requests. max_size_mb: size of the SavedModel. A MB is 10^6 bytes.
    """

    __pydantic_config__ = STRICT
    max_load_s: Annotated[float, Field(gt=0)] | None = None
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    max_size_mb: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True)
class InfraValidatorInputs:
    model: ExportedModel


@dataclass(frozen=True)
class InfraValidatorOutputs:
    blessing: Blessing


@dataclass
class _Findings:
    """Measurements, in the units of `ServingLimits`, and reasons not to bless the model."""

    reasons: list[str] = field(default_factory=list)
    load_s: float | None = None
    latency_ms: dict[str, float] = field(default_factory=dict)
    max_difference: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None

    def check(self, limits: ServingLimits) -> None:
        """Add a reason for every limit that is exceeded."""
        measured = [
            ("Loading", self.load_s, limits.max_load_s, "s"),
            ("The server's memory", self.memory_mb, limits.max_memory_mb, "MB"),
            ("The SavedModel", self.size_mb, limits.max_size_mb, "MB"),
        ]
        for protocol, ms in self.latency_ms.items():
            measured.append((f"A request over {protocol}", ms, limits.max_latency_ms, "ms"))
        for what, value, limit, unit in measured:
            if value is not None and limit is not None and value > limit:
                self.reasons.append(f"{what} takes {value:g} {unit}; allowed {limit:g}.")


@dataclass(frozen=True, kw_only=True)
class InfraValidator(Stage[InfraValidatorInputs, InfraValidatorOutputs]):
    """Serves the model in a separate process and compares its answers over REST and gRPC, for the
    signature of all tasks, for the signature of each task and for `detailed`, if there is one.

    examples: number of expected answers to compare.
    tolerance: the largest allowed difference, absolute plus relative to the expected answer.
    timeout_s: for loading, and for each request.
    """

    depends_on: ClassVar = ("serving.server.process",)  # the server, started by `ServerProcess`

    examples: Annotated[int, Field(ge=1)] = 16
    tolerance: Annotated[float, Field(gt=0)] = 1e-5
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    limits: ServingLimits = field(default_factory=ServingLimits)

    def run(self, inputs: InfraValidatorInputs, context: Context) -> InfraValidatorOutputs:
        """Serve the model and compare. A model that fails is not blessed, and that is no error.

        Raises:
            RootstockError: the server cannot run on this machine, with any model, or did not load
                this one in time.
        """
        findings = self._serve(inputs.model, context)
        findings.size_mb = inputs.model.size_mb()
        findings.check(self.limits)
        figures = {"load_s": findings.load_s, "max_difference": findings.max_difference}
        figures |= {f"{protocol}_ms": ms for protocol, ms in findings.latency_ms.items()}
        figures |= {"memory_mb": findings.memory_mb, "size_mb": findings.size_mb}
        for name, value in figures.items():
            if value is not None:
                context.observer.figure(name, value)
        output = context.output / "blessing"
        output.mkdir()
        # without measurements, which are figures: equal verdicts have one digest
        reasons = findings.reasons
        verdict = {"judge": "InfraValidator", "blessed": not reasons, "reasons": reasons}
        (output / "blessing.json").write_text(json.dumps(verdict, indent=2) + "\n")
        return InfraValidatorOutputs(Blessing(output))

    def _serve(self, model: ExportedModel, context: Context) -> _Findings:
        import psutil

        findings = _Findings()
        base = context.scratch / "served"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        (base / "1").symlink_to(model.saved_model.resolve(), target_is_directory=True)
        started = time.monotonic()
        log = context.scratch / "server.log"
        with ServerProcess({_MODEL: base}, log, ["--exit-on-failure"]) as server:
            raw, expected = read_expected(model.expected)
            raw = {name: values[: self.examples] for name, values in raw.items()}
            expected = {name: values[: self.examples] for name, values in expected.items()}
            details, near = self._details(model, expected)
            try:
                ports = server.wait(self.timeout_s)
            except TimeoutError:
                # no verdict, which would be kept: another day the machine may be less busy
                raise RootstockError(
                    f"The model did not load within {self.timeout_s:g} s. If this machine is busy,"
                    " run the same command again: everything before is kept. The server's last"
                    f" lines: {server.log_tail() or 'none'}"
                ) from None
            except ServerExited as error:
                return _Findings([_why(error)])
            findings.load_s = round(time.monotonic() - started, 3)
            for protocol, scheme in (("rest", "http"), ("grpc", "grpc")):
                url = f"{scheme}://127.0.0.1:{ports[protocol]}"
                try:
                    self._compare(protocol, url, raw, expected, findings)
                    if details:
                        self._compare_details(protocol, url, raw, details, near, findings)
                    findings.latency_ms[protocol] = self._latency_ms(url, raw)
                except ServingError as error:
                    findings.reasons.append(f"Over {protocol} the model failed to answer: {error}")
            if (code := server.process.poll()) is None:
                memory = psutil.Process(server.process.pid).memory_info().rss
                findings.memory_mb = round(memory / 1e6, 1)
            else:
                findings.reasons.append(
                    f"The server ended while answering (exit code {code}): {server.log_tail()}"
                )
        return findings

    def _compare(
        self, protocol: str, url: str, raw: Arrays, expected: Arrays, findings: _Findings
    ) -> None:
        """Add a reason for every answer of a signature that differs from the expected one."""
        from serving.client.client import Client

        signatures = {DEFAULT_SIGNATURE: tuple(expected), **{task: (task,) for task in expected}}
        for signature, tasks in signatures.items():
            with Client(url, _MODEL, signature=signature, timeout_s=self.timeout_s) as client:
                answers = client.predict(raw)
            where = f"{protocol} signature {signature!r}"
            if answers.keys() != set(tasks):
                names = sorted(tasks)
                findings.reasons.append(f"{where} answers {sorted(answers)}; expected {names}.")
                continue
            for task in tasks:
                if reason := self._disagreement(answers[task], expected[task], findings):
                    findings.reasons.append(f"{where}, task {task!r}: {reason}")

    def _details(self, model: ExportedModel, expected: Arrays) -> tuple[Arrays, Arrays]:
        """What the signature `detailed` answers to the examples, and where its decisions may
        differ; nothing if there is none.
        """
        if not (more := read_details(model.expected)):
            return {}, {}
        details = {**expected, **{n: v[: self.examples] for n, v in more.items()}}
        record = read_description(model.path)
        return details, near_threshold(record.targets, record.radii, details, self.tolerance)

    def _compare_details(
        self,
        protocol: str,
        url: str,
        raw: Arrays,
        expected: Arrays,
        near: Arrays,
        findings: _Findings,
    ) -> None:
        """Add a reason for every answer of `detailed` that differs: a number by more than the
        tolerance, a decision at all.

        near: see `near_threshold`.
        """
        from serving.client.client import Client

        with Client(url, _MODEL, signature=DETAILED, timeout_s=self.timeout_s) as client:
            answers = client.predict(raw)
        where = f"{protocol} signature {DETAILED!r}"
        if answers.keys() != expected.keys():
            names = sorted(expected)
            findings.reasons.append(f"{where} answers {sorted(answers)}; expected {names}.")
            return
        for name, values in expected.items():
            if values.dtype.kind == "f":
                reason = self._disagreement(answers[name], values, findings)
            else:
                reason = _decided_otherwise(answers[name], values, near[name])
            if reason:
                findings.reasons.append(f"{where}, {name!r}: {reason}")

    def _disagreement(
        self, answer: np.ndarray, expected: np.ndarray, findings: _Findings
    ) -> str | None:
        """Why an answer is wrong; None if it is right. Updates the largest difference."""
        if answer.shape != expected.shape:
            return f"answers have shape {list(answer.shape)}; in Keras {list(expected.shape)}."
        if answer.size == 0:
            return "there is no example to compare."
        if not np.isfinite(answer).all():
            return "answers are not all finite numbers."
        difference = np.abs(answer.astype(np.float64) - expected)
        largest = float(difference.max())
        findings.max_difference = max(findings.max_difference or 0.0, largest)
        allowed = self.tolerance * (1.0 + np.abs(expected))
        if not (difference <= allowed).all():
            return f"answers differ from Keras by up to {largest:.3g}; allowed {self.tolerance:g}."
        return None

    def _latency_ms(self, url: str, raw: Arrays) -> float:
        from serving.client.client import Client

        row = {name: values[:1] for name, values in raw.items()}
        with Client(url, _MODEL, timeout_s=self.timeout_s) as client:
            client.predict(row)
            seconds = repeat(lambda: client.predict(row), number=1, repeat=_TIMED_REQUESTS)
        return round(median(seconds) * 1e3, 3)


def _decided_otherwise(answer: np.ndarray, expected: np.ndarray, near: np.ndarray) -> str | None:
    """Why decisions are wrong; None if they are right. near: where either one is right."""
    if answer.shape != expected.shape:
        return f"answers have shape {list(answer.shape)}; in Keras {list(expected.shape)}."
    wrong = (answer != expected) & ~near
    return f"{int(wrong.sum())} of {wrong.size} differ from Keras." if wrong.any() else None


def _why(error: ServerExited) -> str:
    """Why the model made the server end.

    Raises:
        RootstockError: the server ended for another reason.
    """
    if error.code == UNLOADABLE:
        lines = [line for line in error.log.splitlines() if "cannot be loaded" in line]
        return lines[-1].partition(" ERROR ")[2] if lines else f"It cannot be loaded: {error.log}"
    if error.code < 0:
        return f"The server was killed by signal {-error.code} while it loaded: {error.log}"
    raise RootstockError(
        f"The model server cannot run here (exit code {error.code}). Fix the cause, which is in its"
        f" log, and run again.\n{error.log}"
    )
