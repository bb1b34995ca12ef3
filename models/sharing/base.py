"""What a sharing scheme is: one or more trunks, joined to a representation for each task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from models.lazy import keras


@dataclass(frozen=True)
class Shared:
    """The two halves of a model before its heads.

    The cut between them is where a balancing method takes one gradient per task: all that tasks
    share lies in `trunk`, so one pass through it serves every task.

    trunk: from {feature name: [batch, ...]} to the shared representation: a tensor, or a list.
    branches: from that representation to {task name: [batch, width]}.
    """

    trunk: keras.Model
    branches: keras.Model


class Sharing(ABC):
    """How tasks share trunks: a frozen dataclass with a literal `name`, in a file of its own."""

    name: str

    @abstractmethod
    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        """Join as many trunks as the scheme needs to one representation per task.

        make_trunk: a new trunk, of weights of its own, each time.
        """
