"""Users' pictures: every mode and orientation comes out the same, what is none is one error."""

import contextlib
import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from jaxcnn.data.pictures import decoding
from jaxcnn.data.pictures.decoding import find_pictures, is_gray, read_picture
from jaxcnn.data.pictures.facts import read_facts
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.errors import UserError


def quarters():
    """32x24, each quarter with a colour: red, green, blue, white from the upper left."""
    picture = Image.new("RGB", (32, 24), "red")
    for place, color in (((16, 0), "lime"), ((0, 12), "blue"), ((16, 12), "white")):
        picture.paste(color, (*place, place[0] + 16, place[1] + 12))
    return picture


def corners(picture):
    """The colours of the quarters, rounded to 0 and 255 what a lossy format has changed."""
    pixels = np.asarray(picture).astype(int)
    height, width = pixels.shape[:2]
    found = [pixels[y * height // 4, x * width // 4] for y in (1, 3) for x in (1, 3)]
    return (np.round(np.array(found) / 255) * 255).astype(int).tolist()


COLORS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGB", "a.png"), ("RGB", "a.jpg"), ("RGB", "a.webp"), ("RGB", "a.bmp"), ("RGBA", "a.png"),
        ("P", "a.png"), ("P", "a.gif"), ("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("YCbCr", "a.jpg"),
    ],
)  # fmt: skip
def test_colours_survive_every_mode_and_format(tmp_path, mode, name):
    quarters().convert(mode).save(tmp_path / name)
    picture = read_picture(tmp_path / name, "RGB")
    assert picture.mode == "RGB" and picture.size == (32, 24)
    assert corners(picture) == COLORS
    assert not is_gray(read_facts(tmp_path / name).mode)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [((0, 1), "f4"), ((0, 255), "f4"), ((0, 65535), "f4"), ((0, 255), "i4"), ((-9, 65535), "i4")],
)
def test_grey_of_every_range(tmp_path, values, dtype):
    path, black, white = tmp_path / "a.tif", *values
    Image.fromarray(np.array([[black, white], [white, black]], dtype)).save(path)
    assert np.asarray(read_picture(path, "L")).tolist() == [[0, 255], [255, 0]]


def test_lab_has_colours_and_a_grey(tmp_path):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(quarters(), *profiles, outputMode="LAB")
    lab.save(tmp_path / "a.tif")
    assert corners(read_picture(tmp_path / "a.tif", "RGB")) == COLORS
    assert np.asarray(read_picture(tmp_path / "a.tif", "L"))[-1, -1] > 250  # the white quarter


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "I;16B", "I"])
def test_grey_of_every_depth(tmp_path, mode):
    path, pixels = tmp_path / "a.tif", np.array([[0, 255], [255, 0]], np.uint8)
    deep = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}
    if mode in deep:
        Image.fromarray((pixels * np.int32(257)).astype(deep[mode])).save(path)
    else:
        Image.fromarray(pixels).convert(mode).save(path)
    assert np.asarray(read_picture(path, "L")).tolist() == pixels.tolist()
    assert np.asarray(read_picture(path, "RGB")).tolist() == np.stack([pixels] * 3, -1).tolist()
    assert is_gray(read_facts(path).mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (4, 0, 8, 8))
    if mode == "P":
        picture = Image.new("P", (8, 8), 0)
        picture.putpalette([0, 0, 0, 200, 0, 0])
        picture.paste(1, (4, 0, 8, 8))
        picture.save(tmp_path / "a.png", transparency=1)
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    for to, white in (("L", 255), ("RGB", [255, 255, 255])):
        pixels = np.asarray(read_picture(tmp_path / "a.png", to))
        assert pixels[0, 0].max() == 0 and pixels[0, 7].tolist() == white


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_s_orientation_is_undone(tmp_path, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = quarters().transpose(undo[orientation]) if orientation > 1 else quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "a.png", "a.tif"):
        stored.save(tmp_path / name, exif=exif, quality=95)
        assert corners(read_picture(tmp_path / name, "RGB")) == COLORS
        facts = read_facts(tmp_path / name)
        assert (facts.width, facts.height) == quarters().size
        assert facts.is_rotated == (orientation > 1)
    # Pillow maps an uncompressed gray TIFF into memory
    stored.convert("L").save(tmp_path / "gray.tif", exif=exif)
    gray = np.asarray(read_picture(tmp_path / "gray.tif", "L"))
    assert (gray == np.asarray(quarters().convert("L"))).all()


def test_the_first_picture_of_an_animation(tmp_path):
    quarters().save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (32, 24))])
    assert corners(read_picture(tmp_path / "a.gif", "RGB")) == COLORS


def test_the_middle_is_kept_and_its_proportions():
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    for picture in (wide, wide.rotate(90, expand=True)):
        fitted = fit(picture, (10, 10, 3))  # at the edge the filter sees a little beyond
        assert (fitted[1:-1, 1:-1] == [0, 0, 255]).all() and fitted[..., 2].min() > 200
    assert fit(wide.convert("L"), (8, 4, 1)).shape == (8, 4, 1)
    stripes = Image.fromarray(np.tile(np.uint8([0, 255]), (64, 32)))
    assert np.ptp(fit(stripes, (8, 8, 1))) < 10  # antialiased: grey, not stripes of chance
    assert fit(Image.new("L", (1, 5000)), (8, 8, 1)).shape == (8, 8, 1)


def test_what_fits_already_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert (fit(Image.fromarray(pixels), (12, 12, 3)) == pixels).all()


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    Image.new("1", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "_MOST_PIXELS", 8_000)
    with pytest.raises(UserError, match=r"10000 pixels.* exceeds limit of 8000 pixels; make it"):
        read_picture(tmp_path / "a.png", "RGB")
    monkeypatch.setattr(decoding, "_MOST_PIXELS", 18_000)
    before = Image.MAX_IMAGE_PIXELS
    assert read_picture(tmp_path / "a.png", "L").size == (100, 100)
    assert before == Image.MAX_IMAGE_PIXELS  # Pillow's limit for other code stays


def test_a_photo_of_200_megapixels_is_read_at_half_its_size(tmp_path, monkeypatch):
    assert decoding._MOST_PIXELS > 16_320 * 12_240
    exif = Image.Exif()
    exif[0x0112] = 6
    quarters().save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = read_picture(tmp_path / "a.jpg", "RGB")
    assert upright.size == (24, 32)
    monkeypatch.setattr(decoding, "_LARGE", 32 * 24 - 1)
    halved = read_picture(tmp_path / "a.jpg", "RGB")
    assert halved.size == (12, 16) and corners(halved) == corners(upright)


def test_what_is_no_file(tmp_path):
    with pytest.raises(UserError, match="is not a file"):
        read_picture(tmp_path, "RGB")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match="is not a file"):
        read_picture(tmp_path / "pipe.png", "RGB")
    with pytest.raises(UserError, match=r"cannot|can be read: No such file"):
        read_picture(tmp_path / "none.png", "RGB")
    with pytest.raises(UserError, match="File name too long"):
        read_picture(tmp_path / ("x" * 5000), "RGB")


def test_folders_are_read_in_order_with_what_they_link_to(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for path in (
        inside / "b.png", inside / "a" / "z.png", inside / "c.txt", inside / ".hidden.png",
        inside / ".git" / "d.png", inside / "Thumbs.db", outside / "e.png",
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (inside / "linked").symlink_to(outside)
    (inside / "linked.png").symlink_to(outside / "e.png")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "alias.png").symlink_to(inside / "b.png")
    (inside / "around").symlink_to(inside)
    found = [path.relative_to(tmp_path) for path in find_pictures([inside])]
    names = ["a/z.png", "alias.png", "b.png", "linked/e.png", "linked.png"]
    assert [str(path.relative_to("inside")) for path in found if path.stem != "loop"] == names
    named = [outside / "e.png", inside / ".hidden.png", tmp_path / "missing"]
    assert list(find_pictures(named)) == named


@pytest.fixture(scope="module")
def seeds():
    """A small picture's bytes in each format."""
    found = {}
    for name in ("png", "jpeg", "gif"):
        stream = io.BytesIO()
        quarters().save(stream, name)
        found[name] = stream.getvalue()
    return found


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damage_is_an_error_of_one_kind(data, seeds, tmp_path_factory):
    content = bytearray(seeds[data.draw(st.sampled_from(sorted(seeds)))])
    places = st.integers(0, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), data.draw(places)]))]
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(UserError):
        patch.setattr(decoding, "_MOST_PIXELS", 2_000_000)  # sizes are mutated too
        picture = read_picture(path, "RGB")
        assert fit(picture, (32, 32, 3)).shape == (32, 32, 3)
