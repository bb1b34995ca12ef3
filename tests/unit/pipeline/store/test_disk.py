import errno
from pathlib import Path

import pytest

from components.errors import RootstockError
from pipeline.store.disk import named_errors


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "/s: no space left on this disk .* Finished stages are kept"),
        (errno.EIO, "/s: the disk cannot be read or written"),
        (errno.EROFS, "/s: cannot be written .* Choose a writable directory"),
    ],
)
def test_errors_of_the_disk_name_it(code: int, advice: str) -> None:
    with pytest.raises(RootstockError, match=advice), named_errors(Path("/s")):
        raise OSError(code, "text")


def test_other_errors_stay() -> None:
    with pytest.raises(FileNotFoundError), named_errors(Path("/s")):
        raise FileNotFoundError(errno.ENOENT, "text")
