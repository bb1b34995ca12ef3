"""`python -m serving.server --model NAME=BASE_PATH [--rest-port 8501] [--grpc-port 8500]`."""

from __future__ import annotations

import gc
import sys

from serving.server import tensorflow_core

gc.set_threshold(20_000, 20, 20)  # imports allocate much that stays: a fifth of their time
tensorflow_core.prepare()  # before anything imports TensorFlow's messages

from serving.server.process import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
