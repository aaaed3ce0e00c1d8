"""Temperature scaling of a run: fitted on its validation split, and kept in its folder.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

import dataclasses
from pathlib import Path

from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.evaluation.calibration import calibration_error_of, fit_temperature
from jaxcnn.evaluation.examples import load_examples
from jaxcnn.evaluation.trained import Trained
from jaxcnn.files.writing import write_json
from jaxcnn.workdir.run_files import CALIBRATION, CALIBRATIONS, read_identity
from jaxcnn.workdir.weights import tested_checkpoint


def calibrate(
    trained: Trained, data_at: Path | None = None, dataset: Dataset | None = None
) -> Trained:
    """Fit the temperature of a trained network on validation, and keep it in the run's folder.

    `calibration.json` holds it with the weights that it belongs to, and the cross-entropy and the
    calibration error on the validation split before and after. That of weights which the run does
    not test is in `calibration_best.json` or `calibration_latest.json`.

    Args:
      trained: the network.
      data_at, dataset: see `load_examples`.

    Returns:
      The network, whose logits are divided by the temperature.

    Raises:
      UserError: the test split served as validation, the data cannot be read, or the folder cannot
        be written.
    """
    if trained.config.validation == "test":
        raise UserError(
            f"{trained.workdir}: its test split served as validation, and a temperature that is "
            "fitted on it would make the test's probabilities too good"
        )
    plain = dataclasses.replace(trained, temperature=1.0)
    examples = load_examples(plain, "validation", data_at, dataset)
    before = plain.score(examples)
    temperature = fit_temperature(before)
    after = before.at_temperature(temperature)
    about = {
        "temperature": temperature,
        "checkpoint": trained.checkpoint,
        "step": trained.step,
        "epoch": trained.epoch,
        "split": "validation",
        "num_examples": len(before.true),
        "loss": {"before": before.losses.mean(), "after": after.losses.mean()},
        "calibration_error": {
            "before": calibration_error_of(before),
            "after": calibration_error_of(after),
        },
    }
    if identity := read_identity(trained.workdir).id:
        about["run"] = identity
    is_tested = trained.checkpoint == tested_checkpoint(trained.workdir)
    name = CALIBRATION if is_tested else CALIBRATIONS[trained.checkpoint]
    write_json(trained.workdir / name, about)
    return dataclasses.replace(trained, temperature=temperature)
