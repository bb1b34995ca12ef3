"""Pretrainer: texts in, a trunk that has learned from them without labels out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from components.artifacts import UNLABELLED, AdaptedTrunk, Batches, Preprocessing, SourceFiles
from components.errors import RootstockError
from components.stage import Context, Stage
from components.transform.preprocessing_file import load_preprocessing
from models.inputs.tokens import TokensFeature
from models.lazy import keras
from models.pretraining.language_model import LanguageModel
from models.trunks.base import Trunk, TrunkError

SPLITS = ("train", UNLABELLED)
"""The splits whose texts are read."""


@dataclass(frozen=True)
class PretrainerInputs:
    """batches: preprocessed by `preprocessing`. pretrained: the files of the trunk, so that their
    content counts in the fingerprint.
    """

    preprocessing: Preprocessing
    batches: Batches
    pretrained: tuple[SourceFiles, ...] = ()


@dataclass(frozen=True)
class PretrainerOutputs:
    trunk: AdaptedTrunk


@dataclass(frozen=True, kw_only=True)
class Pretrainer(Stage[PretrainerInputs, PretrainerOutputs]):
    """Trains the whole trunk on the texts of training rows, with or without labels, and of
    unlabelled rows; never on those of validation or test rows.
    """

    trunk: Trunk
    method: LanguageModel
    seed: int = 0

    def uses(self, inputs: PretrainerInputs) -> tuple[object, ...]:
        return self.trunk.made_of()

    def run(self, inputs: PretrainerInputs, context: Context) -> PretrainerOutputs:
        """Train, or resume from the last checkpoint of a run that was killed.

        Raises:
            RootstockError: the trunk cannot be built or cannot predict tokens, there are too few
                texts, or training diverges.
        """
        from components.training.pretraining import different_texts, train_on_texts
        from components.transform.batches import load_columns, shards
        from models.trunks.sources.adapted import save_adapted

        features = load_preprocessing(inputs.preprocessing)
        tokens = tuple(f for f in features if isinstance(f, TokensFeature))
        if not tokens:
            raise RootstockError(
                "model.pretraining: language_model reads texts. Expected a text input and a trunk"
                " with a tokenizer of its own."
            )
        keras.utils.set_random_seed(self.seed)
        try:
            trunk = self.trunk.build(features)
        except TrunkError as e:
            raise RootstockError(f"model.trunk: {e}") from e
        splits = [s for s in SPLITS if shards(inputs.batches, s)]
        columns = [load_columns(inputs.batches, split, tokens) for split in splits]
        ids = [column[f.name] for column in columns for f in tokens]
        texts = different_texts(ids, tokens[0].pad)
        done = train_on_texts(trunk, tokens[0], texts, self.method, self.seed, context)
        adapted = AdaptedTrunk(context.output / "trunk")
        adapted.path.mkdir()
        save_adapted(trunk, adapted.path)
        (adapted.path / "pretraining.json").write_text(json.dumps(asdict(done), indent=1))
        before, after = done.losses
        figures: dict[str, int | str] = {
            "objective": done.kind,
            "texts": done.texts,
            "tokens": done.tokens,
            "steps": f"{done.steps:,} of {done.rows} texts",
            "held-back loss": f"{before:.3f} to {after:.3f} ({done.held_back} texts)",
        }
        for name, value in figures.items():
            context.observer.figure(name, value)
        if not after < before:
            context.observer.warn(
                "model.pretraining did not lower the loss on texts that were held back: this trunk"
                " has learned nothing from these texts. Remove it, or lower its learning_rate."
            )
        return PretrainerOutputs(adapted)
