"""The server's command line."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from serving.server.api.limits import Limits
from serving.server.batching import Batching
from serving.server.exit_codes import UNLOADABLE
from serving.server.policy import ModelConfig, configs_of


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ends the process with a message where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.server",
        description="Serves SavedModels as TensorFlow Serving does, over REST and gRPC.",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        type=_model,
        metavar="NAME=BASE_PATH",
        help="serve the newest version in BASE_PATH, and labelled ones; may be repeated",
    )
    parser.add_argument(
        "--model-config-file",
        type=_configs,
        default=[],
        help="a ModelServerConfig in text format, as TensorFlow Serving takes it",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--rest-port", type=int, default=8501, help="0: a free one")
    parser.add_argument("--grpc-port", type=int, default=8500, help="0: a free one")
    parser.add_argument(
        "--poll-seconds", type=float, default=1.0, help="how often to look for versions"
    )
    batching, limits = Batching(), Limits()
    group = parser.add_argument_group("batching of requests that come together")
    group.add_argument("--batch-rows", type=int, default=0, help="at most, in one run; 0: none")
    group.add_argument("--batch-wait-ms", type=float, default=batching.wait_ms)
    group.add_argument("--batch-queue", type=int, default=batching.queue, help="rows that may wait")
    group = parser.add_argument_group("limits")
    group.add_argument("--max-body-bytes", type=int, default=limits.body_bytes)
    group.add_argument("--max-pending", type=int, default=limits.pending, help="requests at a time")
    group.add_argument("--threads", type=int, default=0, help="that work; 0: by the CPU count")
    group = parser.add_argument_group("security")
    group.add_argument("--token-file", type=_token, help="holds the bearer token to demand")
    group.add_argument("--tls-cert", type=Path, help="PEM certificate chain")
    group.add_argument("--tls-key", type=Path, help="its PEM key")
    group = parser.add_argument_group("for programs that start it")
    group.add_argument("--ready-file", type=Path, help="written once every model answers")
    group.add_argument(
        "--exit-on-failure",
        action="store_true",
        help=f"end with exit code {UNLOADABLE} when a model cannot be loaded",
    )
    group.add_argument(
        "--stop-with-stdin", action="store_true", help="end when standard input is closed"
    )
    options = parser.parse_args(arguments)
    if not options.model and not options.model_config_file:
        parser.error("give --model NAME=BASE_PATH or --model-config-file")
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("give --tls-cert and --tls-key, or neither")
    if options.tls_cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                options.tls_cert, options.tls_key
            )
        except OSError as error:
            parser.error(f"--tls-cert {options.tls_cert}, --tls-key {options.tls_key}: {error}")
    return options


def configs(options: argparse.Namespace) -> list[ModelConfig]:
    """The models to serve."""
    return [*(ModelConfig(name, path) for name, path in options.model), *options.model_config_file]


def limits_of(options: argparse.Namespace) -> Limits:
    """What to let in."""
    return Limits(options.max_body_bytes, options.max_pending, options.token_file)


def batching_of(options: argparse.Namespace) -> Batching | None:
    """How to batch, if at all."""
    if not options.batch_rows:
        return None
    runs = os.cpu_count() or 1
    return Batching(options.batch_rows, options.batch_wait_ms, options.batch_queue, runs)


def _model(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"expected NAME=BASE_PATH, received {text!r}")
    if any(character in name for character in "/:"):
        raise argparse.ArgumentTypeError(f"a model name has no '/' or ':', received {name!r}")
    return name, Path(path)


def _configs(text: str) -> list[ModelConfig]:
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    from serving.wire.errors import ServingError

    try:
        message = text_format.Parse(
            Path(text).read_text(), model_server_config_pb2.ModelServerConfig()
        )
        return configs_of(message)
    except (OSError, text_format.ParseError, ServingError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def _token(text: str) -> str:
    try:
        token = Path(text).read_text().strip()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None
    if not token:
        raise argparse.ArgumentTypeError(f"{text} is empty: expected a token")
    return token
