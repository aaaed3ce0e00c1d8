"""The fields of the optimizer and of the learning-rate schedule."""

from jaxcnn.config.rules import (
    AT_LEAST_0,
    AT_LEAST_1,
    EPOCHS,
    FACTORS,
    FRACTION,
    PATTERNS,
    POSITIVE,
    Effect,
    Field,
    between,
    registered,
)

OPTIMIZER_FIELDS: dict[str, Field] = {
    "optimizer.name": Field("adam", "The update rule.", registered("optimizers"), Effect.RUN),
    "optimizer.learning_rate": Field(
        1e-3, "The rate that the schedule multiplies; most schedules do not exceed it.", AT_LEAST_0
    ),
    "optimizer.scale_with_batch": Field(
        "none",
        "Scale the rate with global_batch_size, from its value at reference_batch_size.",
        registered("batch scalings"),
    ),
    "optimizer.reference_batch_size": Field(
        128, "The batch size for which learning_rate is given when it is scaled.", AT_LEAST_1
    ),
    "optimizer.momentum": Field(
        0.9, "Momentum of the optimizers momentum, nesterov, muon and the records'.", FRACTION
    ),
    "optimizer.b1": Field(
        0.9, "Decay of the mean gradient of adam, adamw and adam_keras.", FRACTION
    ),
    "optimizer.b2": Field(
        0.999, "Decay of the mean squared gradient of adam, adamw and adam_keras.", FRACTION
    ),
    "optimizer.eps": Field(
        1e-7,
        "Summand in the denominator of adam and adamw, after the bias correction as in PyTorch, "
        "and of adam_keras, before it as in Keras.",
        POSITIVE,
    ),
    "optimizer.weight_decay": Field(
        0.0,
        "Decoupled weight decay of kernels; of filters alone with muon; of head and biases with "
        "airbench, of all parameters with airbench2025, both per example of the batch.",
        AT_LEAST_0,
    ),
    "optimizer.gradient_clip": Field(
        0.0, "The largest global norm of the gradient; 0: no limit.", AT_LEAST_0
    ),
    "optimizer.accumulation_steps": Field(
        1,
        "Parts in which a batch is computed, to save memory; BatchNorm normalizes one at a time.",
        AT_LEAST_1,
    ),
    "optimizer.freeze": Field(
        "",
        "Parameters that do not train, by their names or those of their layers, with * for any "
        "letters, such as conv1,block*; their BatchNorm normalizes by its averages.",
        PATTERNS,
    ),
    "optimizer.freeze_epochs": Field(
        0, "Epochs after which the frozen parameters train as well; 0: never.", AT_LEAST_0
    ),
    "optimizer.rate_factors": Field(
        "",
        "Factors of the learning rate by name, such as conv*=0.1,logits=2; the last one that fits "
        "counts.",
        FACTORS,
    ),
    "optimizer.weight_decay_factors": Field(
        "", "Factors of the weight decay by name, such as conv*=0.", FACTORS
    ),
    "optimizer.skip_bad_steps": Field(
        False, "Skip steps whose loss or gradient is not finite; each skip halves the rate."
    ),
    "optimizer.ema_decay": Field(
        0.0,
        "Decay of a moving average of the weights, used in evaluation; 0: none.",
        FRACTION,
        Effect.RUN,
    ),
}
SCHEDULE_FIELDS: dict[str, Field] = {
    "schedule.name": Field(
        "constant",
        "How the rate changes over the epochs; one_cycle has Optax's rates, one_cycle_torch "
        "PyTorch's.",
        registered("schedules"),
    ),
    "schedule.warmup_epochs": Field(0.0, "Epochs in which the rate rises from 0.", AT_LEAST_0),
    "schedule.decay_rate": Field(
        0.5,
        "Decay of inverse_time and inverse_time_rounded; factor per decay of exponential.",
        AT_LEAST_0,
    ),
    "schedule.decay_epochs": Field(
        1.0, "Epochs per decay of inverse_time and exponential.", POSITIVE
    ),
    "schedule.decay_steps": Field(
        0, "Steps per decay, in place of decay_epochs where positive.", AT_LEAST_0
    ),
    "schedule.staircase": Field(
        False, "Change the rate of inverse_time and exponential after whole decays only."
    ),
    "schedule.boundaries": Field(
        (), "Epochs at which step multiplies the rate by factor, such as (60, 80).", EPOCHS
    ),
    "schedule.factor": Field(
        0.1,
        "Factor of the rate at each boundary of step, and at each reduction of plateau.",
        POSITIVE,
    ),
    "schedule.final_fraction": Field(
        0.0,
        "The last rate of cosine, linear, polynomial and each period of cosine_restarts, as a part "
        "of the first.",
        between(0, 1),
    ),
    "schedule.power": Field(
        1.0, "Exponent of polynomial, which falls like (1 - progress) ** power.", POSITIVE
    ),
    "schedule.restart_epochs": Field(
        10.0, "Epochs of the first period of cosine_restarts.", POSITIVE
    ),
    "schedule.restart_growth": Field(
        1.0,
        "Length of a period of cosine_restarts, relative to the previous one.",
        AT_LEAST_1,
    ),
    "schedule.patience": Field(
        10,
        "Epochs without a lower validation loss after which plateau lowers the rate.",
        AT_LEAST_1,
    ),
    "schedule.min_delta": Field(
        1e-4, "How much lower the validation loss must be to count for plateau.", AT_LEAST_0
    ),
    "schedule.cooldown": Field(
        0,
        "Epochs after a reduction until plateau counts again, the last one included, as in Keras.",
        AT_LEAST_0,
    ),
    "schedule.min_rate": Field(0.0, "The rate below which plateau does not go.", AT_LEAST_0),
}
