"""What is chosen when a spec leaves training settings out."""

from __future__ import annotations

import pytest

from components.training.choices import Situation, choose, sentence
from components.training.settings import EarlyStopping, Training
from models.inputs.layers.augment import Augment
from models.transfer.fine_tune import FineTune
from models.transfer.frozen import Frozen

ROWS = [1, 20, 178, 3_000, 32_561, 300_000, 10_000_000]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("transfer", [None, Frozen(), FineTune()], ids=str)
def test_training_is_long_enough_but_not_endless(
    rows: int, transfer: FineTune | Frozen | None
) -> None:
    """Patience alone is the stated number of steps."""
    chosen = choose(Training(), Situation(rows, transfer))
    steps = chosen.steps_per_epoch or -(-rows // chosen.batch_size)
    assert chosen.early_stopping is not None
    fewest, most = (150, 10_000) if isinstance(transfer, FineTune) else (500, 50_000)
    assert chosen.early_stopping.patience * steps >= fewest
    epoch = max(most, 2 * chosen.early_stopping.patience * steps)
    assert chosen.epochs * steps < epoch + steps
    assert chosen.schedule == "constant"
    assert chosen.ema > 0


def test_batches_grow_with_the_rows() -> None:
    sizes = [choose(Training(), Situation(rows)).batch_size for rows in ROWS]
    assert sizes == [32, 32, 32, 32, 256, 1024, 1024]
    tuned = [choose(Training(), Situation(rows, FineTune())).batch_size for rows in ROWS]
    assert tuned == [16, 16, 16, 32, 32, 32, 32]


def test_tasks_with_rows_of_their_own_need_larger_batches() -> None:
    assert choose(Training(), Situation(3_000, labelled=1 / 16)).batch_size == 128
    assert choose(Training(), Situation(32_561, labelled=1 / 16)).batch_size == 256


def test_pretrained_weights_train_at_a_few_hundred_thousandths() -> None:
    mode = FineTune()
    chosen = choose(Training(), Situation(5_000, mode))
    assert 2e-5 <= chosen.learning_rate * mode.trunk_rate <= 1e-4
    assert chosen.clip_norm == 1.0


def test_what_is_stated_wins() -> None:
    stated = Training(
        epochs=7,
        batch_size=10,
        learning_rate=0.5,
        optimizer="sgd",
        weight_decay=0.1,
        schedule="constant",
        warmup_fraction=0.5,
        ema=0.5,
        clip_norm=3.0,
        steps_per_epoch=11,
        early_stopping=EarlyStopping(patience=3),
    )
    chosen = choose(stated, Situation(178))
    assert {name: vars(chosen)[name] for name in vars(stated)} == vars(stated)
    assert sentence(stated, chosen) == ""


def test_with_epochs_the_rest_of_a_training_has_fixed_defaults() -> None:
    """So that a spec with epochs, batch size and learning rate gives what it always gave."""
    chosen = choose(Training(epochs=3, batch_size=64, learning_rate=0.003), Situation(10_000))
    assert (chosen.optimizer, chosen.weight_decay, chosen.ema) == ("adam", 0.0, 0.0)
    assert (chosen.schedule, chosen.warmup_fraction) == ("cosine", 0.05)
    assert (chosen.early_stopping, chosen.steps_per_epoch, chosen.clip_norm) == (None, None, None)


def test_a_stated_learning_rate_or_early_stopping_leaves_the_rest_to_be_chosen() -> None:
    stopping = EarlyStopping(monitor="val_a_auc", patience=2)
    chosen = choose(Training(learning_rate=0.01, early_stopping=stopping), Situation(10_000))
    assert (chosen.learning_rate, chosen.early_stopping) == (0.01, stopping)
    assert (chosen.optimizer, chosen.ema) == ("adamw", 0.998)


def test_without_validation_rows_the_number_of_epochs_is_fixed() -> None:
    chosen = choose(Training(), Situation(178, validated=False))
    assert chosen.early_stopping is None
    assert chosen.schedule == "cosine"
    assert chosen.epochs * (chosen.steps_per_epoch or 0) == 2_000


def test_phases_of_a_transfer_mode_get_their_epochs() -> None:
    short, long = (choose(Training(), Situation(500, FineTune(), last_phase=n)) for n in (0, 9))
    assert long.epochs == short.epochs + 9


def test_one_average_at_a_time() -> None:
    assert choose(Training(average_last=3), Situation(500)).ema == 0
    chosen = choose(Training(epochs=2, optimizer="schedule_free_adamw"), Situation(500))
    assert (chosen.ema, chosen.schedule) == (0.0, "constant")


def test_the_sentence_names_what_was_chosen() -> None:
    chosen = choose(Training(), Situation(178))
    assert sentence(Training(), chosen) == (
        "adamw 0.002; 32 rows a step; patience 20 epochs; weights averaged (0.998)"
    )
    assert sentence(Training(batch_size=32), chosen).startswith("adamw 0.002; patience")


def test_a_frozen_trunk_may_be_spared_changes_of_images() -> None:
    always, sometimes = Augment(flip=True), Augment(flip=True, unless_frozen=True)
    for transfer in (None, FineTune()):
        training = Training(augment=sometimes)
        assert choose(training, Situation(3_000, transfer)).augment == sometimes
    assert choose(Training(augment=sometimes), Situation(3_000, Frozen())).augment is None
    assert choose(Training(augment=always), Situation(3_000, Frozen())).augment == always
