"""Trains a text trunk to predict tokens of the user's texts. Importing this imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from components.errors import RootstockError
from components.stage import Context
from components.training.checkpoint import Checkpoint
from components.training.steps import train_steps, warmed_up
from components.training.stored_copy import StoredCopy
from components.training.token_tasks import Masking, NextToken, Objective, TokenTask, lengths
from models.inputs.layers.tokens import Tokenizer
from models.inputs.tokens import TokensFeature
from models.lazy import keras, tf
from models.pretraining.language_model import FEWEST_TEXTS, LanguageModel
from models.pretraining.layers.language_head import LanguageHead, embedding_of, token_losses
from models.trunks.layers.token_outputs import token_model, token_outputs
from models.trunks.layers.trim_padding import trimming
from models.trunks.sources.text_backbone import looks_only_back

HELD_BACK, MOST_HELD_BACK = 0.1, 500
"""Share of the texts that are held back to measure the loss, and their largest number."""
HEAD_RATE = 10.0
"""Learning rate of a head that starts at random, relative to that of the trunk."""
SORTED_BATCHES = 16
"""Batches whose texts are sorted by length together, so that less padding is computed."""


@dataclass(frozen=True)
class Pretrained:
    """What was done.

    kind: `masked` or `causal`. texts: different texts (or windows of long texts) that were learned
    from. tokens: in them. steps: of so many `rows`. held_back: texts that only measure. losses: per
    predicted token of these, before and after, in nats.
    """

    kind: str
    texts: int
    tokens: int
    steps: int
    rows: int
    held_back: int
    losses: tuple[float, float]


def different_texts(ids: Sequence[np.ndarray], pad: int) -> np.ndarray:
    """int32 [texts, length]: rows that differ, in order of first appearance, without empty ones.

    ids: parts int32 [rows, length] or [rows, windows, length].
    """
    rows = np.concatenate([part.reshape(-1, part.shape[-1]) for part in ids])
    rows = rows[(rows != pad).any(axis=1)]
    factors = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], np.uint64) | np.uint64(1)
    _, first = np.unique(rows.astype(np.uint64) @ factors, return_index=True)
    return np.asarray(rows[np.sort(first)])


def train_on_texts(
    trunk: keras.Model,
    feature: TokensFeature,
    texts: np.ndarray,
    method: LanguageModel,
    seed: int,
    context: Context,
) -> Pretrained:
    """Train the trunk, or resume from the checkpoint in `context.scratch`.

    feature: whose tokenizer made the texts. texts: see `different_texts`.

    Raises:
        RootstockError: the trunk cannot predict tokens, there are too few texts, or training
            diverges.
    """
    objective, model = _objective(trunk, feature, method), token_model(trunk)
    learned, held = _divided(texts[objective.predictable(texts) > 0], seed)
    rows = min(method.rows or objective.rows, len(learned))
    steps, crops = method.steps_for(len(learned), rows), bool(trimming(trunk))
    head = LanguageHead(embedding_of(trunk, feature.vocabulary_size), objective.has_own_head)
    head(model.output, keras.KerasTensor((None,), "int32"))
    known = learned[(learned != feature.pad) & (learned >= 0)]
    counts = 1 + np.bincount(known, minlength=feature.vocabulary_size)
    head.start_at((counts / counts.sum()).astype(np.float32))

    own = [v for v in head.trainable_variables if all(v is not w for w in model.weights)]
    variables = [*model.trainable_variables, *own]
    rates = [1.0] * len(model.trainable_variables) + [HEAD_RATE] * len(own)
    optimizer = warmed_up(variables, method.learning_rate, steps, rates)
    changing = [*variables, *model.non_trainable_variables]  # and random states of dropout
    file = context.scratch / "pretraining.npz"
    checkpoint = Checkpoint(file, optimizer, changing, copy=StoredCopy.of(context))
    train, sum_of_losses = _functions(model, head, variables, optimizer)
    size = lengths(learned, feature.pad)
    order = lru_cache(maxsize=1)(partial(_order, size, rows, seed))

    def task(ids: np.ndarray, stream: Sequence[int]) -> TokenTask:
        longest = int(lengths(ids, feature.pad).max()) if crops else ids.shape[1]
        return objective.task(ids[:, :longest], np.random.default_rng(stream))

    def step(number: int) -> float:
        epoch, batch = divmod(number, len(learned) // rows)
        ids = learned[order(epoch)[batch]]
        return float(train(*_tensors(task(ids, (seed, 1, number)))))

    def loss() -> float:
        parts = [held[start : start + rows] for start in range(0, len(held), rows)]
        tasks = [task(ids, (seed, 2, number)) for number, ids in enumerate(parts)]
        total = sum(float(sum_of_losses(*_tensors(t))) for t in tasks)
        return total / sum(len(t.tokens) for t in tasks)

    before, rate = loss(), "model.pretraining.learning_rate"
    train_steps(step, steps, checkpoint, context.observer, "texts", rate)
    return Pretrained(
        kind=objective.kind,
        texts=len(learned),
        tokens=int(size.sum()),
        steps=steps,
        rows=rows,
        held_back=len(held),
        losses=(before, loss()),
    )


def _objective(trunk: keras.Model, feature: TokensFeature, method: LanguageModel) -> Objective:
    """Decoders predict the next token, and encoders masked ones.

    Raises:
        RootstockError: the trunk does not allow it.
    """
    outputs, subject = token_outputs(trunk), "model.pretraining: language_model"
    if outputs is None or embedding_of(trunk, feature.vocabulary_size) is None:
        raise RootstockError(
            f"{subject} needs a trunk with an output at each token, and an embedding of tokens that"
            " can also predict them. This trunk has none. Remove model.pretraining, or choose"
            " another trunk."
        )
    model = token_model(trunk)
    padding = (model.input.shape[1] or 4) - 4
    if looks_only_back(lambda ids: model(ids, training=False), padding, feature.pad):
        if outputs.tied:
            return NextToken(feature.pad)
        raise RootstockError(
            f"{subject}: this decoder predicts tokens with weights of its own, which Rootstock"
            " does not load. Expected a decoder that predicts with its embedding of tokens, such"
            " as GPT-2, SmolLM2 or Gemma. Remove model.pretraining, or choose another trunk."
        )
    tokenizer = Tokenizer(feature).tokenizer
    mask = getattr(tokenizer, "mask_token_id", None)
    if mask is None:
        raise RootstockError(
            f"{subject}: {feature.tokenizer} has no mask token, which an encoder needs to learn"
            " from texts. Remove model.pretraining, or choose a trunk such as BERT or RoBERTa."
        )
    special = {feature.start, feature.end, feature.pad, mask} - {None}
    return Masking(
        share=method.masked,
        mask=int(mask),
        vocabulary=feature.vocabulary_size,
        special=tuple(sorted(int(i) for i in special if i is not None)),
    )


def _divided(texts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts to learn from, and texts that are held back.

    Raises:
        RootstockError: there are too few.
    """
    if len(texts) < FEWEST_TEXTS:
        raise RootstockError(
            f"model.pretraining: expected at least {FEWEST_TEXTS} different texts in training rows"
            f" and sources with `split: unlabelled`. Received: {len(texts)}. Add texts, or remove"
            " model.pretraining."
        )
    order = np.random.default_rng((seed, 0)).permutation(len(texts))
    count = min(round(HELD_BACK * len(texts)), MOST_HELD_BACK)
    return texts[order[count:]], texts[order[:count]]


def _order(sizes: np.ndarray, rows: int, seed: int, epoch: int) -> np.ndarray:
    """int64 [batches, rows]: the texts of each step of an epoch, of similar length in a step.

    sizes: int64 [texts], the number of tokens of each text.
    """
    rng = np.random.default_rng((seed, 3, epoch))
    order = rng.permutation(len(sizes))[: len(sizes) // rows * rows]
    group = np.arange(len(order)) // (SORTED_BATCHES * rows)
    batches = order[np.lexsort((sizes[order], group))].reshape(-1, rows)
    return rng.permutation(batches)


def _tensors(task: TokenTask) -> Iterator[tf.Tensor]:
    return (tf.constant(a, tf.int32) for a in (task.ids, task.positions, task.tokens))


def _functions(
    model: keras.Model,
    head: LanguageHead,
    variables: Sequence[keras.Variable],
    optimizer: keras.optimizers.Optimizer,
) -> tuple[Callable[..., tf.Tensor], Callable[..., tf.Tensor]]:
    """From ids, positions and tokens of a `TokenTask`: one trains and returns the mean loss, the
    other returns the sum of the losses.
    """
    values = [v.value for v in variables]
    signature = [tf.TensorSpec([None, model.input.shape[1]], tf.int32)]
    signature += [tf.TensorSpec([None], tf.int32)] * 2

    def losses(
        ids: tf.Tensor, positions: tf.Tensor, tokens: tf.Tensor, training: bool
    ) -> tf.Tensor:
        return token_losses(head(model(ids, training=training), positions), tokens)

    def train(ids: tf.Tensor, positions: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(losses(ids, positions, tokens, True))
        zero = tf.UnconnectedGradients.ZERO
        optimizer.apply(tape.gradient(loss, values, unconnected_gradients=zero), variables)
        return loss

    def total(ids: tf.Tensor, positions: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        return keras.ops.sum(losses(ids, positions, tokens, False))

    def traced(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
        made: Callable[..., tf.Tensor] = tf.function(
            function, input_signature=signature, autograph=False
        )
        return made

    return traced(train), traced(total)
