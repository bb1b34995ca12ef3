"""Write scikit-learn's 1,797 handwritten digits as PNG files, one folder per class.

Also writes the halves 0 to 4 and 5 to 9 separately, and tables of the images with other labels.

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI repository, CC BY 4.0), which scikit-learn ships.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
FOLDERS = {"images": range(10), "images_0_to_4": range(5), "images_5_to_9": range(5, 10)}
LOOPS = (1, 0, 0, 0, 1, 0, 1, 0, 2, 1)
"""Closed loops in the shape of each digit."""
ROWS = {"test": 500, "val": 297, "train": 1000}
"""Images of each split, the same in every table."""
FEW = 60
"""Images of train, and of val, whose digit `few_labels.csv` says."""
NEW = 40
"""Images of train, and of val, in `new_question.csv`."""


def make_images(folder: Path, classes: Collection[int]) -> int:
    """Write `folder/<digit>/<index>.png`, 8x8 pixels, grey. Returns the number of images."""
    digits = load_digits()
    count = 0
    for index, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in classes:
            file = folder / _name(index, digit)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15.9375).astype(np.uint8), mode="L").save(file)
            count += 1
    return count


def make_tables(folder: Path) -> None:
    """Write tables of the images in `folder`, in random order, with the same splits:

    all_labels.csv: which digit.
    few_labels.csv: whether it is even, how many loops it has, and for few rows of train and val
        which digit.
    new_question.csv: whether the digit is 5 or more, for few rows of train and val.
    """
    targets = load_digits().target
    order = iter(np.random.default_rng(0).permutation(len(targets)))
    every: list[Mapping[str, int | str]] = []
    few: list[Mapping[str, int | str]] = []
    new: list[Mapping[str, int | str]] = []
    for split, rows in ROWS.items():
        for row in range(rows):
            index = next(order)
            digit = int(targets[index])
            image: dict[str, int | str] = {"image": _name(index, digit), "split": split}
            cheap: dict[str, int | str] = {
                "even": "no" if digit % 2 else "yes",
                "loops": LOOPS[digit],
            }
            every.append({**image, "digit": digit})
            known = split == "test" or row < FEW
            few.append({**image, "digit": digit if known else "", **cheap})
            if split == "test" or row < NEW:
                new.append({**image, "five_or_more": "yes" if digit >= 5 else "no"})
    _write(folder / "all_labels.csv", every)
    _write(folder / "few_labels.csv", few)
    _write(folder / "new_question.csv", new)


def _write(file: Path, rows: Sequence[Mapping[str, int | str]]) -> None:
    with file.open("w", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _name(index: int, digit: int) -> str:
    return f"{digit}/{index:04d}.png"


if __name__ == "__main__":
    for name, classes in FOLDERS.items():
        print(f"{make_images(HERE / name, classes)} images in {HERE / name}")
    make_tables(HERE / "images")
