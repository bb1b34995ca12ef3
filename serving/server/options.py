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
from serving.wire.errors import ServingError


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; invalid options end the process with a message."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.server",
        description="Serve SavedModels over REST and gRPC, as TensorFlow Serving does.",
    )
    add = parser.add_argument
    add(
        "--model",
        action="append",
        default=[],
        type=_model,
        metavar="NAME=BASE_PATH",
        help="serve the newest version in BASE_PATH and all labelled ones; can be repeated",
    )
    help_text = "a ModelServerConfig in text format, as for TensorFlow Serving"
    add("--model-config-file", type=_configs, default=[], help=help_text)
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--rest-port", type=int, default=8501, help="of REST; 0: a free port")
    add("--grpc-port", type=int, default=8500, help="of gRPC; 0: a free port")
    add("--poll-seconds", type=float, default=1.0, help="how often to look for new versions")

    batching, limits = Batching(), Limits()
    add = parser.add_argument_group("batching of simultaneous requests").add_argument
    add("--batch-rows", type=int, default=0, help="rows per batch, at most; 0: no batching")
    help_text = "how long a batch waits for more requests"
    add("--batch-wait-ms", type=float, default=batching.wait_ms, help=help_text)
    help_text = "rows that may wait; further requests are refused"
    add("--batch-queue", type=int, default=batching.queue, help=help_text)

    add = parser.add_argument_group("limits").add_argument
    add("--max-body-bytes", type=int, default=limits.body_bytes, help="largest request body")
    help_text = "simultaneous requests; further ones are refused"
    add("--max-pending", type=int, default=limits.pending, help=help_text)
    help_text = "values in the JSON of a request, at most; images in base64 are one value each"
    add("--max-values", type=int, default=limits.values, help=help_text)
    help_text = "memory for all REST requests that are arriving or being answered"
    add("--max-bytes-in-flight", type=int, default=limits.bytes_in_flight, help=help_text)
    help_text = "longest time in which the headers of a request must have arrived"
    add("--header-seconds", type=float, default=limits.header_s, help=help_text)
    help_text = "longest pause in the body of a request"
    add("--idle-seconds", type=float, default=limits.idle_s, help=help_text)
    help_text = "longest time in which a whole request must have arrived"
    add("--request-seconds", type=float, default=limits.body_s, help=help_text)
    help_text = "worker threads per protocol; 0: choose by the number of cores"
    add("--threads", type=int, default=0, help=help_text)

    add = parser.add_argument_group("security").add_argument
    add("--token-file", type=_token, help="file with the bearer token that requests must have")
    add("--tls-cert", type=Path, help="PEM certificate chain")
    add("--tls-key", type=Path, help="PEM key of --tls-cert")

    add = parser.add_argument_group("for programs that start the server").add_argument
    add("--ready-file", type=Path, help="file to write once every model is available")
    help_text = f"end with exit code {UNLOADABLE} if a model cannot be loaded"
    add("--exit-on-failure", action="store_true", help=help_text)
    add("--stop-with-stdin", action="store_true", help="end once standard input is closed")

    options = parser.parse_args(arguments)
    if not options.model and not options.model_config_file:
        parser.error("give --model NAME=BASE_PATH or --model-config-file")
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("give --tls-cert and --tls-key, or neither")
    if options.tls_cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(options.tls_cert, options.tls_key)
        except OSError as error:
            parser.error(f"--tls-cert {options.tls_cert}, --tls-key {options.tls_key}: {error}")
    return options


def configs(options: argparse.Namespace) -> list[ModelConfig]:
    return [*(ModelConfig(name, path) for name, path in options.model), *options.model_config_file]


def limits_of(options: argparse.Namespace) -> Limits:
    return Limits(
        options.max_body_bytes,
        options.max_pending,
        options.token_file,
        values=options.max_values,
        bytes_in_flight=options.max_bytes_in_flight,
        header_s=options.header_seconds,
        idle_s=options.idle_seconds,
        body_s=options.request_seconds,
    )


def batching_of(options: argparse.Namespace) -> Batching | None:
    """How to batch requests; None: not at all."""
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

    message = model_server_config_pb2.ModelServerConfig()
    try:
        return configs_of(text_format.Parse(Path(text).read_text(), message))
    except (OSError, text_format.ParseError, ServingError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def _token(text: str) -> str:
    try:
        token = Path(text).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None
    if not token:
        raise argparse.ArgumentTypeError(f"{text} is empty: expected a token")
    return token
