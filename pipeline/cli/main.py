"""The command line."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from components.errors import RootstockError, did_you_mean
from models.masked_url import without_secrets
from pipeline.cli import interrupts, serving, training
from pipeline.cli.arguments import (
    Command,
    beam,
    repeatable,
    source_of,
    spec_command,
    spec_of,
    variables,
)
from pipeline.cli.arguments import command as command_of
from pipeline.cli.output import output_options, shown, verbosity
from pipeline.cli.overview import overview
from pipeline.cli.training import GROUP
from pipeline.store.place import local

SCHEMA = ".rootstock/schema.json"
"""Where `init` writes the JSON Schema for editors, beside the spec: it is there without network."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        args = _parsed(given)
        with interrupts.outranking():
            run: Command = args.command
            return run(args) or 0
    except RootstockError as e:
        message = without_secrets(str(e))
        for line in message.splitlines():
            print(f"rootstock: {line}", file=sys.stderr)
        if "--json" in given:
            print(json.dumps({"error": message}))
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


def _parsed(arguments: list[str]) -> argparse.Namespace:
    """The arguments.

    Raises:
        RootstockError: a command or an option is unknown; others end the process with code 2.
    """
    parser, commands = parsers()
    name = next((a for a in arguments if not a.startswith("-")), None)
    if name is not None and name not in commands:
        raise RootstockError(
            f"there is no command {name!r}.{did_you_mean(name, commands)} `rootstock --help` lists"
            " them."
        )
    args, unknown = parser.parse_known_args(arguments)
    if name is None:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    if unknown:
        option, known = unknown[0].partition("=")[0], commands[name]._option_string_actions
        raise RootstockError(
            f"{name}: unknown argument {unknown[0]}.{did_you_mean(option, known)}"
            f" `rootstock {name} --help` lists them."
        )
    return args


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the command line, and those of the commands by name."""
    parser = argparse.ArgumentParser(
        prog="rootstock",
        usage="rootstock COMMAND ...",
        description="Train one Keras model for several tasks, or from a pretrained one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("rootstock"))
    commands = parser.add_subparsers(prog=parser.prog, metavar="COMMAND", help=argparse.SUPPRESS)
    add = partial(spec_command, commands)

    help, example = (
        "write a starter spec for a data file or folder",
        ("people.csv --label income --label married\nphotos/ --output photos.yaml"),
    )
    init = command_of(commands, "init", _init, help, example)
    init.add_argument("source", type=Path, metavar="DATA", help="a file, or a folder of files")
    repeatable(init, "--label", "COLUMN", "a column to predict")
    init.add_argument("--group", metavar="COLUMN", help=GROUP)
    init.add_argument("--output", type=Path, default=Path("spec.yaml"), help="default: spec.yaml")

    training.add_commands(commands)

    help = "check a spec and its data, without training"
    example = "spec.yaml\nspec.yaml --set data.sources.0.path=new.csv"
    add("validate", _validate, help, example, on_beam=True)

    help = "read all cached results and pushed versions; name what is damaged"
    add("verify", _verify, help, "spec.yaml")

    help = "print the JSON Schema of specs, for editors"
    schema = command_of(commands, "schema", _schema, help, f"> {SCHEMA}")
    schema.add_argument("--markdown", action="store_true", help="print Markdown (docs/spec.md)")

    help = "list the methods that a spec can choose from"
    listed = command_of(commands, "methods", _methods, help, "\npcgrad")
    listed.add_argument("name", nargs="?", help="describe this method")
    in_markdown = "describe all in Markdown (docs/methods.md)"
    listed.add_argument("--markdown", action="store_true", help=in_markdown)

    serving.add_commands(commands)

    help, example = (
        "predict all rows of files with a pushed model",
        ("spec.yaml new.csv --output predictions\nspec.yaml new.csv --output out --keep id"),
    )
    infer = add("infer", _infer, help, example, on_beam=True)
    infer.add_argument("paths", nargs="*", help="files in the format of the first source in SPEC")
    source = "a source as in a spec, such as '{format: parquet, path: a.parquet}'"
    repeatable(infer, "--source", "YAML", source)
    infer.add_argument("--output", type=Path, required=True, help="a new directory")
    formats = ("parquet", "jsonl", "tfrecord")
    infer.add_argument("--as", dest="kind", choices=formats, default="parquet")
    keep = "input columns to copy beside the predictions"
    infer.add_argument("--keep", default="", metavar="COLUMN,…", help=keep)
    infer.add_argument("--model-version", type=int, help="default: the newest")
    output_options(infer)

    hub = "export the pushed trunk as a TF Hub module, for other specs"
    publish = add("publish", _publish, hub, "spec.yaml trunk/")
    publish.add_argument("directory", type=Path, help="a new directory")

    help = "open the MLflow UI with the runs of a spec"
    ui = add("ui", _ui, help, "spec.yaml --port 5001")
    ui.add_argument("--port", type=int, default=5000, help="default: 5000")
    no_browser = "do not open a browser"
    ui.add_argument("--no-browser", dest="browser", action="store_false", help=no_browser)

    help = "send the recorded runs that MLflow does not have yet"
    add("sync", _sync, help, "spec.yaml")

    help = "print the code that lets a shell complete commands and options"
    example = "bash >> ~/.bashrc\nzsh >> ~/.zshrc\nfish > ~/.config/fish/completions/rootstock.fish"
    completion = command_of(commands, "completion", _completion, help, example)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.epilog = overview({c.dest: c.help or "" for c in commands._choices_actions})
    return parser, dict(commands.choices)


def _completion(args: argparse.Namespace) -> None:
    from pipeline.cli.completion import script

    print(script(args.shell, parsers()[1]))


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
    written = f"Wrote {args.output}, and {schema} for editors."
    print("\n".join([written, *notes, next_step, _what_auto_tries(args)]))


def _what_auto_tries(args: argparse.Namespace) -> str:
    """The command that searches for the best model of the same data, and its candidates."""
    from pipeline.auto.candidate import choices
    from pipeline.spec.load import SpecSource

    names = [choice.name for choice in choices(SpecSource(args.output), ())]
    options = [part for label in args.label for part in ("--label", label)]
    options += ["--group", args.group] if args.group else []
    command = shlex.join(["rootstock", "auto", str(args.source), *options, "--minutes", "10"])
    return f"Or compare {len(names)} models ({', '.join(names)}) and serve the best: {command}"


def _validate(args: argparse.Namespace) -> None:
    from pipeline.spec.validate import check

    source = source_of(args)
    from pipeline.spec.load import ensemble_of, load_spec

    spec, file = load_spec(source.path, source.overrides, source.variables)

    checked = check(spec, beam(args))
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
    numbers = {"input": len(spec.inputs), "task": len(spec.tasks), "source": len(spec.data.sources)}
    counts = (f"{n} {what}{'' if n == 1 else 's'}" for what, n in numbers.items())
    print(f"{args.spec}: valid. {', '.join(counts)}.")
    from pipeline.operations.replacement import planned

    for note in (*checked.notes, *filter(None, [trial]), *planned(spec, file)):
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
    what = spec, sources, args.output, args.kind, keep, version, beam(args), verbosity(args)
    rows = shown(args, partial(infer, *what), lambda n: {"directory": args.output, "rows": n})
    if not args.json:
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
    from pipeline.display import showing_lines
    from pipeline.operations.ui import can_open_browser, serve_ui

    with showing_lines(local(spec.store)):
        experiment = spec.tracking.experiment or spec.name
        return serve_ui(uri, experiment, args.port, args.browser and can_open_browser())


def _sync(args: argparse.Namespace) -> None:
    from pipeline.run import synchronise

    synchronise(spec_of(args))


def command() -> None:
    """The process of `rootstock`. It exits without the destructors of native libraries.

    Arrow's read-ahead threads may still run at exit, and then sometimes abort the process
    ("terminate called without an active exception", apache/arrow#34314).
    """
    interrupts.listen()
    gc.set_threshold(20_000, 20, 20)  # imports allocate much that stays: a fifth of their time
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
