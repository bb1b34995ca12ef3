"""Write scikit-learn's 1,797 handwritten digits as PNG files, one folder per class.

Also writes the halves 0 to 4 and 5 to 9 separately.

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI repository, CC BY 4.0), which scikit-learn ships.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
FOLDERS = {"images": range(10), "images_0_to_4": range(5), "images_5_to_9": range(5, 10)}


def make_images(folder: Path, classes: Collection[int]) -> int:
    """Write `folder/<digit>/<index>.png`, 8x8 pixels, grey. Returns the number of images."""
    digits = load_digits()
    count = 0
    for index, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        if digit in classes:
            file = folder / str(digit) / f"{index:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15.9375).astype(np.uint8), mode="L").save(file)
            count += 1
    return count


if __name__ == "__main__":
    for name, classes in FOLDERS.items():
        print(f"{make_images(HERE / name, classes)} images in {HERE / name}")
