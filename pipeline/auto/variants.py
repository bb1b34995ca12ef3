"""Candidates that are made of others: longer, together, or from other random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

from pipeline.auto.candidate import BRIEF, EXPERTS, LONGER, Choice
from pipeline.auto.state import Trial


def longer(overrides: tuple[str, ...]) -> Choice:
    """The default, trained for as long as there is time."""
    return Choice(LONGER, "The default, trained for as long as there is time", overrides)


def combinations_of(choices: Sequence[Choice]) -> dict[str, Choice]:
    """By name, every two candidates that change different things, together."""
    alone = [c for c in choices if c.overrides and c.name not in (EXPERTS, BRIEF, LONGER)]
    found = {}
    for first, second in combinations(alone, 2):
        both = tuple(dict.fromkeys((*first.overrides, *second.overrides)))
        keys = [text.partition("=")[0] for text in both]
        if any(a == b or b.startswith(f"{a}.") for a, b in permutations(keys, 2)):
            continue
        name = f"{first.name} + {second.name}"
        about = f"{first.name} and {second.name} together"
        found[name] = Choice(name, about, both, max(first.cost, second.cost))
    return found


def reseeded(choice: Choice, seed: int) -> Choice:
    """A candidate with another seed, counted from 1: of the network, and of the experts' folds."""
    about = f"the same as {choice.name}, from other random numbers"
    overrides = (*choice.overrides, f"seed={seed}")
    return Choice(f"{choice.name}, seed {seed}", about, overrides, choice.cost)


def learns(trial: Trial) -> bool:
    """Whether such a model can learn from an ensemble: experts alone cannot."""
    return "model.last_word=experts" not in trial.overrides
