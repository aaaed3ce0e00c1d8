"""`prepare` with pictures, as a user types it."""

import shutil

import archives


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
        (["folder:.", "--report=x.html"], "lies in the dataset's folder"),
        (["digits", "--report=x.html"], "--report: is for folder:PATH and table:PATH"),
        (["folder:..", "--report=x.txt"], "name a file ending in .html"),
        (["--config=digits", "--exclude=x.txt"], "set --config.dataset.exclude"),
        (["digits", "--exclude=x.txt"], "only folder:PATH and table:PATH take it"),
        (["--config=digits", "--config.dataset.split=x.csv"], "only folder:PATH, table:PATH and t"),
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


def test_a_report_whose_findings_go_back_in(command, tmp_path):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 9, "dog": 9})
    (pictures / "cat" / "bad.png").write_bytes(b"no picture")
    shutil.copy(pictures / "dog" / "0.png", pictures / "dog" / "copy.png")
    done = command("prepare", "folder:pets", "--report=page.html", folder=tmp_path)
    assert done["code"] == 2 and len(done["errors"].splitlines()) == 1
    assert "1 of 20 files cannot be read: page.html names them" in done["errors"]
    page = (tmp_path / "page.html").read_text()
    for text in ("Files that cannot be read: 1", "cat/bad.png", "The same files", "dog/copy.png"):
        assert text in page
    assert "<td>1</td><td>0</td>" in page  # groups: one is the same file, none only looks so
    assert "All pictures have this size." in page and "cut away" not in page
    listed = (tmp_path / "page.exclude.txt").read_text()
    flags = ("--exclude=page.exclude.txt", "--report=page.html")
    done = command("prepare", "folder:pets", *flags, folder=tmp_path)
    assert done["code"] == 2 and "would replace the one that is read" in done["errors"]
    assert (tmp_path / "page.exclude.txt").read_text() == listed
    flags = ("--exclude=page.exclude.txt", "--report=again.html", "--image_size=8")
    done = command("prepare", "folder:pets", *flags, folder=tmp_path)
    assert (done["code"], done["errors"]) == (0, "")
    assert "left out by page.exclude.txt: 2 pictures" in done["output"]
    assert done["output"].count("looking at 18 of 18") == 2  # for the report, and to prepare
    assert (
        "sizes    12x12 18\nmodes    RGB 18\nformats  PNG 18\n0 groups of the same file"
        in (done["output"])
    )
    assert "cut away" in (tmp_path / "again.html").read_text()
    for number, line in enumerate(("# mine", "# mine too"), 1):
        (tmp_path / "page.exclude.txt").write_text(line)
        done = command("prepare", "folder:pets", "--report=page.html", folder=tmp_path)
        assert f"is kept in page.exclude.{number}.txt\n" in done["output"]
        assert (tmp_path / f"page.exclude.{number}.txt").read_text() == line
        assert (tmp_path / "page.exclude.txt").read_text() == listed
    done = command("prepare", "folder:pets", "--report=page.html", folder=tmp_path)
    assert "is kept" not in done["output"]
