"""The command line.

Exit codes: 0 success, 1 internal error, 2 problem in your spec or data, 130 interrupted.
"""

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
from importlib.metadata import version
from pathlib import Path

from components.errors import RootstockError
from components.stage import BeamOptions
from pipeline.cli import interrupts
from pipeline.cli.arguments import beam_arguments, spec_arguments, variables
from pipeline.cli.serving import add_commands

EXIT_CODES = (
    "Exit codes: 0 success, 1 internal error, 2 problem in your spec or data, 130 interrupted."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `rootstock`."""
    try:
        args = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = args.command
        with interrupts.outranking():
            return command(args)
    except RootstockError as e:
        for line in str(e).splitlines():
            print(f"rootstock: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        interrupts.print_once()
        return interrupts.EXIT_CODE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        traceback.print_exc()
        print(
            "rootstock: internal error: a bug in Rootstock, not in your spec or data",
            file=sys.stderr,
        )
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rootstock",
        description="Multitask and transfer learning pipelines: one trunk, many task heads.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=version("rootstock"))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="write a starter spec for a data file or folder")
    init.add_argument("source", type=Path, metavar="DATA", help="a file, or a folder of files")
    init.add_argument(
        "--label", action="append", default=[], metavar="COLUMN", help="a column to predict"
    )
    init.add_argument("--output", type=Path, default=Path("spec.yaml"), help="default: spec.yaml")
    init.set_defaults(command=_init)

    run = commands.add_parser("run", help="run the pipeline of a spec; cached results are reused")
    spec_arguments(run)
    beam_arguments(run)
    run.add_argument("--explain", action="store_true", help="print why stages run again")
    run.add_argument("--retries", type=int, default=0, help="extra attempts for a failed stage")
    run.add_argument(
        "--no-wait", action="store_true", help="do not wait until MLflow has the record"
    )
    run.set_defaults(command=_run)

    study = commands.add_parser(
        "study", help="measure for each task whether sharing and transfer help"
    )
    spec_arguments(study)
    study.add_argument("--plan", action="store_true", help="print the plan and stop")
    study.add_argument(
        "--max-minutes", type=float, help="time limit; the plan leaves out what does not fit"
    )
    study.add_argument("--workers", type=int, default=1, help="concurrent trials")
    beam_arguments(study)
    study.set_defaults(command=_study)

    tune = commands.add_parser("tune", help="search for better values of fields of a spec")
    spec_arguments(tune)
    tune.add_argument("--max-minutes", type=float, help="start no trial after this time")
    tune.add_argument("--workers", type=int, default=1, help="concurrent trials")
    tune.set_defaults(command=_tune)

    advise = commands.add_parser(
        "advise", help="suggest in minutes which trunk and which task groups to try"
    )
    spec_arguments(advise)
    advise.add_argument("--models", type=int, help="the most models that may be served")
    advise.set_defaults(command=_advise)

    check = commands.add_parser("validate", help="check a spec and its data without running it")
    spec_arguments(check)
    check.set_defaults(command=_validate)

    schema = commands.add_parser("schema", help="print the JSON Schema of specs, for editors")
    schema.add_argument("--markdown", action="store_true", help="print Markdown (docs/spec.md)")
    schema.set_defaults(command=_schema)

    listed = commands.add_parser("methods", help="list the methods that a spec can choose from")
    listed.add_argument("name", nargs="?", help="describe this method")
    listed.add_argument(
        "--markdown", action="store_true", help="describe all in Markdown (docs/methods.md)"
    )
    listed.set_defaults(command=_methods)

    add_commands(commands)

    infer = commands.add_parser("infer", help="predict all rows of files with a pushed model")
    spec_arguments(infer)
    infer.add_argument("paths", nargs="*", help="files in the format of the first source in SPEC")
    infer.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="YAML",
        help="a source as in a spec, such as '{format: parquet, path: a.parquet}'",
    )
    infer.add_argument("--output", type=Path, required=True, help="a new directory")
    infer.add_argument("--as", dest="kind", choices=("parquet", "jsonl", "tfrecord"))
    infer.add_argument(
        "--keep",
        default="",
        metavar="COLUMN,…",
        help="input columns to copy beside the predictions",
    )
    infer.add_argument("--model-version", type=int, help="default: the newest")
    beam_arguments(infer)
    infer.set_defaults(command=_infer)

    publish = commands.add_parser(
        "publish", help="export the pushed model's trunk as a TF Hub module, for other specs"
    )
    spec_arguments(publish)
    publish.add_argument("directory", type=Path, help="a new directory")
    publish.set_defaults(command=_publish)

    ui = commands.add_parser("ui", help="open the MLflow UI with the runs of a spec")
    spec_arguments(ui)
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(command=_ui)

    sync = commands.add_parser("sync", help="send the recorded runs that MLflow does not have yet")
    spec_arguments(sync)
    sync.set_defaults(command=_sync)
    return parser


def _run(args: argparse.Namespace) -> int:
    from pipeline.run import run

    beam = BeamOptions(args.runner, tuple(args.beam))
    run(
        args.spec,
        overrides=args.overrides,
        variables=variables(args),
        beam=beam,
        explain=args.explain,
        retries=args.retries,
        wait=not args.no_wait,
    )
    return 0


def _study(args: argparse.Namespace) -> int:
    from pipeline.study.run import study

    study(
        args.spec,
        overrides=args.overrides,
        variables=variables(args),
        beam=BeamOptions(args.runner, tuple(args.beam)),
        workers=args.workers,
        minutes=args.max_minutes,
        plan_only=args.plan,
    )
    return 0


def _tune(args: argparse.Namespace) -> int:
    from pipeline.tune.run import tune

    tune(args.spec, args.overrides, variables(args), args.workers, args.max_minutes)
    return 0


def _advise(args: argparse.Namespace) -> int:
    from pipeline.advise.run import give_advice

    give_advice(args.spec, args.overrides, variables(args), models=args.models)
    return 0


def _init(args: argparse.Namespace) -> int:
    from pipeline.spec.starter import write_starter

    notes = write_starter(args.source, args.label, args.output)
    next_step = f"Review it, then: rootstock run {args.output}"
    print("\n".join([f"Wrote {args.output}.", *notes, next_step]))
    return 0


def _validate(args: argparse.Namespace) -> int:
    from pipeline.spec.load import load_spec
    from pipeline.spec.validate import validate

    spec, _ = load_spec(args.spec, args.overrides, variables(args))
    if problems := validate(spec):
        raise RootstockError("\n".join(problems))
    if spec.tune.space:
        from pipeline.tune.space import check_space

        check_space(args.spec, spec, args.overrides, variables(args))
    if spec.study.arms:
        from pipeline.study.arms import planned_arms

        planned_arms(args.spec, args.overrides, variables(args))
    print(
        f"{args.spec}: valid. {len(spec.inputs)} inputs, {len(spec.tasks)} tasks,"
        f" {len(spec.data.sources)} sources."
    )
    return 0


def _schema(args: argparse.Namespace) -> int:
    from pipeline.cli.reference import json_schema, page

    print(page().rstrip() if args.markdown else json.dumps(json_schema(), indent=2))
    return 0


def _methods(args: argparse.Namespace) -> int:
    from pipeline.cli.methods import described, methods_list, page

    print(
        page().rstrip() if args.markdown else described(args.name) if args.name else methods_list()
    )
    return 0


def _infer(args: argparse.Namespace) -> int:
    from pipeline.operations.infer import infer, like_the_first
    from pipeline.spec.load import load_spec, parse_source

    spec, _ = load_spec(args.spec, args.overrides, variables(args))
    sources = [like_the_first(spec, path) for path in args.paths]
    sources += [parse_source(text) for text in args.source]
    if not sources:
        raise RootstockError("Expected files to predict, as PATH or --source.")
    keep = tuple(name.strip() for name in args.keep.split(",") if name.strip())
    beam = BeamOptions(args.runner, tuple(args.beam))
    rows = infer(spec, sources, args.output, args.kind or "parquet", keep, args.model_version, beam)
    print(f"{args.output}: {rows:,} rows")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from pipeline.operations.publish import publish_trunk_of
    from pipeline.spec.load import load_spec

    spec, _ = load_spec(args.spec, args.overrides, variables(args))
    publish_trunk_of(spec, args.directory)
    print(
        f"{args.directory}: the trunk of {spec.name}. To use it in another spec:\n"
        f"model: {{trunk: {{name: tf_hub, handle: {args.directory.absolute()}}}}}\n"
        "Or load it anywhere with tensorflow_hub.load."
    )
    return 0


def _ui(args: argparse.Namespace) -> int:
    from pipeline.spec.load import load_spec
    from pipeline.spec.trunk_lookup import tracking_uri

    spec, _ = load_spec(args.spec, args.overrides, variables(args))
    uri = tracking_uri(spec)
    if uri.startswith("http"):
        print(f"The runs of {spec.name} are at {uri}")
        return 0
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    return subprocess.call([*command, "--port", str(args.port)])


def _sync(args: argparse.Namespace) -> int:
    from pipeline.run import synchronise
    from pipeline.spec.load import load_spec

    spec, _ = load_spec(args.spec, args.overrides, variables(args))
    synchronise(spec)
    return 0


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
