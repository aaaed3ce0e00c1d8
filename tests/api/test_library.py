"""The library as a script or a notebook uses it: arrays, a run, its result, its network."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading

import archives
import jax
import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.config.sweep import with_values
from jaxcnn.data.superclasses import SUPERCLASSES
from jaxcnn.errors import UserError
from jaxcnn.models import model_config
from jaxcnn.workdir.run_config import check_config
from jaxcnn.workdir.run_data import adopt_dataset

pytestmark = pytest.mark.usefixtures("undrawn")

COLUMNS = [
    "epoch", "step", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    "learning_rate", "seconds", "images_per_second",
]  # fmt: skip


def small_config():
    config = jaxcnn.default_config()
    config.model = model_config("mlp", hidden=(16,))
    config.update(num_epochs=2, num_devices=2)
    return config


@pytest.fixture(scope="module")
def data(dataset):
    return jaxcnn.Dataset.from_arrays(
        train=(dataset.splits["train"].images, dataset.splits["train"].labels),
        test=(dataset.splits["test"].images[..., 0], dataset.splits["test"].labels),
        class_names=dataset.class_names,
        name="bars",
    )


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """The result of a run on arrays in a thread, and the rows that its hook got."""
    workdir, rows, results = str(tmp_path_factory.mktemp("run") / "arrays"), [], []
    config = small_config()

    def train():
        results.append(jaxcnn.train(config, workdir, data, hooks=[rows.append], quiet=True))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert config == small_config()  # the caller's config is unchanged
    return results[0], rows


def test_the_result_of_a_run(run):
    result, rows = run
    assert result.values == json.loads((result.workdir / "result.json").read_text())
    assert result.accuracy == result.values["test_accuracy"] > 0.25
    assert result.loss == result.values["test_loss"]
    assert [list(row) for row in result.history] == [COLUMNS, COLUMNS]
    assert result.history == rows
    text = repr(result)
    assert text.startswith(
        f"Result of {result.workdir}\n  test accuracy  {100 * result.accuracy:.2f}%"
    )
    assert "after 2 of 2 epochs" in text and "continues" not in text


def test_the_figures_are_matplotlib_s(run):
    figures = run[0].figures
    assert list(figures) == [
        "accuracy", "loss", "learning_rate", "difference_accuracy", "difference_loss"
    ]  # fmt: skip
    assert figures["accuracy"].axes[0].get_xlabel() == "epoch"


def test_a_quiet_run_prints_nothing(data, tmp_path, capsys):
    config = small_config()
    config.num_epochs = 1
    jaxcnn.train(config, tmp_path, data, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_quiet_run_warns_of_a_class_without_training_examples(data, tmp_path, capsys, undrawn):
    test = (data.splits["test"].images, data.splits["test"].labels)
    train = [array[data.splits["train"].labels < 3] for array in (
        data.splits["train"].images, data.splits["train"].labels
    )]  # fmt: skip
    data = jaxcnn.Dataset.from_arrays(train, test, class_names=data.class_names, name="less")
    jaxcnn.train(small_config(), tmp_path, data, quiet=True)
    assert (
        f"the train split has no example of class {data.class_names[3]}" in capsys.readouterr().out
    )


def test_a_quiet_run_prepares_its_data_in_silence(tmp_path, capsys, undrawn):
    pets = archives.write_pictures(tmp_path / "pets", {"cat": 20, "dog": 20}, size=8)
    config = small_config()
    config.update(num_epochs=1, global_batch_size=16)
    config.dataset.update(name=f"folder:{pets}", data_dir=str(tmp_path / "data"), image_size=8)
    jaxcnn.train(config, tmp_path / "run", quiet=True)
    assert capsys.readouterr() == ("", "")
    Image.new("RGB", (8, 8)).save(pets / "cat" / "black.png")
    jaxcnn.train(config, tmp_path / "other", quiet=True)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 and "are of one color" in printed[0]


def test_the_run_keeps_the_name_and_the_fingerprint_of_the_arrays(run, data):
    config, about = (
        json.loads((run[0].workdir / f"{name}.json").read_text()) for name in ("config", "dataset")
    )
    assert (config["dataset"]["name"], config["dataset"]["image_size"]) == ("bars", 0)
    assert about["from_python"] is True and about["name"] == "bars"
    assert about["fingerprint"] == data.fingerprint


def test_training_again_gives_the_same_result_without_the_data(run):
    result = run[0]
    again = jaxcnn.train(result.workdir / "config.json", result.workdir, quiet=True)
    assert again.values == result.values


def test_a_run_on_arrays_goes_on_with_the_arrays_alone(run, data, tmp_path):
    workdir = shutil.copytree(run[0].workdir, tmp_path / "copy")
    config = small_config()
    config.num_epochs = 3
    train = data.splits["train"]
    other = jaxcnn.Dataset.from_arrays(
        (255 - train.images, train.labels), (train.images, train.labels),
        class_names=data.class_names, name="bars",
    )  # fmt: skip
    for name, size in (("digits", 32), ("bars", 0)):
        config.dataset.name, config.dataset.image_size = name, size
        with pytest.raises(UserError, match=r"its data came from Python; .*\(dataset\)"):
            jaxcnn.train(config, workdir, quiet=True)
    for num_epochs in (2, 3):  # the run has ended, or it goes on
        config.num_epochs = num_epochs
        with pytest.raises(UserError, match="was trained on other data"):
            jaxcnn.train(config, workdir, other, quiet=True)
    before = jaxcnn.train(small_config(), workdir, data, quiet=True)
    result = jaxcnn.train(config, workdir, data, quiet=True)
    for ended, epochs in ((before, [1, 2]), (result, [1, 2, 3])):
        assert [row["epoch"] for row in ended.history] == epochs
        lines = {line.get_label(): line for line in ended.figures["loss"].axes[0].lines}
        assert list(lines["training"].get_xdata()) == epochs
    assert "after 2 of 2 epochs" in str(before)
    assert result.values["num_epochs"] == 3 and result.values["resumed"] == [2.0]


def test_an_ended_run_on_arrays_says_that_python_continues_it(run, data, tmp_path, capsys):
    workdir = shutil.copytree(run[0].workdir, tmp_path / "copy")
    remedy = "continues with more epochs: num_epochs={}, by jaxcnn.train with the same arrays\n"
    jaxcnn.train(small_config(), workdir, data)
    assert remedy.format(4) in capsys.readouterr().out
    config = small_config()
    config.num_epochs = 3
    jaxcnn.train(config, workdir, data)
    assert remedy.format(6) in capsys.readouterr().out


def test_the_config_of_a_run_on_arrays_needs_them(run, data, command, tmp_path):
    file = run[0].workdir / "config.json"
    line = f"{file}: the data of this run came from Python; train the config there with "
    with pytest.raises(UserError, match=line):
        jaxcnn.train(file, tmp_path / "new")
    for name in ("main", "find_lr", "summary", "prepare"):
        done = command(name, f"--config={file}", folder=tmp_path)
        assert (done["code"], done["errors"].count("\n")) == (2, 1), done
        assert done["errors"].startswith(f"error: {line}jaxcnn.train(config, workdir, dataset=")
    done = command("summary", f"--config={file}", "--config.dataset.name=digits", folder=tmp_path)
    assert done["code"] == 0, done["errors"]
    result = jaxcnn.train(file, tmp_path / "new", data, quiet=True)
    assert result.accuracy == run[0].accuracy


def test_the_commands_say_how_to_go_on(run, command, tmp_path):
    workdir = run[0].workdir
    done = command("evaluate", f"--workdir={workdir}", folder=tmp_path)
    assert done["code"] == 2 and done["errors"].count("\n") == 1
    assert f"jaxcnn.load('{workdir}').evaluate(dataset)" in done["errors"]
    done = command("compare", str(workdir), "--json", folder=tmp_path)
    assert done["code"] == 0 and '"dataset": "bars"' in done["output"]
    done = command("export", f"--workdir={workdir}", folder=tmp_path)
    assert done["code"] == 0, done["errors"]


def test_the_trained_network(run, data):
    trained = jaxcnn.load(run[0].workdir)
    assert repr(trained).endswith("mlp on bars, best weights, epoch 2, step 10)")
    assert trained.class_names == data.class_names and trained.config.num_epochs == 2
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(trained.params))
    assert sum(leaf.size for leaf in jax.tree.leaves(trained.params)) == run[0].values["parameters"]
    scaled = (data.splits["test"].images[:3] - trained.pixel_shift) * trained.pixel_scale
    expected = trained.logits(data.splits["test"].images[:3])
    np.testing.assert_allclose(trained.model(scaled.astype(np.float32)), expected, rtol=1e-5)


def test_an_evaluation_of_the_arrays_is_that_of_the_run(run, data):
    trained = run[0].trained
    saved = json.loads((run[0].workdir / "evaluation" / "test.json").read_text())
    del saved["pictures"]
    assert trained.evaluate(data) == saved
    assert trained.evaluate(data, split="validation")["num_examples"] < 90
    with pytest.raises(UserError, match="its data came from Python"):
        trained.evaluate("test")
    with pytest.raises(UserError, match="split = 'tset'"):
        trained.evaluate(data, "tset")
    config = with_values(trained.config, {"validation": "validation"})  # data without this split
    with pytest.raises(UserError, match="bars has no validation split"):
        dataclasses.replace(trained, config=config).evaluate(data)


def test_data_of_another_name_are_evaluated_as_they_are(run, data):
    test = data.splits["test"]
    pair = (test.images, test.labels)
    other = jaxcnn.Dataset.from_arrays(pair, pair, class_names=data.class_names, name="new")
    metrics = run[0].trained.evaluate(other)
    assert metrics["dataset"] == "new" and metrics["accuracy"] == run[0].accuracy
    unnamed = jaxcnn.Dataset.from_arrays(pair, pair, name="new")
    with pytest.raises(UserError, match="class_names .* are not those of"):
        run[0].trained.evaluate(unnamed)


def test_predictions_are_rows_with_names(run, data):
    test, trained = data.splits["test"], run[0].trained
    predictions = trained.predict(test.images)
    assert len(predictions) == 90
    row = predictions[3]
    assert list(row) == ["index", "predicted", *(f"p_{name}" for name in data.class_names)]
    assert row["predicted"] == predictions.classes[3] == predictions.top(1)[3][0][0]
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1)
    assert (predictions.predicted == trained.logits(test.images).argmax(axis=1)).all()
    assert np.mean(predictions.predicted == test.labels) == pytest.approx(run[0].accuracy)
    assert len(trained.predict(test.images[0])) == 1  # one image
    assert repr(predictions).splitlines()[0] == "Predictions of 90 images, 4 classes"


def test_predictions_of_a_split_are_the_file_s(run, data):
    predictions = run[0].trained.predictions(data)
    lines = (run[0].workdir / "evaluation" / "predictions.csv").read_text().splitlines()
    assert lines[0] == ",".join(predictions.columns)
    assert lines[0].startswith("index,true,predicted,p_left,") and lines[0].endswith(",loss")
    for line, row in zip(lines[1:], predictions, strict=True):
        index, true, predicted, *values = line.split(",")
        assert (int(index), true, predicted) == (row["index"], row["true"], row["predicted"])
        expected = [row[name] for name in predictions.columns[3:]]
        np.testing.assert_allclose(np.array(values, float), expected, rtol=1e-4)
    validation = run[0].trained.predictions(data, "validation")
    assert validation.indices.max() > 90  # positions in the training split


def test_pictures_are_fitted_and_odd_ones_warned_of(run, data, tmp_path):
    for number in range(2):
        picture = Image.fromarray(data.splits["test"].images[number, ..., 0])
        picture.resize((32, 32), Image.NEAREST).save(tmp_path / f"{number}.png")
    predictions = run[0].trained.predict(tmp_path)
    assert predictions.files == (str(tmp_path / "0.png"), str(tmp_path / "1.png"))
    assert run[0].trained.predict([str(tmp_path / "1.png")]).classes == predictions.classes[1:]
    Image.new("L", (9, 9)).save(tmp_path / "black.png")
    with pytest.warns(UserWarning, match="black.png: of one color"):
        run[0].trained.predict(str(tmp_path / "black.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="text.png"):
        run[0].trained.predict(tmp_path / "text.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="the folders hold no pictures"):
        run[0].trained.predict(tmp_path / "empty")


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (np.zeros((2, 8, 8), np.uint8), r"the network takes \(n, 16, 16, 1\)"),
        (np.zeros((2, 16, 16)), "pixels must be uint8"),
        (np.zeros((0, 16, 16), np.uint8), "are empty"),
        ([np.zeros((16, 16), np.uint8), np.zeros((8, 8), np.uint8)], "be read as one array"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(run, images, line):
    with pytest.raises(UserError, match=line):
        run[0].trained.predict(images)


def test_the_rows_of_a_comparison(run, tmp_path):
    (row,) = jaxcnn.compare_runs([run[0].workdir])
    assert (row["dataset"], row["test_accuracy"]) == ("bars", run[0].accuracy)
    with pytest.warns(UserWarning, match="left out: .* named twice"):
        jaxcnn.compare_runs([run[0].workdir] * 2)
    with pytest.raises(UserError, match="give a list of folders"):
        jaxcnn.compare_runs(str(run[0].workdir))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"config": {"seed": 1}}, "config: is dict"),
        ({"config": "lenett"}, "lenett"),
        ({"dataset": (1, 2)}, "dataset: is tuple"),
        ({"hooks": print}, "give a list of callables"),
        ({"hooks": None}, "hooks: is NoneType; give a list of callables"),
        ({"hooks": [3]}, "3 must be a callable"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line, tmp_path):
    with pytest.raises(UserError, match=line):
        jaxcnn.train(**{"config": small_config(), "workdir": tmp_path / "run"} | arguments)
    assert not (tmp_path / "run").exists()


def test_arrays_in_memory_are_not_streamed(data, tmp_path):
    config = small_config()
    config.dataset.streaming = True
    with pytest.raises(UserError, match="the images are in memory"):
        jaxcnn.train(config, tmp_path / "run", data)


def test_distributions_and_channels_of_any_number(tmp_path, undrawn):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (96, 8, 8, 5), dtype=np.uint8)
    labels = rng.dirichlet(np.ones(3), 96)
    data = jaxcnn.Dataset.from_arrays((images, labels), (images[:9], labels[:9]))
    result = jaxcnn.train(small_config(), tmp_path, data, quiet=True)
    assert result.trained.image_shape == (8, 8, 5)
    with pytest.raises(UserError, match="images of 5 channels"):
        result.trained.predict([__file__])


def test_pandas_takes_the_tables(run, data):
    pandas = pytest.importorskip("pandas")
    result = run[0]
    assert list(pandas.DataFrame(result.history)["epoch"]) == [1, 2]
    predictions = result.trained.predictions(data)
    table = pandas.DataFrame(predictions)
    assert list(table.columns) == predictions.columns
    assert (table["true"] == table["predicted"]).mean() == pytest.approx(result.accuracy)
    assert len(pandas.DataFrame(jaxcnn.compare_runs([result.workdir]))) == 1


TUNED = """
import jax, jaxcnn, warnings
{before}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(jaxcnn.tune_host(), len(jax.devices()), len(caught))
print(bool(jax.config.jax_compilation_cache_dir))
"""


@pytest.mark.parametrize("before", ["", "jax.numpy.zeros(1)"])
def test_the_host_is_tuned_before_jax_starts(before):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", TUNED.format(before=before)], capture_output=True, text=True,
        env=environment,
    )  # fmt: skip
    cores = min(len(os.sched_getaffinity(0)), 8)
    expected = "False 1 1\nTrue\n" if before else f"True {cores} 0\nTrue\n"
    assert done.stdout == expected, done.stderr


def test_the_config_chooses_classes_of_given_arrays(data, tmp_path):
    config = small_config()
    config.dataset.classes = ("right", "left")
    result = jaxcnn.train(config, tmp_path / "run", data, quiet=True)
    about = json.loads((tmp_path / "run" / "dataset.json").read_text())
    assert about["class_names"] == ["right", "left"]
    assert result.trained.evaluate(data)["accuracy"] == result.accuracy


def test_the_config_takes_the_label_set_of_the_given_dataset(data):
    config, names = jaxcnn.default_config(), tuple(SUPERCLASSES)
    config.dataset.split = "shuffle"  # of another set, whose pictures have no test split
    cifar100 = dataclasses.replace(data, name="cifar100", is_of_arrays=False)
    for class_names, label_set in ((names, "coarse"), (("apple", "bear", "bed", "bee"), "")):
        adopt_dataset(config, dataclasses.replace(cifar100, class_names=class_names))
        check_config(config)
        assert (config.dataset.label_set, config.dataset.split) == (label_set, "content")
    others = ("people", "trees", "fish", "insects")
    adopt_dataset(config, dataclasses.replace(data, class_names=others, is_of_arrays=False))
    assert config.dataset.label_set == ""


def test_another_working_directory_changes_no_result(data, tmp_path, monkeypatch):
    results = []
    for name, rate in (("one", 1e-3), ("two", 1e-9)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        config = small_config()
        config.num_epochs, config.optimizer.learning_rate = 1, rate
        results.append(jaxcnn.train(config, "runs/x", data, quiet=True))
    assert "Result of runs/x\n" in str(results[1])
    loaded = jaxcnn.load("runs/x")
    monkeypatch.chdir(tmp_path / "one")
    assert f"Result of {tmp_path / 'two'}" in str(results[1]) and "runs/x" in str(results[0])
    for result, rate in zip(results, (1e-3, 1e-9), strict=True):
        assert result.history[0]["learning_rate"] == pytest.approx(rate)
        assert result.trained.evaluate(data)["accuracy"] == result.accuracy
    assert loaded.evaluate(data)["accuracy"] == results[1].accuracy
    assert "two/runs/x" in str(loaded)
