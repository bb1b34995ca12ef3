"""The command line."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from components import die_with_parent
from components.errors import RootstockError
from models.masked_url import without_secrets
from pipeline.cli import interrupts
from pipeline.cli.arguments import beam, repeatable, source_of, spec_command, spec_of, variables
from pipeline.cli.serving import add_commands

SCHEMA = ".rootstock/schema.json"
"""Where `init` writes the JSON Schema for editors, beside the spec: it is there without network."""
EXIT_CODES = "0 success, 1 internal error, 2 problem in your spec or data, 130 interrupted"


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        args = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int | None] = args.command
        with interrupts.outranking():
            return command(args) or 0
    except RootstockError as e:
        for line in without_secrets(str(e)).splitlines():
            print(f"rootstock: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        interrupts.print_once()
        return interrupts.EXIT_CODE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        print(without_secrets(traceback.format_exc()), end="", file=sys.stderr)
        message = "rootstock: internal error: a bug in Rootstock, not in your spec or data"
        print(message, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rootstock",
        description="Multitask and transfer learning pipelines: one trunk, many task heads.",
        epilog=f"Exit codes: {EXIT_CODES}.",
    )
    parser.add_argument("--version", action="version", version=version("rootstock"))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = partial(spec_command, commands)

    init = commands.add_parser("init", help="write a starter spec for a data file or folder")
    init.add_argument("source", type=Path, metavar="DATA", help="a file, or a folder of files")
    repeatable(init, "--label", "COLUMN", "a column to predict")
    group_help = "its equal values mark rows that belong together"
    init.add_argument("--group", metavar="COLUMN", help=group_help)
    init.add_argument("--output", type=Path, default=Path("spec.yaml"), help="default: spec.yaml")
    init.set_defaults(command=_init)

    help = "find, test and push the best model for a data file or folder, within some minutes"
    found = commands.add_parser("auto", help=help)
    found.add_argument("source", type=Path, metavar="DATA", help="a file, or a folder of files")
    repeatable(found, "--label", "COLUMN", "a column to predict")
    found.add_argument("--minutes", type=float, default=10.0, help="for all of it (default: 10)")
    metric = "by which candidates are compared, such as auc, or of one task"
    repeatable(found, "--metric", "[TASK=]METRIC", metric)
    found.add_argument("--group", metavar="COLUMN", help=group_help)
    trunk = "a pretrained trunk to try, as in `model.trunk`"
    repeatable(found, "--trunk", "YAML", trunk)
    found.add_argument("--output", type=Path, help="a directory (default: <name of DATA>-auto)")
    found.set_defaults(command=_auto)

    help = "run the pipeline of a spec; cached results are reused"
    run = add("run", _run, help, on_beam=True)
    run.add_argument("--explain", action="store_true", help="print why stages run again")
    run.add_argument("--retries", type=int, default=0, help="extra attempts for a failed stage")
    no_wait = "do not wait until MLflow has the record"
    run.add_argument("--no-wait", dest="wait", action="store_false", help=no_wait)

    help = "measure for each task whether sharing and transfer help"
    study = add("study", _study, help, on_beam=True)
    study.add_argument("--plan", action="store_true", help="print the plan and stop")
    time_limit = "time limit; the plan leaves out what does not fit"
    study.add_argument("--max-minutes", type=float, help=time_limit)
    study.add_argument("--workers", type=int, default=1, help="concurrent trials")

    tune = add("tune", _tune, "search for better values of fields of a spec")
    tune.add_argument("--max-minutes", type=float, help="start no trial after this time")
    tune.add_argument("--workers", type=int, default=1, help="concurrent trials")

    advise = add("advise", _advise, "suggest in minutes which trunk and which task groups to try")
    advise.add_argument("--models", type=int, help="the most models that may be served")

    add("validate", _validate, "check a spec and its data without running it")

    add("verify", _verify, "read all cached results and pushed versions, and name what is damaged")

    schema = commands.add_parser("schema", help="print the JSON Schema of specs, for editors")
    schema.add_argument("--markdown", action="store_true", help="print Markdown (docs/spec.md)")
    schema.set_defaults(command=_schema)

    listed = commands.add_parser("methods", help="list the methods that a spec can choose from")
    listed.add_argument("name", nargs="?", help="describe this method")
    in_markdown = "describe all in Markdown (docs/methods.md)"
    listed.add_argument("--markdown", action="store_true", help=in_markdown)
    listed.set_defaults(command=_methods)

    add_commands(commands)

    help = "predict all rows of files with a pushed model"
    infer = add("infer", _infer, help, on_beam=True)
    infer.add_argument("paths", nargs="*", help="files in the format of the first source in SPEC")
    source = "a source as in a spec, such as '{format: parquet, path: a.parquet}'"
    repeatable(infer, "--source", "YAML", source)
    infer.add_argument("--output", type=Path, required=True, help="a new directory")
    formats = ("parquet", "jsonl", "tfrecord")
    infer.add_argument("--as", dest="kind", choices=formats, default="parquet")
    keep = "input columns to copy beside the predictions"
    infer.add_argument("--keep", default="", metavar="COLUMN,…", help=keep)
    infer.add_argument("--model-version", type=int, help="default: the newest")

    hub = "export the pushed model's trunk as a TF Hub module, for other specs"
    publish = add("publish", _publish, hub)
    publish.add_argument("directory", type=Path, help="a new directory")

    ui = add("ui", _ui, "open the MLflow UI with the runs of a spec")
    ui.add_argument("--port", type=int, default=5000)

    add("sync", _sync, "send the recorded runs that MLflow does not have yet")
    return parser


def _auto(args: argparse.Namespace) -> None:
    from pipeline.auto.run import auto

    pairs = (text.rpartition("=") for text in args.metric)
    metrics = {task: metric for task, _, metric in pairs}
    auto(args.source, args.label, args.minutes, metrics, args.group, args.trunk, args.output)


def _run(args: argparse.Namespace) -> None:
    from pipeline.run import run

    spec, values = args.spec, variables(args)
    run(spec, args.overrides, values, beam(args), args.explain, args.retries, args.wait)


def _study(args: argparse.Namespace) -> None:
    from pipeline.study.run import study

    limits = args.workers, args.max_minutes
    study(args.spec, args.overrides, variables(args), beam(args), *limits, plan_only=args.plan)


def _tune(args: argparse.Namespace) -> None:
    from pipeline.tune.run import tune

    tune(args.spec, args.overrides, variables(args), args.workers, args.max_minutes)


def _advise(args: argparse.Namespace) -> None:
    from pipeline.advise.run import give_advice

    give_advice(args.spec, args.overrides, variables(args), models=args.models)


def _init(args: argparse.Namespace) -> None:
    from pipeline.cli.reference import json_schema
    from pipeline.spec.starter import write_starter

    schema = args.output.parent / SCHEMA
    try:
        notes = write_starter(args.source, args.label, args.output, args.group, SCHEMA)
    finally:
        if args.output.exists():
            schema.parent.mkdir(exist_ok=True)
            schema.write_text(json.dumps(json_schema(), indent=1), encoding="utf-8")
    next_step = f"Review it, then: rootstock run {args.output}"
    print("\n".join([f"Wrote {args.output}, and {schema} for editors.", *notes, next_step]))


def _validate(args: argparse.Namespace) -> None:
    from pipeline.spec.validate import check

    source = source_of(args)
    spec = source.spec()
    from pipeline.spec.load import ensemble_of

    checked = check(spec)
    if checked.problems:
        raise RootstockError("\n".join(checked.problems))
    ensemble_of(args.spec, args.overrides, variables(args))
    if spec.tune.space:
        from pipeline.tune.space import check_space

        check_space(source, spec)
    if spec.study.arms:
        from pipeline.study.arms import planned_arms

        planned_arms(source)
    from pipeline.spec.trunk_trial import try_trunk

    trial = try_trunk(spec)
    counts = f"{len(spec.inputs)} inputs, {len(spec.tasks)} tasks"
    print(f"{args.spec}: valid. {counts}, {len(spec.data.sources)} sources.")
    for note in (*checked.notes, *filter(None, [trial])):
        print(note)


def _verify(args: argparse.Namespace) -> None:
    from pipeline.operations.verify import verify

    print(verify(spec_of(args)))


def _schema(args: argparse.Namespace) -> None:
    from pipeline.cli.reference import json_schema, page

    print(page().rstrip() if args.markdown else json.dumps(json_schema(), indent=2))


def _methods(args: argparse.Namespace) -> None:
    from pipeline.cli.methods import described, methods_list, page

    if args.markdown:
        print(page().rstrip())
    else:
        print(described(args.name) if args.name else methods_list())


def _infer(args: argparse.Namespace) -> None:
    from pipeline.operations.infer import infer
    from pipeline.spec.load import parse_source

    spec = spec_of(args)
    sources = [spec.data.sources[0].for_new_rows(path) for path in args.paths]
    sources += [parse_source(text) for text in args.source]
    if not sources:
        raise RootstockError("Expected files to predict, as PATH or --source.")
    keep = tuple(name.strip() for name in args.keep.split(",") if name.strip())
    version = args.model_version
    rows = infer(spec, sources, args.output, args.kind, keep, version, beam(args))
    print(f"{args.output}: {rows:,} rows")


def _publish(args: argparse.Namespace) -> None:
    from pipeline.operations.publish import publish_trunk_of

    spec = spec_of(args)
    publish_trunk_of(spec, args.directory)
    print(
        f"{args.directory}: the trunk of {spec.name}. To use it in another spec:\n"
        f"model: {{trunk: {{name: tf_hub, handle: {args.directory.absolute()}}}}}\n"
        "Or load it anywhere with tensorflow_hub.load."
    )


def _ui(args: argparse.Namespace) -> int:
    from pipeline.spec.trunk_lookup import tracking_uri

    spec = spec_of(args)
    uri = tracking_uri(spec)
    if uri.startswith("http"):
        print(f"The runs of {spec.name} are at {uri}")
        return 0
    from mlflow.exceptions import MlflowException

    from pipeline.tracking.client import connect

    try:
        connect(uri.reveal())  # a database that MLflow makes itself is lost if that is interrupted
    except MlflowException as e:
        raise RootstockError(without_secrets(e.message)) from e
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(args.port)]
    uris = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI")  # `ps` shows arguments
    command = die_with_parent.command(command, "tree")
    return subprocess.call(command, env={**os.environ, **dict.fromkeys(uris, uri.reveal())})


def _sync(args: argparse.Namespace) -> None:
    from pipeline.run import synchronise

    synchronise(spec_of(args))


def command() -> None:
    """The process of `rootstock`. It exits without the destructors of native libraries.

    Arrow's read-ahead threads may still run at exit, and then sometimes abort the process
    ("terminate called without an active exception", apache/arrow#34314).
    """
    interrupts.listen()
    try:
        code = main()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over
    if code == interrupts.EXIT_CODE:
        interrupts.end_children()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    command()
