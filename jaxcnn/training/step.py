"""The training step and the evaluation step: pure functions of one device."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxcnn.training.losses import is_correct, losses_and_scores, make_targets
from jaxcnn.training.parallel import AXIS, sum_over_devices
from jaxcnn.training.recipe import Recipe
from jaxcnn.training.state import Array, TrainState, zero_sums
from jaxcnn.training.update import skip_unless, update

Batch = dict[str, jax.Array]


def take_batch(data: Batch, order: jax.Array, row: jax.Array) -> Batch:
    """Return the batch of a device for one step.

    Args:
      data: `images` uint8 (examples, height, width, channels) and `labels`. A share of a split also
        has `indices` int32 (examples,), the places of its rows in the split.
      order: int32 (steps, batch), rows of `data`; `~row` for an example that does not count. If
        it holds a part of an epoch, row r is at r modulo its length.
      row: int32 (), the step within the epoch.

    Returns:
      `images` uint8 (batch, height, width, channels), `labels`, `mask` bool (batch,), False for
      examples that do not count, and `indices` int32 (batch,), their places in the split.
    """
    entries = jax.lax.dynamic_index_in_dim(order, row % len(order), keepdims=False)
    mask = entries >= 0
    indices = jnp.where(mask, entries, ~entries)
    batch = {name: array.at[indices].get(mode="clip") for name, array in data.items()}
    # these are places in the share, and the share's own indices replace them
    return {"indices": indices} | batch | {"mask": mask}


def _sums(losses: jax.Array, scores: jax.Array, targets: jax.Array, mask: jax.Array) -> dict:
    """Return the sums over the examples that count, float32 ()."""
    return {
        "loss": jnp.sum(losses * mask),
        "correct": jnp.sum(is_correct(scores, targets) & mask).astype(jnp.float32),
        "count": jnp.sum(mask).astype(jnp.float32),
    }


def empty_epoch() -> dict[str, np.number]:
    """Return an `epoch` of zeros for `make_train_step`'s step, of the right dtypes to trace it."""
    names = ("number", "num_examples", "global_batch_size", "first_step", "schedule_shift")
    return {**dict.fromkeys(names, np.int32(0)), "rate_factor": np.float32(1)}


def make_train_step(recipe: Recipe) -> Callable:
    """Return the training step of one device, for `parallelize`.

    Returns:
      `step(state, data, epoch, order) -> (state, sums)`. `data` and `order` are those of
      `take_batch`. `epoch` has int32 () `number`, `num_examples`, `global_batch_size`,
      `first_step` and `schedule_shift`, the steps to add to the state's for the schedule, and
      float32 () `rate_factor`, a factor of the epoch's learning rate. `sums` are the epoch's so
      far, equal to `state.sums`.
    """
    gradients_of = _accumulate(recipe) if recipe.accumulation_steps > 1 else _gradients(recipe)

    def step(state: TrainState, data: Batch, epoch: dict, order: jax.Array):
        first_step = epoch["first_step"]
        row = state.step - first_step
        with jax.named_scope("batch"):
            batch = take_batch(data, order, row)
            num_examples = _num_examples(epoch, row)
            batch = _prepare(recipe, batch, num_examples, state, epoch["number"])
        tuning = recipe.fine_tuning
        is_frozen = tuning.is_frozen_in(epoch["number"]) if tuning else None
        gradients, batch_stats, sums = gradients_of(
            state.params, state.batch_stats, batch, num_examples, is_frozen
        )
        norm = optax.tree.norm(gradients)
        is_good = jnp.isfinite(sums["loss"]) & jnp.isfinite(norm)
        with jax.named_scope("optimizer"):
            updated = update(recipe, state, gradients, batch_stats, epoch)
        if recipe.skip_bad_steps:
            updated = skip_unless(is_good, updated, state)
            sums = jax.tree.map(lambda value: jnp.where(is_good, value, 0), sums)
        sums = _add_step(
            state.sums, sums, norm, is_good, updated.step, is_first=updated.step == first_step + 1
        )
        return updated.replace(sums=sums), sums

    return step


def repeat(step: Callable, num_steps: int) -> Callable:
    """Return a function that does `num_steps` training steps without returning to the host."""

    def steps(state: TrainState, data: Batch, epoch: dict, order: jax.Array):
        def body(state, _):
            return step(state, data, epoch, order)[0], None

        state, _ = jax.lax.scan(body, state, length=num_steps)
        return state, state.sums

    return steps


def _num_examples(epoch: dict, row: jax.Array) -> jax.Array:
    """Return the number of examples that count in the global batch, int32 ().

    It is computed without an exchange: simulated devices would lose milliseconds waiting for each
    other at the start of a step.
    """
    batch_size = epoch["global_batch_size"]
    return jnp.minimum(epoch["num_examples"] - row * batch_size, batch_size)


def random_keys(seed: Array | int, step: Array | int) -> tuple[jax.Array, jax.Array]:
    """Return the keys of a step's augmentation and dropout."""
    augment_key, dropout_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), step))
    return augment_key, dropout_key


def _prepare(
    recipe: Recipe, batch: Batch, num_examples: jax.Array, state: TrainState, epoch: jax.Array
) -> Batch:
    """Return the augmented and scaled batch, with one random key per example.

    The keys follow the position in the global batch, so that results do not depend on the number of
    devices.

    Returns:
      `images` float (batch, height, width, channels), `targets` float32 (batch, num_classes),
      `mask` bool (batch,), `keys` (batch,) for dropout, and, where the recipe has class weights,
      `weights` float32 (batch,), those of the examples in the loss.
    """
    hyperparams = state.hyperparams
    augment_key, dropout_key = random_keys(hyperparams["seed"], state.step)
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    images, labels = batch["images"], batch["labels"]
    size = len(images)
    # a short batch is filled with repeated examples, which keep their keys
    positions = (jax.lax.axis_index(AXIS) * size + jnp.arange(size)) % num_examples
    targets = make_targets(labels, recipe.num_classes, hyperparams["label_smoothing"])
    if recipe.augment is not None:
        images, targets = recipe.augment(
            images.astype(jnp.float32),
            targets,
            keys=fold(augment_key, positions),
            batch_key=augment_key,
            example_indices=batch["indices"],
            epoch=epoch,
            axis_name=AXIS,
        )
    prepared = {
        "images": recipe.scale(images),
        "targets": targets,
        "mask": batch["mask"],
        "keys": fold(dropout_key, positions),
    }
    if recipe.class_weights is not None:
        prepared["weights"] = recipe.weights_of(targets, hyperparams["label_smoothing"])
    return prepared


def _gradients(recipe: Recipe) -> Callable:
    """Return the function that computes the gradients of a batch, summed over all devices.

    Returns:
      `gradients(params, batch_stats, batch, num_examples, is_frozen) -> (gradients, batch_stats,
      sums)`. `is_frozen` is that of `FineTuning.is_frozen_in`.
    """
    axis_name = AXIS if recipe.global_batch_norm else None

    def loss_function(params, batch_stats, batch, num_examples, is_frozen):
        if recipe.fine_tuning:
            params = recipe.fine_tuning.without_gradients(params)
        model = nnx.merge(recipe.train_graph, nnx.State(params), nnx.State(batch_stats))
        mask = batch["mask"]
        outputs = model(
            batch["images"],
            heads=True,
            keys=batch["keys"],
            mask=mask,
            axis_name=axis_name,
            dtype=recipe.dtype,
            frozen=is_frozen,
        )
        losses, scores = losses_and_scores(outputs, batch["targets"], recipe.heads, recipe.loss)
        if "weights" in batch:
            losses *= batch["weights"]
        penalty = recipe.penalty(model, params)
        # summed over devices and parts, this is the mean over the global batch plus one penalty
        num_shares = jax.lax.axis_size(AXIS) * recipe.accumulation_steps
        loss = jnp.sum(losses * mask) / num_examples + penalty / num_shares
        sums = _sums(losses + penalty, scores, batch["targets"], mask)
        return loss, (nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)), sums)

    def gradients(params, batch_stats, batch, num_examples, is_frozen):
        gradients, (batch_stats, sums) = jax.grad(loss_function, has_aux=True)(
            params, batch_stats, batch, num_examples, is_frozen
        )
        if recipe.global_batch_norm:  # each layer gives all devices the same statistics
            gradients, sums = sum_over_devices((gradients, sums))
        else:
            shares = jax.tree.map(lambda value: value / jax.lax.axis_size(AXIS), batch_stats)
            gradients, sums, batch_stats = sum_over_devices((gradients, sums, shares))
        return gradients, batch_stats, sums

    return gradients


def _accumulate(recipe: Recipe) -> Callable:
    """Return the function of `_gradients` that works in parts; BatchNorm sees one at a time."""
    num_parts = recipe.accumulation_steps
    one_part = _gradients(recipe)

    def split(array):  # interleaved, so that the padding of a short batch is spread over the parts
        return jnp.moveaxis(array.reshape(-1, num_parts, *array.shape[1:]), 1, 0)

    def gradients(params, batch_stats, batch, num_examples, is_frozen):
        zero_sums = {name: jnp.zeros(()) for name in ("loss", "correct", "count")}
        zero = (jax.tree.map(jnp.zeros_like, params), batch_stats, zero_sums)

        def add(carry, part):
            gradients, batch_stats, sums = one_part(params, carry[1], part, num_examples, is_frozen)
            added = jax.tree.map(jnp.add, (carry[0], carry[2]), (gradients, sums))
            return (added[0], batch_stats, added[1]), None

        return jax.lax.scan(add, zero, jax.tree.map(split, batch))[0]

    return gradients


def _add_step(
    epoch_sums: dict,
    sums: dict,
    norm: jax.Array,
    is_good: jax.Array,
    step: Array,
    *,
    is_first: jax.Array,
) -> dict:
    """Return the epoch's sums with those of a step added; the epoch's first step starts anew."""
    start = jax.tree.map(
        lambda zero, total: jnp.where(is_first, zero, total), zero_sums(), epoch_sums
    )
    is_first_bad = ~is_good & (start["bad_step"] < 0)
    return {name: start[name] + value for name, value in sums.items()} | {
        "gradient_norm": jnp.where(is_good, norm, start["gradient_norm"]),
        "bad_step": jnp.where(is_first_bad, step, start["bad_step"]),
        "bad_steps": start["bad_steps"] + ~is_good,
    }


def make_eval_step(recipe: Recipe) -> Callable:
    """Return the evaluation step of one device, for `parallelize`.

    Returns:
      `step(sums, params, batch_stats, data, order) -> sums`. `sums` start at
      `Run.zero_eval_sums`. They are the device's own, so that no device waits for another before
      the last step. `data` and `order` are those of `take_batch`. If `sums` has `scores` float32
      (entries of all orders, num_classes), the step fills in those of its batch.
    """

    def step(sums: dict, params: dict, batch_stats: dict, data: Batch, order: jax.Array) -> dict:
        batch = take_batch(data, order, sums["row"])
        model = nnx.merge(recipe.eval_graph, nnx.State(params), nnx.State(batch_stats))
        images = recipe.scale(batch["images"])
        outputs = model(images, heads=True, mask=batch["mask"], dtype=recipe.dtype)
        targets = make_targets(batch["labels"], recipe.num_classes)
        losses, scores = losses_and_scores(outputs, targets, recipe.heads, recipe.loss)
        losses += recipe.penalty(model, params)
        added = _sums(losses, scores, targets, batch["mask"])
        filled = {"scores": _put_scores(sums, scores)} if "scores" in sums else {}
        added = {name: sums[name] + value for name, value in added.items()}
        return {"row": sums["row"] + 1} | added | filled

    return step


def _put_scores(sums: dict, scores: jax.Array) -> jax.Array:
    """Return `sums["scores"]` with a batch's scores, at the places of its examples in the order."""
    batch = sums["row"] * jax.lax.axis_size(AXIS) + jax.lax.axis_index(AXIS)
    start = (batch * len(scores), jnp.int32(0))
    return jax.lax.dynamic_update_slice(sums["scores"], scores.astype(jnp.float32), start)
