"""Embed: runs a frozen trunk on every row once, instead of in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from components.artifacts import AdaptedTrunk, Batches, Preprocessing, SourceFiles
from components.beam.map_units import hand_over, map_units
from components.data.atomic import replacing
from components.data.lazy import np
from components.errors import RootstockError
from components.stage import Context, Stage
from components.transform import batches as stored
from components.transform.preprocessing_file import load_preprocessing
from models.inputs.base import Feature
from models.inputs.representation import BLOCKS, REPRESENTATION, Blocks, Representation
from models.lazy import keras, tf
from models.trunks.base import Trunk, TrunkError
from models.trunks.sources.adapted import Adapted

SPLITS = ("train", "val")
"""The splits that the Trainer reads. The Evaluator runs the whole served graph instead."""
UNIT_ROWS = 256
"""Number of rows that are sorted, computed and saved together; a killed run loses at most these."""
COLUMNS = {REPRESENTATION: Representation, BLOCKS: Blocks}
BATCH_ROWS = 64
BATCH_TOKENS = BATCH_ROWS * 128
"""Tokens that are computed together, counting every row of a batch as its longest."""


@dataclass(frozen=True)
class EmbedInputs:
    """batches: preprocessed by `preprocessing`. pretrained: the files of the trunk, so that their
    content counts in the fingerprint. adapted: the trunk's weights after pretraining on texts.
    """

    preprocessing: Preprocessing
    batches: Batches
    pretrained: tuple[SourceFiles, ...] = ()
    adapted: AdaptedTrunk | None = None


@dataclass(frozen=True)
class EmbedOutputs:
    """embeddings: a `models.inputs.representation.Representation` of each row of the splits, and
    `Blocks` if wanted.
    """

    embeddings: Batches


@dataclass(frozen=True, kw_only=True)
class Embed(Stage[EmbedInputs, EmbedOutputs]):
    """Runs a pretrained trunk in inference mode, in float32.

    blocks: also store what linear experts read of images: see `models.trunks.blocks`.
    splits: which rows.
    """

    trunk: Trunk
    blocks: bool = False
    splits: tuple[str, ...] = SPLITS

    def uses(self, inputs: EmbedInputs) -> tuple[object, ...]:
        return self.trunk.made_of()

    def run(self, inputs: EmbedInputs, context: Context) -> EmbedOutputs:
        done = context.scratch / "embeddings"
        features = load_preprocessing(inputs.preprocessing)
        trunk = self.trunk
        if inputs.adapted is not None:
            trunk = Adapted(trunk=trunk, directory=inputs.adapted.path)
        encoder = Encoder(context.scratch.name, trunk, features, self.blocks)
        units = list(_units(inputs.batches, self.splits, done))
        for split in self.splits:
            (done / split).mkdir(parents=True, exist_ok=True)
        rows = [unit.stop - unit.start for unit in units]
        try:
            work = partial(embed_unit, encoder=encoder)
            map_units("embed", units, work, context, rows, threads=1)  # TensorFlow has its own
        finally:
            _built.cache_clear()
        embeddings = Batches(context.output / "embeddings")
        hand_over("embed", done, embeddings.path, context)
        context.observer.figure("rows", sum(rows))
        context.observer.figure("width", stored.stored_representation(embeddings).width)
        if (blocks := stored.stored_blocks(embeddings)) is not None:
            context.observer.figure("width of all blocks", blocks.width)
        return EmbedOutputs(embeddings)


@dataclass(frozen=True)
class Unit:
    """Rows `start` to `stop` of a shard, and the file to write their representations to."""

    source: Path
    start: int
    stop: int
    target: Path


@dataclass(frozen=True)
class Encoder:
    """What a worker builds once. key: the name of the attempt; equal keys mean the same trunk."""

    key: str
    trunk: Trunk = field(compare=False)
    features: tuple[Feature, ...] = field(compare=False)
    blocks: bool = field(default=False, compare=False)


def _units(batches: Batches, splits: Sequence[str], done: Path) -> Iterator[Unit]:
    for split in splits:
        for source in stored.shards(batches, split):
            total = stored.num_rows(source)
            for start in range(0, total, UNIT_ROWS):
                target = done / split / f"{source.stem}-{start // UNIT_ROWS:06d}.arrow"
                yield Unit(source, start, min(start + UNIT_ROWS, total), target)


def embed_unit(index: int, unit: Unit, *, encoder: Encoder) -> None:
    """Write the representations of a unit's rows, encoded in the order of their lengths, so that a
    trunk that trims padding computes little of it.
    """
    encode = _built(encoder)
    shard = stored.read_shard(unit.source, encoder.features)
    columns = {name: values[unit.start : unit.stop] for name, values in shard.items()}
    counts = stored.token_counts(columns, encoder.features)
    order = np.argsort(counts, kind="stable")
    parts = _batches(order, counts)
    batches = [encode({n: v[p] for n, v in columns.items()}) for p in parts]
    arrays = {n: np.concatenate([b[n] for b in batches])[np.argsort(order)] for n in batches[0]}
    kept = tuple(COLUMNS[name](width=values.shape[1]) for name, values in arrays.items())
    with replacing(unit.target) as new:
        stored.write_shard(new, arrays, kept)


def _batches(order: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Rows in batches of at most `BATCH_ROWS` rows and, above one row, `BATCH_TOKENS` tokens.

    order: of the rows, by ascending number of tokens. counts: of the tokens of each row.
    """
    ends, size = [], 0
    for position, row in enumerate(order):
        if size == BATCH_ROWS or (size and (size + 1) * counts[row] > BATCH_TOKENS):
            ends.append(position)
            size = 0
        size += 1
    return np.split(order, ends)


@lru_cache(maxsize=1)
def _built(encoder: Encoder) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """A function from features [batch, ...] to the columns to store, float32 [batch, width], the
    members of the trunk side by side.

    Raises:
        RootstockError: the trunk cannot be built.
    """
    from models.trunks import blocks
    from models.trunks.layers.joined import members_in, representation_of
    from models.trunks.layers.members import join_members

    keras.utils.set_random_seed(0)  # for weights that the trunk's files lack
    try:
        trunk = encoder.trunk.build(encoder.features)
    except TrunkError as e:
        raise RootstockError(f"model.trunk: {e}") from e
    members = members_in(trunk)
    both = blocks.Blocks(trunk, encoder.features) if encoder.blocks else None
    read = tuple(f for f in encoder.features if f.name in trunk.input)
    specs = {f.name: tf.TensorSpec([None, *f.shape], f.dtype) for f in read}

    def represent(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if both is not None:
            return dict(zip(COLUMNS, both(batch), strict=True))
        output = representation_of(trunk, read, batch, training=False)
        return {REPRESENTATION: join_members(tf.cast(output, tf.float32), members)}

    encode = tf.function(represent, input_signature=[specs], autograph=False)

    def encoded(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        batch = {name: tf.constant(columns[name], spec.dtype) for name, spec in specs.items()}
        return {name: values.numpy() for name, values in encode(batch).items()}

    return encoded
