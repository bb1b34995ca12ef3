"""The commands for pushed models: serve, push, rollback, promote, deploy, models, predict."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from components.errors import RootstockError, did_you_mean
from pipeline.cli.arguments import Commands, command, source_of, spec_command, spec_of, variables
from pipeline.store.place import local


def add_commands(commands: Commands) -> None:
    add = partial(spec_command, commands)
    serve = add(
        "serve",
        _serve,
        "serve the pushed model, with a page to try it",
        "spec.yaml\nspec.yaml --host 0.0.0.0 --rest-port 80",
    )
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    serve.add_argument("--rest-port", type=int, default=8501, help="default: 8501")
    serve.add_argument("--grpc-port", type=int, default=8500, help="default: 8500")
    batch_rows = "most rows of concurrent requests in one batch (default: 32)"
    serve.add_argument("--batch-rows", type=int, default=32, help=batch_rows)

    push = add(
        "push", _push, "run what is not cached, and push the model", "spec.yaml --label canary"
    )
    push.add_argument("--label", help="give the version a label, such as canary")

    rollback = add(
        "rollback", _rollback, "serve the previous model again", "spec.yaml\nspec.yaml --to 3"
    )
    rollback.add_argument("--to", type=int, metavar="VERSION", help="roll back to this version")

    promote = add("promote", _promote, "make the canary the stable version", "spec.yaml")
    promote.add_argument(
        "--from", dest="source", default="canary", metavar="LABEL", help="default: canary"
    )
    promote.add_argument("--to", default="stable", metavar="LABEL", help="default: stable")

    kit = "write the files of TF Serving: Compose, Kubernetes, monitoring"
    deploy = add("deploy", _deploy, kit, "spec.yaml deployment/")
    deploy.add_argument("directory", type=Path, help="output directory")

    add("models", _models, "list the pushed versions", "spec.yaml")

    help, example = (
        "send one example to a running server",
        ("people age=41 job=cook\nobjects image=@cat.jpg --url grpc://127.0.0.1:8500"),
    )
    predict = command(commands, "predict", _predict, help, example)
    predict.add_argument("model", help="the model's name: `name` in its spec")
    example = "one example: text, a number, or @FILE for the bytes of a file"
    predict.add_argument("inputs", nargs="+", metavar="INPUT=VALUE", help=example)
    predict.add_argument(
        "--url",
        default="http://127.0.0.1:8501",
        help="default: http://127.0.0.1:8501; grpc(s):// too",
    )
    predict.add_argument("--label", help="the version with this label, such as stable")
    predict.add_argument("--signature", help="a task's name, to predict only that task")
    raw = "print the model's output as it is, without names of classes"
    predict.add_argument("--raw", action="store_true", help=raw)
    retries = "retries while the server is unavailable (default: 3)"
    predict.add_argument("--retries", type=int, default=3, help=retries)
    predict.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="default: 60"
    )
    predict.add_argument("--token-file", type=Path, help="file with the server's access token")
    predict.add_argument("--ca", type=Path, help="PEM certificates to trust")


def _serve(args: argparse.Namespace) -> int:
    from pipeline.operations.replacement import moved_from
    from pipeline.spec.load import load_spec

    source = source_of(args)
    spec, file = load_spec(source.path, source.overrides, source.variables)
    if "://" in spec.push.destination:
        raise RootstockError(
            f"{spec.push.destination}: the embedded server serves from directories only. Mount it"
            " and set push.destination to the mount, or serve it with TF Serving: rootstock deploy."
        )
    base = Path(spec.push.destination) / spec.name
    if not base.is_dir():
        first = moved_from(spec, file) or f"First run: rootstock run {args.spec}"
        raise RootstockError(f"{base}: no model has been pushed yet. {first}")
    options = ["--model", f"{spec.name}={base}", "--host", args.host]
    options += ["--rest-port", str(args.rest_port), "--grpc-port", str(args.grpc_port)]
    options += ["--batch-rows", str(args.batch_rows)]
    from pipeline.display import showing_lines
    from serving.server import tensorflow_core

    with showing_lines(local(spec.store)):
        tensorflow_core.prepare()  # before anything imports TensorFlow's messages
        from serving.server.process import main

        return main(options)


def _push(args: argparse.Namespace) -> None:
    from pipeline.run import run

    overrides = [*args.overrides, *([f"push.label={args.label}"] if args.label else [])]
    record = run(args.spec, overrides, variables(args), serve=not args.label).pushed.load()
    if not record.pushed:
        raise RootstockError("Not pushed: " + "; ".join(record.reasons))


def _rollback(args: argparse.Namespace) -> None:
    from pipeline.operations.deployment import rollback

    print(rollback(spec_of(args), args.to))


def _promote(args: argparse.Namespace) -> None:
    from pipeline.operations.deployment import promote

    print(promote(spec_of(args), args.source, args.to))


def _deploy(args: argparse.Namespace) -> None:
    from pipeline.operations.deployment import write_kit

    print(write_kit(spec_of(args), args.directory))


def _models(args: argparse.Namespace) -> None:
    from pipeline.operations.deployment import versions_table

    print(versions_table(spec_of(args)))


def _predict(args: argparse.Namespace) -> None:
    from serving.client.client import Client, ServingError
    from serving.wire.errors import Code
    from serving.wire.names import DETAILED
    from serving.wire.tensors import STRING

    texts: dict[str, str] = {}
    for text in args.inputs:
        name, equals, value = text.partition("=")
        if not equals:
            raise RootstockError(f"{text}: expected INPUT=VALUE, such as image=@cat.jpg")
        if name in texts:
            raise RootstockError(f"{name}: received several values. Expected one for each input.")
        texts[name] = value
    try:
        with Client(
            args.url,
            args.model,
            signature=args.signature,
            timeout_s=args.timeout,
            label=args.label,
            retries=args.retries,
            token=args.token_file and args.token_file.read_text(encoding="utf-8").strip(),
            ca=args.ca,
        ) as client:
            if args.signature is None and not args.raw and DETAILED in client.metadata():
                client.signature = DETAILED
            known = client.inputs
            if unknown := next((n for n in texts if n not in known), None):
                raise RootstockError(
                    f"{unknown}: the model has no such input.{did_you_mean(unknown, known)}"
                    f" Inputs: {', '.join(sorted(known))}."
                )
            inputs = {n: [_value(n, v, known[n].data_type == STRING)] for n, v in texts.items()}
            predictions = client.predict(inputs)
            by_class = {} if args.raw else client.class_probabilities(inputs)
    except ServingError as e:
        message = f"{args.url}: {e}"
        if e.code is Code.UNAVAILABLE:
            message += " Is a server running there? `rootstock serve SPEC` starts one."
        raise RootstockError(message) from e
    except (ValueError, OSError) as e:
        raise RootstockError(f"{args.url}: {e}") from e
    answers = {name: _plain(values[0]) for name, values in predictions.items()}
    print(json.dumps(named(answers, by_class), indent=2, ensure_ascii=False))


def named(
    answers: Mapping[str, object], by_class: Mapping[str, Mapping[str, float]]
) -> dict[str, object]:
    """The answers to one row, with the names of classes: probabilities by class, likeliest first,
    and the classes that are in a set (`<task>.set`) or apply (`<task>.labels`).

    by_class: the probability of every class by task, in the order of the model's classes.
    """
    shown = dict(answers)
    for task, probabilities in by_class.items():
        shown[task] = dict(sorted(probabilities.items(), key=lambda pair: -pair[1]))
        for name in (f"{task}.set", f"{task}.labels"):
            if isinstance(inside := answers.get(name), list):
                pairs = zip(probabilities, inside, strict=True)
                shown[name] = [label for label, applies in pairs if applies]
    return shown


def _plain(value: Any) -> object:
    """As JSON has it: strings of a model are bytes."""
    return value.decode() if isinstance(value, bytes) else value.tolist()


def _value(name: str, text: str, is_text: bool) -> bytes | float | str:
    """The value of an input: `@FILE` for the bytes of a file, a number for a numeric input."""
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as e:
            raise RootstockError(f"{name}: {text[1:]} cannot be read ({e.strerror}).") from e
    if is_text:
        return text
    try:
        return float(text or "nan")
    except ValueError as e:
        raise RootstockError(f"{name}: expected a number, received {text!r}.") from e
