"""Copy the served versions of a model from an object store, for servers that read directories only:
`python -m serving.versions.mirror s3://bucket/models NAME DIRECTORY [--every SECONDS]`.

A version appears in DIRECTORY/NAME by one rename, after its checksums were compared. A version that
the store has no more disappears. Credentials are those of the environment.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from serving.files import sync
from serving.manifest import shortened
from serving.versions.history import damage, version_numbers, version_path
from serving.versions.object_store import ObjectStore

_log = logging.getLogger(__name__)
_ARRIVING = ".arriving"


def mirror(store: ObjectStore, model: str, directory: Path) -> list[str]:
    """Fetch the newest version and all labelled ones; delete those that the store has no more.

    directory: of the model, whose names are versions. No other process may write to it.

    Returns:
        What was done, one phrase for each version.

    Raises:
        OSError: the store has no version of the model, a version arrived damaged, or one of the two
            places cannot be read or written. Versions that arrived before are kept.
    """
    known = store.history(model)
    if not known:
        raise OSError(f"{store.location(model)} holds no version.")
    done = []
    wanted = known.keys() & {max(known), *store.labels(model).values()}
    for version in sorted(wanted - set(version_numbers(directory))):
        shutil.rmtree(directory / _ARRIVING, ignore_errors=True)
        arrived = store.fetch(model, version, directory / _ARRIVING)
        if phrases := damage(arrived, "checksums"):
            raise OSError(f"{store.location(model, version)} is damaged: {shortened(phrases)}.")
        arrived.rename(directory / str(version))
        sync(directory)
        done.append(f"version {version} has arrived")
    for version in sorted(set(version_numbers(directory)) - known.keys()):
        gone = version_path(directory, version).rename(directory / f".gone-{version}")
        shutil.rmtree(gone)
        done.append(f"version {version} was deleted")
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if the only copy fails. With `--every`, failures are logged."""
    parser = argparse.ArgumentParser(prog="python -m serving.versions.mirror", description=__doc__)
    parser.add_argument("store", help="URL of a push destination, such as s3://bucket/models")
    parser.add_argument("model", help="its name: `name` in its spec")
    parser.add_argument("directory", type=Path, help="where its directory of versions is made")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until SIGTERM")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # the first process of a container has no handler of its own
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        try:
            for phrase in mirror(ObjectStore(args.store), args.model, args.directory / args.model):
                _log.info("%s: %s", args.model, phrase)
        except OSError as e:
            _log.error("%s", e)
            if args.every is None:
                return 1
        if args.every is None:
            return 0
        time.sleep(args.every)


if __name__ == "__main__":
    sys.exit(main())
