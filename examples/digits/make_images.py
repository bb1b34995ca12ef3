"""Write scikit-learn's 1,797 real handwritten digits as PNG files, one folder for each class.

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI repository, CC BY 4.0), which scikit-learn ships.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def make_images(folder: Path) -> int:
    """Write `folder/<digit>/<index>.png`, 8x8 grey, and say how many there are."""
    digits = load_digits()
    for index, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        file = folder / str(digit) / f"{index:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15.9375).astype(np.uint8), mode="L").save(file)
    return len(digits.images)


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    print(f"{make_images(where)} images in {where}")
