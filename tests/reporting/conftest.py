"""Folders of runs that were never trained."""

import pytest

from jaxcnn.files.writing import write_json
from jaxcnn.workdir.metrics_log import MetricsWriter


@pytest.fixture
def write_run(tmp_path):
    """Writes `tmp_path/NAME` as a run leaves it; `accuracy=None`: an unfinished one. Answers are
    pairs of an image's index and whether it is classified correctly."""

    def write_run(
        name, *, network="lenet", dataset="cifar10", seed=0, accuracy=0.6, learning_rate=0.001,
        validation="holdout", classes=None, command=("main.py",), seconds=60.0, device="cpu cpu",
        num_images=None, answers=None,
    ):  # fmt: skip
        folder = tmp_path / name
        writer = MetricsWriter(folder, resume_step=None)
        for epoch in (1, 2, 3):
            common = {"step": 10 * epoch, "epoch": epoch}
            scores = {"loss": 1 / epoch, "accuracy": 0.1 * epoch + 0.01 * seed}
            writer.write(common | {"split": "train"} | scores)
            writer.write(common | {"split": "validation"} | scores)
        writer.close()
        config = {
            "seed": seed, "num_epochs": 4, "validation": validation,
            "test_with": "last" if validation == "test" else "best", "model": {"name": network},
            "dataset": {"name": dataset, "label_set": "", "data_dir": f"/data/{name}"},
            "optimizer": {"learning_rate": learning_rate}, "checkpoint": {"keep_best": 1 + seed},
        }  # fmt: skip
        write_json(folder / "config.json", config)
        environment = {"devices": [device, device], "command": list(command)}
        write_json(folder / "environment.json", environment)
        if accuracy is not None:
            result = {
                "test_accuracy": accuracy, "test_loss": 1.25, "tested_with": config["test_with"],
                "num_epochs": 4, "seconds": seconds, "parameters": 61706, "flops": 1.2e6,
            }  # fmt: skip
            write_json(folder / "result.json", result)
        if classes is not None:
            (folder / "evaluation").mkdir()
            rows = [
                {"name": each, "accuracy": score, "precision": score, "recall": score, "f1": score,
                 "support": 100}
                for each, score in classes.items()
            ]  # fmt: skip
            write_json(folder / "evaluation" / "test.json", {"accuracy": 0.6, "classes": rows})
        if num_images is not None:
            write_json(folder / "dataset.json", {"num_examples": {"test": num_images}})
        if answers is not None:
            (folder / "evaluation").mkdir(exist_ok=True)
            lines = [f"{index},cat,{'cat' if right else 'dog'},0.5" for index, right in answers]
            text = "\n".join(["index,true,predicted,p_cat", *lines])
            (folder / "evaluation" / "predictions.csv").write_text(text)
        return folder

    return write_run
