"""Which figures of the epochs are learning curves."""

import math

from pipeline.run_page.learning import curves


def test_losses_and_metrics_of_tasks() -> None:
    epoch = {
        "loss": 2.0, "val_loss": 3.0, "digit_loss": 1.0, "digit_accuracy": 0.5,
        "val_digit_accuracy": 0.4, "digit_weight": 1.0, "digit_gradient_norm": 1.0,
        "gradient_cosine": 0.1, "conflict_rate": 0.0, "seconds": 3.0, "gate/a/b": 0.2,
    }  # fmt: skip
    drawn = curves([epoch, epoch | {"loss": math.nan}], ["digit"])
    assert [p.title for p in drawn] == ["loss", "digit loss", "digit accuracy"]
    training, validation = drawn[0].lines
    assert (training.name, len(training.points), len(validation.points)) == ("training", 1, 2)
    assert curves([], ["digit"]) == []
