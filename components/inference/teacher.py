"""Teacher: a served model's answers to the training rows, for a model that learns from them."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Examples, ExportedModel, TeacherAnswers
from components.data.lazy import np, pq
from components.data.raw import raw_inputs
from components.stage import Context, Stage
from models.description import read_description
from serving.wire.names import DEFAULT_SIGNATURE

BATCH_ROWS = 256


@dataclass(frozen=True)
class TeacherInputs:
    model: ExportedModel
    examples: Examples


@dataclass(frozen=True)
class TeacherOutputs:
    answers: TeacherAnswers


@dataclass(frozen=True)
class Teacher(Stage[TeacherInputs, TeacherOutputs]):
    """Answers all rows of the training split with a SavedModel, as it will be served."""

    def run(self, inputs: TeacherInputs, context: Context) -> TeacherOutputs:
        from serving.server.saved_model import SavedModel

        served = SavedModel(inputs.model.saved_model)
        features = read_description(inputs.model.path).features
        columns, parts, examples = sorted({f.column for f in features}), [], inputs.examples
        rows, done = examples.num_rows("train"), 0
        for shard in examples.shards("train"):
            for batch in pq.ParquetFile(shard).iter_batches(BATCH_ROWS, columns=columns):
                parts.append(served.predict(DEFAULT_SIGNATURE, raw_inputs(batch, features)))
                done += batch.num_rows
                context.observer.progress(done, rows, "rows")
        answers = TeacherAnswers(context.output / "answers")
        answers.path.mkdir()
        by_task = {task: np.concatenate([p[task] for p in parts]) for task in parts[0]}
        np.savez(answers.path / "answers.npz", allow_pickle=False, **by_task)
        return TeacherOutputs(answers)
