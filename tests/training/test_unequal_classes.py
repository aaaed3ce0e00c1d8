"""Classes of unequal size: weights, sampling, focal loss, metrics in which each counts alike."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from runs import assert_same_bits, last_state
from scipy.special import log_softmax
from sklearn.metrics import f1_score, roc_auc_score

from jaxcnn.data.order import balanced, make_order
from jaxcnn.data.views import views_of
from jaxcnn.errors import UserError
from jaxcnn.optim.losses import LOSSES, balancing_weights
from jaxcnn.training.class_metrics import auroc, class_balanced_metrics
from jaxcnn.training.data_notes import weight_notes
from jaxcnn.training.evaluate import evaluate
from jaxcnn.training.recipe import class_weights_of
from jaxcnn.training.run import make_run
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.progress import Progress


@pytest.fixture
def unequal(dataset):
    """The bars, with a fifth of two of the four classes."""
    split = dataset.splits["train"]
    kept = np.flatnonzero((split.labels < 2) | (np.arange(len(split.labels)) % 5 == 0))
    part = dataclasses.replace(split, images=split.images[kept], labels=split.labels[kept])
    return dataclasses.replace(dataset, splits=dataset.splits | {"train": part})


def test_balancing_weights_give_each_class_the_same_sum():
    counts = np.array([6, 3, 0, 1])
    weights = balancing_weights(counts)
    np.testing.assert_allclose((weights * counts)[counts > 0], 10 / 3, rtol=1e-6)
    assert weights[2] == 1


def test_the_weights_of_a_config(config, unequal):
    assert class_weights_of(config, unequal) is None and weight_notes(config, unequal) == []
    config.loss.class_weighting = "balanced"
    view = views_of(config, unequal)["train"]
    labels = unequal.splits["train"].labels[view.indices]
    sums = np.bincount(labels, class_weights_of(config, unequal)[labels])
    np.testing.assert_allclose(sums, len(labels) / 4, rtol=1e-6)
    (line,) = weight_notes(config, unequal)
    assert line.startswith("weights of the classes in the training loss: ")
    config.loss.update(class_weighting="given", class_weights=(1, 2.5))
    with pytest.raises(UserError, match="has 2 weights, but bars has 4 classes"):
        class_weights_of(config, unequal)


def test_the_weights_scale_the_losses_of_training_alone(config, dense, dataset):
    config.optimizer.update(name="sgd", learning_rate=0.1)
    states = {}
    for weights in ((), (2, 2, 2, 2)):
        weighting = "given" if weights else "none"
        config.loss.update(class_weighting=weighting, class_weights=weights)
        config.optimizer.learning_rate = 0.1 / (2 if weights else 1)
        run = make_run(config, dataset)
        validation = evaluate(run, run.state, "validation")
        data, order, _ = next(run.train_feed(run.plan.position()))
        state, sums = run.train_step(run.state, data, run.epoch_numbers(run.plan.position()), order)
        states[weights] = jax.device_get((state.params, sums["loss"], validation["loss"]))
    (plain, loss, validation), (weighted, doubled, same) = states.values()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), plain, weighted)
    assert doubled == pytest.approx(2 * loss, rel=1e-6) and same == validation


def test_each_class_has_its_own_weight(config, dense, dataset):
    weights = (1, 0, 0.5, 3)
    config.loss.update(class_weighting="given", class_weights=weights)
    run, split = make_run(config, dataset), dataset.splits["train"]
    position = run.plan.position()
    rows = np.asarray(run.train_order(0))[:, 0].reshape(-1)  # of the first step
    scores = _scores(run, jax.tree.map(jnp.array, run.state.params), split.images[rows])
    losses = optax.softmax_cross_entropy_with_integer_labels(scores, split.labels[rows])
    data, order, _ = next(run.train_feed(position))
    _, sums = run.train_step(run.state, data, run.epoch_numbers(position), order)
    expected = np.sum(np.array(weights)[split.labels[rows]] * losses)
    assert float(sums["loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("parts", [1, 2])
def test_smoothing_leaves_the_weight_of_a_class(config, dense, dataset, parts):
    weights = (1, 0, 0.5, 3)
    config.loss.update(class_weighting="given", class_weights=weights, label_smoothing=0.3)
    config.optimizer.accumulation_steps = parts
    run, split = make_run(config, dataset), dataset.splits["train"]
    position = run.plan.position()
    rows = np.asarray(run.train_order(0))[:, 0].reshape(-1)  # of the first step
    scores = _scores(run, jax.tree.map(jnp.array, run.state.params), split.images[rows])
    targets = 0.7 * np.eye(4)[split.labels[rows]] + 0.3 / 4
    losses = optax.softmax_cross_entropy(scores, targets)
    data, order, _ = next(run.train_feed(position))
    _, sums = run.train_step(run.state, data, run.epoch_numbers(position), order)
    expected = np.sum(np.array(weights)[split.labels[rows]] * losses)
    assert float(sums["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_focal_loss_is_its_formula_and_has_a_gradient_everywhere():
    scores, targets = jnp.array([[1.0, 2.0, 0.5], [99.0, 0.0, 0.0]]), jnp.eye(3)[:2]
    log_p = jax.nn.log_softmax(scores)
    for gamma in (0.5, 1.0, 2.0):
        expected = -(targets * (1 - jnp.exp(log_p)) ** gamma * log_p).sum(-1)
        losses = LOSSES["focal"](scores, targets, gamma)
        np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
        grown = jax.grad(lambda s, g=gamma: LOSSES["focal"](s, jnp.eye(3)[:2], g).sum())(scores)
        assert np.isfinite(grown).all()
    np.testing.assert_allclose(
        LOSSES["focal"](scores, targets, 0.0), optax.softmax_cross_entropy(scores, targets)
    )


def test_a_balanced_epoch_has_the_classes_alike_and_their_examples_in_turn():
    sizes, num_epochs = (70, 20, 3), 12
    labels = np.repeat(np.arange(3), sizes)
    order = make_order(np.arange(93, dtype=np.int32), labels, 5, "balanced")
    epochs = [order(epoch) for epoch in range(num_epochs)]
    for epoch in epochs:
        assert np.bincount(labels[epoch]).tolist() == [31, 31, 31]
    seen = np.bincount(np.concatenate(epochs), minlength=93)
    for number in range(3):
        times = seen[labels == number]
        assert times.min() >= 1 and times.max() - times.min() <= 1
    np.testing.assert_array_equal(order(7), epochs[7])
    members = [np.flatnonzero(labels == number).astype(np.int32) for number in range(3)]
    assert (balanced(members, seed=6, epoch=7) != epochs[7]).any()


@pytest.mark.slow
def test_balanced_sampling_resumes_to_the_last_bit(config, dense, train, unequal, tmp_path):
    config.dataset.sampling = "balanced"
    _, printed = train(config, tmp_path / "at_once", unequal)
    assert "each epoch has equally many examples of each class" in printed
    config.num_epochs = 1
    train(config, tmp_path / "in_parts", unequal)
    config.num_epochs = 2
    train(config, tmp_path / "in_parts", unequal)
    states = [last_state(config, unequal, tmp_path / name) for name in ("at_once", "in_parts")]
    assert_same_bits(*states)


def test_metrics_of_classes_are_scikit_learn_s():
    random = np.random.default_rng(0)
    true = random.integers(0, 4, 300) ** 2 // 3  # no example of class 2
    scores = random.normal(size=(300, 5)).round(1)  # with ties
    scores[np.arange(300), true] += 1
    metrics = class_balanced_metrics(true, scores)
    predicted, present = scores.argmax(1), np.unique(true)
    log_p = log_softmax(scores, axis=1)
    areas = [roc_auc_score(true == number, log_p[:, number]) for number in present]
    f1 = f1_score(true, predicted, average="macro", labels=present)
    assert metrics["auroc"] == pytest.approx(np.mean(areas))
    assert metrics["mean_f1"] == pytest.approx(f1)
    expected = np.mean([(predicted == true)[true == number].mean() for number in present])
    assert metrics["balanced_accuracy"] == pytest.approx(expected)
    samples = (random.integers(0, 300, 300) for _ in range(200))
    spread = np.std([auroc(true[rows], log_p[rows])[0] for rows in samples])
    assert auroc(true, log_p)[1] == pytest.approx(spread, rel=0.2)


@pytest.mark.slow
def test_epochs_are_judged_by_the_named_metrics(config, dense, train, unequal, tmp_path):
    config.num_epochs, config.best_metric = 3, "mean_f1"
    config.early_stopping.update(metric="auroc", patience=5)
    result, printed = train(config, tmp_path, unequal)
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "validation"]
    values = [row["mean_f1"] for row in rows]
    assert values[result["best_epoch"] - 1] == max(values)
    assert result["best_validation_metrics"]["mean_f1"] == max(values)
    assert "auroc" in rows[0] and "auroc" in printed
    run = make_run(config, unequal)
    state = last_state(config, unequal, tmp_path)
    view = run.plan.views["validation"]
    again = evaluate(run, run.state.replace(params=state.params), "validation")
    assert again == {name: rows[-1][name] for name in ("loss", "accuracy", "mean_f1", "auroc")}
    scores = _scores(run, state.params, unequal.splits["train"].images[view.indices])
    expected = class_balanced_metrics(unequal.splits["train"].labels[view.indices], scores)
    assert again["auroc"] == pytest.approx(expected["auroc"])


def _scores(run, params, images):
    from flax import nnx

    model = run.model
    nnx.update(model, nnx.State(params))
    model.eval()
    return np.asarray(model(jnp.asarray(images, jnp.float32) / 255))


@pytest.mark.parametrize(
    ("best_metric", "metric", "best", "gains"),
    [
        ("accuracy", "loss", 2, [True, True, False]),
        ("loss", "accuracy", 2, [True, True, False]),
        ("auroc", "auroc", 3, [True, False, True]),
    ],
)
def test_the_best_epoch_and_the_patience(best_metric, metric, best, gains, config):
    config.best_metric, config.early_stopping.metric = best_metric, metric
    progress, counted = Progress(), []
    for epoch, (loss, accuracy, area) in enumerate(
        [(3.0, 0.5, 0.7), (1.0, 0.8, 0.6), (2.0, 0.7, 0.9)], start=1
    ):
        scores = {"loss": loss, "accuracy": accuracy, "auroc": area}
        progress.add_validation(epoch, epoch, scores, config)
        counted.append(progress.epochs_without_gain == 0)
    assert progress.best_epoch == best and counted == gains


def test_of_equal_epochs_the_lower_loss_and_then_the_later_is_best(config):
    progress = Progress()
    for epoch, (loss, accuracy) in enumerate(
        [(2.0, 0.8), (1.0, 0.8), (1.0, 0.8), (1.5, 0.8), (0.5, 0.7)], start=1
    ):
        progress.add_validation(epoch, epoch, {"loss": loss, "accuracy": accuracy}, config)
    assert progress.best_epoch == 3


def test_the_error_of_the_area_is_delong_s():
    random = np.random.default_rng(1)
    true = np.repeat([0, 1], [3, 50])
    scores = random.normal(size=(53, 2))
    beats = (scores[:3, :1] > scores[3:, 0]) @ np.eye(50), (scores[:3, 1:] < scores[3:, 1])
    # placements of both classes' curves: the second class's are those of the other column
    placements = beats[0], np.asarray(beats[1], float)
    members = np.mean([p.mean(1) for p in placements], axis=0)
    others = np.mean([p.mean(0) for p in placements], axis=0)
    expected = np.sqrt(members.var(ddof=1) / 3 + others.var(ddof=1) / 50)
    area, error = auroc(true, scores)
    assert area == pytest.approx(members.mean())
    assert error == pytest.approx(expected)
    for size in range(3, 20):  # a class of one example
        scores = random.normal(size=(size, 2))
        assert np.isnan(auroc((np.arange(size) == 0).astype(int), scores)[1])
