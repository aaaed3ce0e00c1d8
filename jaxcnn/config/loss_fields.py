"""The fields of the loss, and of what is judged by validation."""

from jaxcnn.config.rules import (
    AT_LEAST_0,
    FRACTION,
    WEIGHTS,
    Effect,
    Field,
    one_of,
    registered,
)

# the metrics of a validation; of all but the loss, more is better
VALIDATION_METRICS = ("accuracy", "balanced_accuracy", "mean_f1", "auroc", "loss")

LOSS_FIELDS: dict[str, Field] = {
    "loss.name": Field(
        "cross_entropy", "The loss of each example that training lowers.", registered("losses")
    ),
    "loss.focal_gamma": Field(
        2.0,
        "Exponent of the loss focal: how much less an example counts that is recognized well.",
        AT_LEAST_0,
    ),
    "loss.class_weighting": Field(
        "none",
        "Weight of an example in the training loss. none: 1; balanced: each class has the same "
        "total weight; given: the entry of its class in class_weights.",
        one_of("none", "balanced", "given"),
    ),
    "loss.class_weights": Field(
        (),
        "The weight of each class for class_weighting=given, in the order of the classes.",
        WEIGHTS,
    ),
    "loss.label_smoothing": Field(
        0.0, "The share of a label that is spread over all classes.", FRACTION
    ),
    "loss.l2": Field(
        0.0,
        "Factor of the sum of squared kernels in the loss, added to a network's own.",
        AT_LEAST_0,
    ),
    "loss.heads": Field(
        "prob_mix",
        "How several heads combine: mix their probabilities, or add their losses.",
        one_of("prob_mix", "weighted_loss"),
    ),
}
JUDGING_FIELDS: dict[str, Field] = {
    "best_metric": Field(
        "accuracy",
        "The metric on validation that chooses the best epoch; of equals, the lowest loss.",
        one_of(*VALIDATION_METRICS),
        Effect.RUN,
    ),
    "calibration": Field(
        "none",
        "What makes the probabilities of the tested weights fit how often they are right: nothing, "
        "or a temperature of the logits that is fitted on validation.",
        one_of("none", "temperature"),
        Effect.NONE,
    ),
}
STOPPING_FIELDS: dict[str, Field] = {
    "early_stopping.metric": Field(
        "loss",
        "The metric on validation that must improve.",
        one_of(*VALIDATION_METRICS),
        Effect.END,
    ),
    "early_stopping.patience": Field(
        0, "Epochs without a better metric that end the run; 0: off.", AT_LEAST_0, Effect.END
    ),
    "early_stopping.min_delta": Field(
        0.0, "How much better the metric must be to count.", AT_LEAST_0, Effect.END
    ),
}
