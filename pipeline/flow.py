"""The pipeline itself: raw files in, a pushed multitask model out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from components import artifacts
from components.artifacts import SourceFiles
from components.data.digests import RawFiles, digest_tree
from components.errors import RootstockError
from components.evaluation.evaluator import Evaluator, EvaluatorInputs
from components.experts.experts import Experts, ExpertsInputs
from components.experts.fitting import experts_for
from components.export.ensembler import Ensembler, EnsemblerInputs
from components.export.exporter import Exporter, ExporterInputs
from components.export.infra_validator import InfraValidator, InfraValidatorInputs
from components.export.portable_runtime import check_installed
from components.export.portable_validator import PortableValidator, PortableValidatorInputs
from components.export.pusher import Pusher, PusherInputs
from components.inference.teacher import Teacher, TeacherInputs
from components.ingestion.deduplicator import Deduplicator, DeduplicatorInputs
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers import Reader
from components.ingestion.readers.spans import by_span, resolved
from components.ingestion.span_merger import SpanMerger, SpanMergerInputs
from components.ingestion.splits import HashSplits
from components.inputs.base import kind_of
from components.labels.task_statistics_gen import TaskStatisticsGen, TaskStatisticsGenInputs
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.training.pretrainer import Pretrainer, PretrainerInputs
from components.training.recipe import Recipe, TrainerInputs
from components.training.trainer import Trainer
from components.transform.embed import SPLITS, Embed, EmbedInputs
from components.transform.preprocessing_file import load_preprocessing
from components.transform.transform import Transform, TransformInputs, TransformOutputs
from components.validation.anomalies import errors, warnings
from components.validation.example_validator import ExampleValidator, ExampleValidatorInputs
from components.validation.schema_gen import SchemaGen, SchemaGenInputs
from models.inputs.base import Input
from models.inputs.encodings import AsTrained, Reading, Tokens
from models.trunks.base import Trunk, TrunkError
from models.trunks.blocks import has_blocks
from pipeline.runner import Runner
from pipeline.spec.load import NO_ENSEMBLE, EnsembleSpecs
from pipeline.spec.sections import Spec
from pipeline.store.place import local
from serving.manifest import shortened
from serving.versions.destination import destination
from serving.versions.history import champion_version, read_origin


@dataclass(frozen=True)
class PipelineResult:
    """The outcome of a pipeline run. examples: that the model was trained and evaluated on.
    trained: the model, or the first one of an ensemble. page: path or URL of the run's page.
    """

    examples: artifacts.Examples
    trained: artifacts.TrainedModel
    model: artifacts.ExportedModel
    evaluation: artifacts.Evaluation
    blessings: tuple[artifacts.Blessing, ...]
    pushed: artifacts.Pushed
    page: str = ""


def pipeline(
    spec: Spec, run: Runner, ensemble: EnsembleSpecs = NO_ENSEMBLE, replaces: bool = True
) -> PipelineResult:
    """Run all stages of a spec.

    ensemble: its models, if it describes several. replaces: whether the model may replace another
        one that is served.

    Raises:
        RootstockError: the data does not fit the spec. Results of finished stages are kept.
    """
    prepared, trained, model = exported(spec, run, ensemble)
    infra_validator = InfraValidator(limits=spec.limits, tolerance=spec.export.allowed)
    infra = run.start(infra_validator, InfraValidatorInputs(model))
    evaluator = Evaluator(
        tasks=tuple(spec.tasks.values()),
        thresholds=spec.thresholds,
        slices=spec.evaluation.slices,
        min_slice_rows=spec.evaluation.min_slice_rows,
        confidence=spec.evaluation.confidence,
        key=spec.data.key,
        weight=spec.evaluation.weight,
        decisions=spec.evaluation.decisions,
    )
    to_evaluate = EvaluatorInputs(model, prepared.examples, _champion(spec, model, run))
    evaluated = run(evaluator, to_evaluate)
    blessings = [evaluated.blessing, infra.result().blessing]
    if formats := spec.export.formats:
        compared = run(PortableValidator(formats=formats), PortableValidatorInputs(model))
        rounded = [form for form in formats if not form.exact]
        measured = [run(replace(evaluator, form=form), to_evaluate) for form in rounded]
        blessings += [compared.blessing, *(m.blessing for m in measured)]
    push = spec.push
    pusher = Pusher(
        model=spec.name,
        destination=push.destination,
        keep=push.keep,
        label=push.label,
        replaces=replaces,
    )
    pushed = run(pusher, PusherInputs(model, tuple(blessings))).pushed
    return PipelineResult(
        prepared.examples, trained, model, evaluated.evaluation, tuple(blessings), pushed
    )


def exported(
    spec: Spec, run: Runner, ensemble: EnsembleSpecs = NO_ENSEMBLE
) -> tuple[TrainerInputs, artifacts.TrainedModel, artifacts.ExportedModel]:
    """Run the stages up to the SavedModel. Returns the inputs of the Trainer, its model and that.

    ensemble: as for `pipeline`. It is exported or, if it is distilled, the model that learns from
        it.

    Raises:
        RootstockError: the data does not fit the spec.
    """
    form, teacher = spec.export, None
    check_installed(form.formats)
    if ensemble.members:
        made = [train(member, run) for member in ensemble.members]
        prepared, trained = made[0]
        total = sum(m.share for m in spec.ensemble)
        shares = tuple(m.share / total for m in spec.ensemble)
        ensembler = Ensembler(shares=shares, key=spec.data.key, weights=form.weights)
        models = EnsemblerInputs(tuple(model for _, model in made), prepared.examples)
        together = run(ensembler, models).model
        if ensemble.student is None:
            return prepared, trained, together
        teacher = run(Teacher(), TeacherInputs(together, prepared.examples)).answers
    prepared, trained = train(ensemble.student or spec, run, teacher)
    exporter = Exporter(weights=form.weights, xla=form.xla, formats=form.formats)
    return prepared, trained, run(exporter, ExporterInputs(trained, prepared.examples)).model


def train(
    spec: Spec, run: Runner, teacher: artifacts.TeacherAnswers | None = None
) -> tuple[TrainerInputs, artifacts.TrainedModel]:
    """Run the stages up to the Trainer. Returns its inputs and its model.

    teacher: answers to learn from beside the labels.

    Raises:
        RootstockError: the data does not fit the spec.
    """
    prepared = prepare(spec, run)
    prepared = replace(prepared, experts=_experts(spec, run, prepared), teacher=teacher)
    return prepared, run(Trainer.of(recipe(spec), spec.data.key), prepared).model


def prepare(spec: Spec, run: Runner, for_trials: bool = False) -> TrainerInputs:
    """Run the stages before training.

    for_trials: test rows too pass through a frozen trunk only once.

    Raises:
        RootstockError: the data does not fit the spec.
    """
    inputs, tasks = tuple(spec.inputs.values()), tuple(spec.tasks.values())
    index = local(spec.store) / "sources"

    examples = _examples(spec, run, index)
    if (rule := spec.data.duplicates) is not None:
        deduplicator = Deduplicator(columns=rule.columns, near=rule.near, drop=rule.drop)
        examples = run(deduplicator, DeduplicatorInputs(examples)).examples
    statistics_gen = StatisticsGen(
        images=tuple(i.column for i in inputs if kind_of(i).described_as == "image"),
        texts=tuple(i.column for i in inputs if kind_of(i).described_as == "text"),
    )
    statistics = run(statistics_gen, StatisticsGenInputs(examples)).statistics
    if slices := spec.evaluation.slices:  # only for people, so other slices run nothing else again
        run(replace(statistics_gen, slices=slices), StatisticsGenInputs(examples))
    schema = run(SchemaGen(), SchemaGenInputs(statistics, _curated(spec, index))).schema
    validator = ExampleValidator(
        inputs=inputs, tasks=tasks, max_shift=spec.data.max_shift, weight=spec.evaluation.weight
    )
    previous = _statistics_of(spec.data.previous, statistics_gen, spec, run)
    serving = _statistics_of(spec.data.serving, statistics_gen, spec, run)
    compared = ExampleValidatorInputs(statistics, schema, previous, serving, examples)
    anomalies = run(validator, compared).anomalies
    for sentence in warnings(anomalies):
        run.display.warning(f"  ExampleValidator: warning: {sentence}")
    if problems := errors(anomalies):
        raise RootstockError("\n".join([*problems, f"All anomalies: {anomalies.path}"]))

    task_statistics_gen = TaskStatisticsGen(tasks=tasks, slices=spec.evaluation.slices)
    run(task_statistics_gen, TaskStatisticsGenInputs(examples))

    reading = spec.model.whole_trunk.reading()
    pretrained, files, modules = list[SourceFiles](), list[SourceFiles](), list[SourceFiles]()
    for key, trunk, read in spec.read_by_trunks():
        own = _pretrained(key, trunk, index)
        pretrained += own
        files += own if isinstance(trunk.reading(), Tokens | AsTrained) else ()
        modules += _modules(read, trunk.reading(), index)
    transform_inputs = TransformInputs(examples, statistics, tuple(files), tuple(modules))
    made = run(Transform(inputs=inputs, reading=reading), transform_inputs)
    weights, adapted = tuple(pretrained), None
    if (method := spec.model.pretraining) is not None:
        pretrainer = Pretrainer(trunk=spec.model.trunk, method=method, seed=spec.seed)
        texts = PretrainerInputs(made.preprocessing, made.batches, weights)
        adapted = run(pretrainer, texts).trunk
    elif examples.shards(artifacts.UNLABELLED):
        run.display.line("  Unlabelled rows: not read, because there is no model.pretraining")
    embeddings = _embeddings(spec, run, made, weights, adapted)
    of_test = _embeddings(spec, run, made, weights, adapted, ("test",)) if for_trials else None
    return TrainerInputs(
        examples, made.preprocessing, made.batches, weights, embeddings, of_test, adapted=adapted
    )


def _experts(spec: Spec, run: Runner, data: TrainerInputs) -> artifacts.ExpertModels | None:
    """The classical models that the network builds on; None if there are none that could help."""
    kinds, represented = spec.model.experts, data.embeddings is not None
    if not kinds or not experts_for(kinds, load_preprocessing(data.preprocessing), represented):
        return None
    stage = Experts(
        tasks=tuple(spec.tasks.values()),
        kinds=kinds,
        subset=spec.training.subset,
        key=spec.data.key,
        seed=spec.seed,
    )
    inputs = ExpertsInputs(data.examples, data.preprocessing, data.batches, data.embeddings)
    return run(stage, inputs).experts


def recipe(spec: Spec) -> Recipe:
    """The model of a spec, and how to train it."""
    tasks, model = tuple(spec.tasks.values()), spec.model
    methods = (model.whole_trunk, model.sharing, model.balancing, model.whole_transfer)
    last_word = model.last_word
    return Recipe(tasks, *methods, training=spec.training, seed=spec.seed, last_word=last_word)


def _examples(spec: Spec, run: Runner, index: Path) -> artifacts.Examples:
    """All examples. Spans are read separately, so that only new ones have to be read."""
    spans = by_span(spec.data.sources)
    plain = list(spans) == [None]
    splits = spec.data.splits.without({s.split for s in spec.data.sources if s.split})
    if not plain and isinstance(splits, HashSplits) and splits.needs_all_keys:
        raise RootstockError(
            "data.splits: `stratify` and folds need all data at once, but spans are read one by"
            " one. Remove `stratify` (or `fold`, or study.splits: folds), or name the files without"
            " {SPAN}."
        )
    parts = []
    for sources in spans.values():
        stage = ExampleGen(
            sources=sources,
            splits=splits,
            key=spec.data.key,
            max_bad_fraction=spec.data.max_bad_fraction,
            part=not plain,
        )
        parts.append(run(stage, ExampleGenInputs(_raw(sources, index))).examples)
    if plain:
        return parts[0]
    examples = run(SpanMerger(), SpanMergerInputs(tuple(parts))).examples
    if not examples.shards("train"):
        raise RootstockError("No examples for the training split in these spans; see data.splits.")
    return examples


def _raw(sources: tuple[Reader, ...], index: Path) -> tuple[SourceFiles, ...]:
    return tuple(SourceFiles.of(s, index) for s in sources)


def _statistics_of(
    sources: tuple[Reader, ...], stage: StatisticsGen, spec: Spec, run: Runner
) -> artifacts.Statistics | None:
    """Statistics of all rows of other sources; None if there are no sources."""
    if not sources:
        return None
    sources = resolved(sources)
    all_rows = ExampleGen(
        sources=tuple(replace(s, split="train") for s in sources),
        max_bad_fraction=spec.data.max_bad_fraction,
    )
    files = _raw(sources, local(spec.store) / "sources")
    examples = run(all_rows, ExampleGenInputs(files)).examples
    return run(stage, StatisticsGenInputs(examples)).statistics


def _pretrained(key: str, trunk: Trunk, index: Path) -> list[SourceFiles]:
    try:
        return [SourceFiles.of(RawFiles(f), index) for f in trunk.files()]
    except TrunkError as e:
        raise RootstockError(f"{key}: {e}") from e


def _modules(inputs: tuple[Input, ...], reading: Reading, index: Path) -> list[SourceFiles]:
    """The user's own files that features depend on. A trained model, whose features are used as
    they are, brings its own copies.
    """
    if isinstance(reading, AsTrained):
        return []
    for spec in inputs:
        if problems := spec.check():
            raise RootstockError(f"inputs.{spec.name}: {problems[0]}")
    files = [file for spec in inputs for file in spec.files()]
    return [SourceFiles.of(RawFiles(file), index) for file in files]


def _embeddings(
    spec: Spec,
    run: Runner,
    transformed: TransformOutputs,
    pretrained: tuple[SourceFiles, ...],
    adapted: artifacts.AdaptedTrunk | None,
    splits: tuple[str, ...] = SPLITS,
) -> artifacts.Batches | None:
    """The representation of all rows by frozen trunks. None if the Trainer has to compute it: it
    initialises fresh weights from the seed, and changes images in every epoch.
    """
    if (trunk := spec.model.embedded) is None:
        return None
    augment = spec.training.augment
    if augment is not None and not augment.unless_frozen:
        run.display.line("  Embed: skipped, because training.augment changes images every epoch")
        return None
    inputs = EmbedInputs(transformed.preprocessing, transformed.batches, pretrained, adapted)
    experts = spec.model.experts
    blocks = not spec.model.trunks and (experts == "auto" or "linear" in experts)
    features = load_preprocessing(transformed.preprocessing)
    stage = Embed(trunk=trunk, blocks=blocks and has_blocks(features), splits=splits)
    return run(stage, inputs).embeddings


def _champion(spec: Spec, model: artifacts.ExportedModel, run: Runner) -> artifacts.Champion | None:
    """The model to compare with: the one that is served now or, if that is `model` itself, the one
    before. A version on trial, such as a canary, does not count, nor does a damaged one.
    """
    if not any(t.compares for t in spec.thresholds):
        return None
    served = destination(spec.push.destination.reveal(), spec.push.destination)
    trials, history = served.trial_versions(spec.name), dict(served.history(spec.name))
    while (version := champion_version(history, model.digest, trials)) is not None:
        if not (damage := served.damage(spec.name, version, "checksums")):
            path = served.fetch(spec.name, version, local(spec.store) / "champions")
            origin = read_origin(path)
            return artifacts.Champion(path, origin.digest if origin else digest_tree(path))
        place = served.location(spec.name, version)
        run.display.alert(f"  {place} is damaged, so it is not compared: {shortened(damage)}")
        del history[version]
    return None


def _curated(spec: Spec, index: Path) -> SourceFiles | None:
    file = spec.data.schema_file
    return None if file is None else SourceFiles.of(RawFiles(file), index)
