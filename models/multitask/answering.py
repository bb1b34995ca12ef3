"""From the raw outputs of a model, or of several together, to what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.calibration.base import Calibration
from models.lazy import Tensor
from models.tasks.heads.head import Head


@dataclass(frozen=True)
class Answering:
    """calibrations: by task, what makes its probabilities right as often as they say. radii: by
    task, how far its intervals or sets reach.
    """

    heads: Sequence[Head]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    radii: Mapping[str, float] = field(default_factory=dict)

    def calibrated(self, head: Head, outputs: Tensor) -> Tensor:
        """What is served of the raw outputs of a head."""
        calibration = self.calibrations.get(head.target.name)
        return head.answer(outputs if calibration is None else calibration(outputs))

    def details(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The answers, and what else is known of each row, as `<task>.<what>`: what is decided (see
        `Head.decided`); of a calibrated task, the probabilities before it was, `uncalibrated`; of a
        task with `coverage`, its interval or set (see `Head.region`), which does not depend on
        calibration.

        outputs: raw, float32 [batch, units] by task.
        """
        details: dict[str, Tensor] = {}
        for head in self.heads:
            raw = outputs[head.target.name]
            details |= self._of(head, raw, head.answer(raw))
        return details

    def of_answers(self, answers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same of answers that are not calibrated, such as the mean of several models'."""
        details: dict[str, Tensor] = {}
        for head in self.heads:
            before = answers[head.target.name]
            details |= self._of(head, head.raw(before), before)
        return details

    def _of(self, head: Head, raw: Tensor, before: Tensor) -> dict[str, Tensor]:
        """Of one task. before: the answer before calibration."""
        name, answer = head.target.name, before
        more: dict[str, Tensor] = {}
        if (calibration := self.calibrations.get(name)) is not None:
            answer, more = head.answer(calibration(raw)), {"uncalibrated": before}
        if name in self.radii:
            more |= head.region(raw, self.radii[name])
        more |= head.decided(answer)
        return {name: answer} | {f"{name}.{what}": values for what, values in more.items()}
