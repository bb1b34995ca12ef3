"""Workers that train together agree, before each stage that all of them run, on which stage that is
and whether it has to run.

Each of them looks for a cached result by itself. Without this, one that finds it would go on, and
the others would wait for it in the first step. The chief decides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from components.errors import RootstockError
from components.training.workers import WAIT_FOR_WORKERS_S, Board, Workers
from pipeline.store.fingerprint import Identity
from serving.manifest import shortened


@dataclass
class Agreement:
    """Where the chief and the others meet. Every worker calls `decide` for the same stages, in the
    same order.

    wait_s: how long the chief waits for the others. They wait twice as long for it.
    """

    workers: Workers
    board: Board
    wait_s: float = WAIT_FOR_WORKERS_S
    _round: int = field(default=0, init=False)

    def decide(self, identity: Identity, cached: bool) -> bool:
        """Whether the result of a stage is cached, as the chief says.

        cached: whether this worker found it.

        Raises:
            RootstockError: a worker does not come in time, or would run something else.
        """
        self._round += 1
        return self._tell(identity, cached) if self.workers.is_chief else self._ask(identity)

    def _tell(self, identity: Identity, cached: bool) -> bool:
        """As the chief: wait for the others, and tell them."""
        problem, until = "", time.monotonic() + self.wait_s
        for index in range(1, len(self.workers.addresses)):
            left = 0.0 if problem else max(until - time.monotonic(), 0.0)
            text = self.board.read(f"{self._round}/{index}", left)
            if text is None:
                problem = problem or (
                    f"{self.workers.named(index)} has not come to {identity.stage} within"
                    f" {self.wait_s:.0f} s. See what it says: it may be still waiting for a result,"
                    " because its `store` is another one. All workers need the same store."
                )
            elif causes := identity.differs_from(Identity(**json.loads(text))):
                problem = problem or self._differs(index, identity, causes)
        self.board.write(f"{self._round}/0", json.dumps({"cached": cached, "problem": problem}))
        if problem:
            raise RootstockError(f"{self.workers}: {problem}")
        return cached

    def _ask(self, identity: Identity) -> bool:
        self.board.write(f"{self._round}/{self.workers.index}", json.dumps(asdict(identity)))
        text = self.board.read(f"{self._round}/0", 2 * self.wait_s)
        if text is None:
            raise RootstockError(
                f"{self.workers}: the chief ({self.workers.chief}) has not come to"
                f" {identity.stage} within {2 * self.wait_s:.0f} s. See what it says."
            )
        answer = json.loads(text)
        if answer["problem"]:
            raise RootstockError(f"{self.workers}: the chief says: {answer['problem']}")
        return bool(answer["cached"])

    def _differs(self, index: int, identity: Identity, causes: Sequence[str]) -> str:
        return (
            f"{self.workers.named(index)} would run another {identity.stage} than the chief:"
            f" {shortened(causes)}. All workers need the same spec, data, code and store. Start all"
            " of them again with the same command."
        )
