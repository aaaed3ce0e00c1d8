"""Copies among pictures, and the list of pictures to leave out."""

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.pictures.duplicates import equal_groups, fingerprint, near_groups
from jaxcnn.data.pictures.exclusion import read_exclusion
from jaxcnn.data.pictures.facts import fact_lines, read_facts, summarize
from jaxcnn.data.pictures.survey import PictureFile, exclusion_of, survey


def scene(seed, size=(64, 48)):
    """A smooth picture of random colors."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def test_copies_in_another_size_brightness_and_quality_look_the_same(tmp_path):
    scene(0).save(tmp_path / "0.jpg", quality=30)
    pictures = [
        *map(scene, range(5)),
        scene(0).resize((160, 120)),
        Image.open(tmp_path / "0.jpg"),
        scene(1).point(lambda value: value // 2 + 40),
        scene(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        scene(3).resize((48, 64)),  # other proportions
        Image.new("RGB", (64, 48), "red"),
        Image.new("RGB", (64, 48), "blue"),
    ]
    hashes, gray = map(np.stack, zip(*map(fingerprint, pictures), strict=True))
    proportions = np.array([picture.width / picture.height for picture in pictures])
    assert near_groups(hashes, gray, proportions) == [[0, 5, 6], [1, 7]]
    assert near_groups(hashes[:1], gray[:1], proportions[:1]) == []
    assert equal_groups(["a", "b", "a", "c", "b"]) == [[0, 2], [1, 4]]


@pytest.fixture
def found(tmp_path):
    def entry(name, class_name, split, content):
        path = tmp_path / name
        content.save(path) if isinstance(content, Image.Image) else path.write_bytes(content)
        return PictureFile(path, name, class_name, split, group="twice" if name < "c" else "")

    entries = [
        entry("a.png", "cat", "train", scene(0)),
        entry("b.png", "cat", "test", scene(0)),
        entry("c.png", "cat", "train", scene(1)),
        entry("d.png", "dog", "train", scene(1)),
        entry("e.png", "dog", "train", scene(2)),
        entry("f.jpg", "dog", "train", scene(2, (128, 96))),
        entry("g.png", "dog", "test", b"no picture"),
        entry("#h.png", "dog", "test", b""),
    ]
    return survey(entries, lambda items, total, text: items)


def test_what_a_survey_finds(found):
    names = [[entry.name for entry in found.members(group)] for group in found.equal]
    assert names == [["a.png", "b.png"], ["c.png", "d.png"]]
    assert [[e.name for e in found.members(group)] for group in found.near] == [["e.png", "f.jpg"]]
    assert [entry.name for entry, _ in found.unreadable] == ["g.png", "#h.png"]
    assert found.leaks == [[0, 1]] and found.conflicts == [[2, 3]]
    assert found.shared_groups == {"twice": {"train", "test"}}


def test_the_list_keeps_one_copy_and_leaves_doubt_to_a_person(found, tmp_path):
    (tmp_path / "list.txt").write_bytes(exclusion_of(found))
    excluded = read_exclusion(tmp_path / "list.txt", tmp_path)
    assert excluded == {tmp_path / name for name in ("a.png", "g.png", "#h.png")}


def test_facts_of_files(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(0).save(tmp_path / "a.jpg", exif=exif)
    scene(0).convert("L").save(tmp_path / "b.png")
    facts = [read_facts(tmp_path / name) for name in ("a.jpg", "b.png")]
    assert fact_lines(summarize(facts)) == [
        "sizes    48x64 1, 64x48 1",
        "modes    RGB 1, L 1",
        "formats  JPEG 1, PNG 1",
        "rotated  1 by their EXIF data",
    ]


def test_names_in_a_list_may_hold_other_line_breaks(tmp_path):
    """A text file's lines end in LF or CRLF alone; file names may hold the rest."""
    (tmp_path / "list.txt").write_bytes("a\u2028b.png\r\nc\x1cd.png\n# e.png\n./#f.png\n".encode())
    names = ("a\u2028b.png", "c\x1cd.png", "#f.png")
    assert read_exclusion(tmp_path / "list.txt", tmp_path) == {tmp_path / name for name in names}
