"""TensorFlow's graph runtime without its public API."""

import subprocess
import sys


def test_the_runtime_loads_without_keras() -> None:
    code = (
        "import sys\n"
        "from serving.server import tensorflow_core\n"
        "tensorflow_core.prepare()\n"
        "assert 'tensorflow.python' not in sys.modules\n"
        "tensorflow_core.load()\n"
        "from tensorflow.python.client import session\n"
        "assert session.Session\n"
        "sys.exit('keras' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_imported_tensorflow_is_used() -> None:
    import tensorflow as tf

    from serving.server import tensorflow_core

    tensorflow_core.prepare()
    assert sys.modules["tensorflow"] is tf
