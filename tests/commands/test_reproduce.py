"""`jaxcnn reproduce`: a recipe with several seeds, and the verdict."""

import pytest
from outcomes import assert_one_line

from jaxcnn.files.reading import read_json

CONFIG = """
from jaxcnn.config import default_config, publish

def get_config():
    config = default_config()
    config.num_epochs = 1
    config.global_batch_size = 0  # the first call finds it, and the second takes it over
    config.num_devices = 1
    return publish(config, "mine", 0.5)
"""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name one recipe"),
        (["digits", "lenet"], "name one recipe"),
        (["digits", "--config.num_epochs=1"], "a recipe is reproduced unchanged"),
        (["digit"], "did you mean digits?"),
        (["digits", "--records=none"], "--records=none: there is no such folder"),
    ],
)
def test_a_mistake_is_one_line(command, tmp_path, arguments, text):
    done = command("reproduce", *arguments, folder=tmp_path)
    assert (done["code"], done["output"]) == (2, "")
    assert_one_line(done["errors"], text)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_seeds_are_trained_and_judged(command, tmp_path):
    (tmp_path / "mine.py").write_text(CONFIG)
    arguments = ("reproduce", "mine.py", "--seeds=2", "--records", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    done = command(*arguments, folder=tmp_path)
    assert done["code"] == 0, done["errors"]
    assert "mine.py, seed 0: run 1 of 2" in done["output"]
    assert "mine.py, seed 1: run 2 of 2" in done["output"]
    again = command(*arguments, folder=tmp_path)  # nothing is trained
    assert again["output"].splitlines()[-3:] == done["output"].splitlines()[-3:]
    lines = done["output"].splitlines()[-3:]
    assert lines[0].startswith("mine.py, seeds 0, 1: test accuracy ")
    assert lines[1] == "kept records: none of this recipe"
    assert lines[2].startswith("published: ") and "50.00%, one run, seed unknown" in lines[2]
    written = read_json(tmp_path / "runs" / "reproduce" / "mine" / "reproduction.json")
    assert written["seeds"] == [0, 1] and len(written["test_accuracies"]) == 2
    assert set(written["verdicts"]) == {"kept records", "published"}
    (tmp_path / "mine.py").write_text(CONFIG.replace("num_epochs = 1", "num_epochs = 2"))
    refused = command(*arguments, folder=tmp_path)
    assert refused["code"] == 2
    assert_one_line(refused["errors"], "seed0: the run there has another recipe")
