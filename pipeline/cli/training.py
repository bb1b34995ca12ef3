"""The commands that train models: auto, run, compile, study, tune, advise."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pipeline.cli import STARTED
from pipeline.cli.arguments import (
    Commands,
    beam,
    command,
    repeatable,
    source_of,
    spec_command,
    variables,
)
from pipeline.cli.output import output_options, shown, verbosity
from pipeline.cli.workers import alone, with_workers

GROUP = "its equal values mark rows that belong together"
"""What `--group` says."""


def add_commands(commands: Commands) -> None:
    add = partial(spec_command, commands)
    help = "find, test and push the best model of your data within minutes"
    example = "people.csv --label income --minutes 10\nphotos/ --minutes 30 --metric macro_f1"
    found = command(commands, "auto", _auto, help, example)
    found.add_argument("source", type=Path, metavar="DATA", help="a file, or a folder of files")
    repeatable(found, "--label", "COLUMN", "a column to predict")
    found.add_argument("--minutes", type=float, default=10.0, help="for all of it (default: 10)")
    metric = "by which candidates are compared, such as auc, or of one task"
    repeatable(found, "--metric", "[TASK=]METRIC", metric)
    found.add_argument("--group", metavar="COLUMN", help=GROUP)
    trunk = "a pretrained trunk to try, as in `model.trunk`"
    repeatable(found, "--trunk", "YAML", trunk)
    cost = "what a wrong yes and a wrong no cost, such as 1:20: sets the threshold of yes"
    repeatable(found, "--cost", "[TASK=]A:B", cost)
    latency = "the longest time in which the model may answer one row, in milliseconds"
    found.add_argument("--latency-ms", type=float, help=latency)
    found.add_argument("--output", type=Path, help="a directory (default: <name of DATA>-auto)")
    output_options(found)

    help = "train, test and push a model; reuse what did not change"
    example = "spec.yaml\nspec.yaml --set training.epochs=5 --explain\nspec.yaml --json"
    run = add("run", _run, help, example, on_beam=True)
    run.add_argument("--explain", action="store_true", help="print why stages run again")
    run.add_argument("--retries", type=int, default=0, help="extra attempts for a failed stage")
    until = "end after this stage, such as Transform; a run without --until goes on from there"
    run.add_argument("--until", metavar="STAGE", help=until)
    no_wait = "do not wait until MLflow has the record"
    run.add_argument("--no-wait", dest="wait", action="store_false", help=no_wait)
    addresses = "train in several processes, this one first: host:port of each, separated by commas"
    run.add_argument("--workers", metavar="HOST:PORT,...", help=addresses)
    output_options(run)

    help = "write a spec as a pipeline of Kubeflow Pipelines or Airflow"
    example = "spec.yaml --to kfp\nspec.yaml --to airflow --shared /"
    compiled = add("compile", _compile, help, example, on_beam=True)
    compiled.add_argument("--to", required=True, metavar="NAME", help="kfp or airflow")
    compiled.add_argument("--output", type=Path, help="default: its name, here")
    shared = "a folder that all tasks see under this path; / if they all run on this machine"
    repeatable(compiled, "--shared", "DIR", shared)

    help = "measure for each task whether sharing and transfer help"
    example = "spec.yaml --plan\nspec.yaml --max-minutes 60 --workers 2"
    study = add("study", _study, help, example, on_beam=True)
    study.add_argument("--plan", action="store_true", help="print the plan and stop")
    time_limit = "time limit; the plan leaves out what does not fit"
    study.add_argument("--max-minutes", type=float, help=time_limit)
    study.add_argument("--workers", type=int, default=1, help="concurrent trials (default: 1)")
    output_options(study)

    help, example = "search for better values of fields of a spec", "spec.yaml --max-minutes 30"
    tune = add("tune", _tune, help, example)
    tune.add_argument("--max-minutes", type=float, help="start no trial after this time")
    tune.add_argument("--workers", type=int, default=1, help="concurrent trials (default: 1)")
    output_options(tune)

    help = "suggest in minutes which trunk and which task groups to try"
    advise = add("advise", _advise, help, "spec.yaml --models 2")
    advise.add_argument("--models", type=int, help="the most models that may be served")
    output_options(advise)


def _auto(args: argparse.Namespace) -> None:
    from pipeline.auto.answers import parse_cost

    alone("auto")
    from pipeline.auto.run import auto
    from pipeline.outcome import outcome

    costs = dict(map(parse_cost, args.cost))
    pairs = (text.rpartition("=") for text in args.metric)
    metrics = {task: metric for task, _, metric in pairs}
    what = args.source, args.label, args.minutes, metrics, args.group, args.trunk, args.output
    shown(
        args,
        lambda: auto(*what, verbosity(args), args.latency_ms, costs, STARTED),
        lambda found: {**asdict(outcome(found.pipeline)), "directory": found.directory},
    )


def _run(args: argparse.Namespace) -> None:
    from pipeline.outcome import outcome, stages_as_json
    from pipeline.phases import LAST
    from pipeline.run import run, run_until

    what = args.spec, args.overrides, variables(args), beam(args), args.explain, args.retries
    with with_workers(args.workers):
        if args.until in (None, LAST):
            shown(
                args,
                lambda: run(*what, wait=args.wait, verbosity=verbosity(args)),
                lambda result: asdict(outcome(result)),
            )
        else:
            work = partial(run_until, args.until, *what, verbosity=verbosity(args))
            shown(args, work, stages_as_json)


def _compile(args: argparse.Namespace) -> None:
    from pipeline.orchestrators.compile import compile_spec

    print(compile_spec(source_of(args), args.to, args.output, args.shared, beam(args)))


def _study(args: argparse.Namespace) -> None:
    alone("study")
    from pipeline.study.run import study

    what = args.spec, args.overrides, variables(args), beam(args), args.workers, args.max_minutes
    work = partial(study, *what, plan_only=args.plan, verbosity=verbosity(args))
    shown(args, work, _of_directory)


def _tune(args: argparse.Namespace) -> None:
    alone("tune")
    from pipeline.tune.run import tune

    what = args.spec, args.overrides, variables(args), args.workers, args.max_minutes
    shown(args, partial(tune, *what, verbosity=verbosity(args)), _of_directory)


def _advise(args: argparse.Namespace) -> None:
    alone("advise")
    from pipeline.advise.run import give_advice

    what = args.spec, args.overrides, variables(args)
    work = partial(give_advice, *what, models=args.models, verbosity=verbosity(args))
    shown(args, work, _of_directory)


def _of_directory(directory: Path | None) -> dict[str, object]:
    files = sorted(f for f in directory.iterdir() if f.is_file()) if directory else []
    return {"directory": directory, "files": files}
