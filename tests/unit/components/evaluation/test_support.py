import numpy as np
import pytest

from components.evaluation.groups import Groups
from components.evaluation.ratios import Drawn
from components.evaluation.support import Support, shortages

MANY = Support(500, 500, 500.0)


def said(every: Support = MANY, grouped: bool = False, **of_class: Support) -> list[str]:
    return list(shortages(every, of_class, grouped))


def test_support_counts_rows_and_groups():
    drawn = Drawn(Groups.by(["a", "a", "b", "c"]), np.ones(4), False)
    found = Support.of(np.array([True, True, True, False]), drawn)
    assert (found.rows, found.groups) == (3, 2)
    assert found.effective == pytest.approx(9 / 5)


def test_enough_is_not_mentioned():
    assert said(positive=Support(20, 20, 20.0), negative=MANY) == []
    assert said(Support(500, 20, 20.0), True, positive=Support(40, 20, 20.0)) == []


def test_few_rows_of_classes_are_counted():
    assert said(Support(12, 12, 12.0), positive=Support(3, 3, 3.0)) == ["only 12 labelled rows"]
    assert said(positive=Support(0, 0, 0.0), negative=MANY) == ["only 0 positive rows"]
    few = {name: Support(n, n, n) for name, n in (("'a'", 9), ("'b'", 3), ("'c'", 5))}
    assert said(**few) == ["only 3 'b' rows and 5 'c' rows (3 classes have fewer than 20)"]


def test_few_or_unequal_groups_are_counted():
    assert said(Support(500, 8, 6.0), True) == ["only 8 groups of rows"]
    unequal = said(Support(500, 30, 4.25), True)
    assert unequal == ["30 groups of very unequal size, which tell as much as 4.2 of equal size"]
    rare = said(Support(500, 100, 90.0), True, positive=Support(60, 7, 6.0))
    assert rare == ["only 7 groups with positive rows"]
