"""Write scikit-learn's 1,797 handwritten digits as PNG files, one folder per class.

Also writes the halves 0 to 4 and 5 to 9 separately, and a table with few labels of one task.

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI repository, CC BY 4.0), which scikit-learn ships.
"""

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
FOLDERS = {"images": range(10), "images_0_to_4": range(5), "images_5_to_9": range(5, 10)}
LOOPS = (1, 0, 0, 0, 1, 0, 1, 0, 2, 1)
"""Closed loops in the shape of each digit."""
ROWS = {"test": 500, "val": 297, "train": 1000}
LABELLED = 60
"""Images of train, and of val, that say which digit they show."""


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


def make_table(file: Path) -> None:
    """Write a table of all images beside their folders, in random order. Each row says whether its
    digit is even, and how many loops it has; most rows of train and val do not say which digit.
    """
    targets = load_digits().target
    order = iter(np.random.default_rng(0).permutation(len(targets)))
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["image", "split", "digit", "even", "loops"])
        for split, rows in ROWS.items():
            for row in range(rows):
                index = next(order)
                digit = int(targets[index])
                known = digit if split == "test" or row < LABELLED else ""
                even = "no" if digit % 2 else "yes"
                table.writerow([_name(index, digit), split, known, even, LOOPS[digit]])


def _name(index: int, digit: int) -> str:
    return f"{digit}/{index:04d}.png"


if __name__ == "__main__":
    for name, classes in FOLDERS.items():
        print(f"{make_images(HERE / name, classes)} images in {HERE / name}")
    make_table(HERE / "images/few_labels.csv")
