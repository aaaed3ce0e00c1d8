"""`prepare` with pictures, as a user types it."""


def test_pictures_of_a_dataset_and_of_a_config(command, tmp_path):
    done = command("prepare", "digits", "--grid=digits.png", folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    assert done["output"].endswith("total        1,438         359\npictures in digits.png\n")
    assert (tmp_path / "digits.png").stat().st_size > 10_000
    config = ("--config=digits", "--config.dataset.classes=1,7")
    done = command("prepare", *config, "--augmented", "--grid=batch.png", folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    rows = [line.split() for line in done["output"].splitlines()]
    assert ["7", "143", "36"] in rows and "8" not in [row[0] for row in rows]
    assert (tmp_path / "batch.png").stat().st_size > 10_000


def test_mistakes_are_one_line(command, tmp_path):
    for arguments, text in (
        ([], "name one dataset to prepare, or give --config=FILE: cifar10"),
        (["digits", "--config=digits"], "name one dataset to prepare"),
        (["digits", "--augmented", "--grid=x.png"], "--augmented: give --config=FILE"),
        (["--config=digits", "--augmented"], "--augmented: give --config=FILE, and the picture's"),
        (["digits", "--grid=x.txt"], "name a file ending in .png, .svg, .pdf"),
        (["folder:.", "--grid=x.png"], "lies in the dataset's folder"),
        (["--config=digits", "--image_size=8"], "set --config.dataset.image_size"),
        (["--config=digits", "--config.dataset.classes=1,a"], "digits has no class 'a'"),
        (["--config=lenet:cifar10", "--augmented", "--grid=x.png", "--config.dataset.name=digits"],
         "the config augments nothing"),
    ):  # fmt: skip
        done = command("prepare", *arguments, folder=tmp_path)
        assert done["code"] == 2 and text in done["errors"], (arguments, done)
        assert len(done["errors"].splitlines()) == 1
    assert not list(tmp_path.glob("x.*"))
