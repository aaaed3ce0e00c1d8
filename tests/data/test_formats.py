"""Files in formats that Pillow alone cannot read: what they are, and what to do."""

import sys
from types import SimpleNamespace

import pytest
from PIL import Image, ImageFile

from jaxcnn.data.pictures.decoding import read_picture
from jaxcnn.data.pictures.facts import read_facts
from jaxcnn.errors import UserError


def media(*brands):
    """The first box of an ISO media file, and a little more."""
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands)
    return (len(box) + 4).to_bytes(4) + box + bytes(40)


CONVERT = "which Pillow cannot read: convert it"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (media(b"crx ", b"isom"), f"a camera's raw format, {CONVERT}"),
        (media(b"qt  "), f"a video, {CONVERT}"),
        (b"\xff\x0a" + bytes(9), "JPEG XL, which Pillow cannot read without pillow-jxl-plugin: "),
        (b'<?xml version="1.0"?>\n<svg xmlns="">', f"SVG, {CONVERT}"),
        (b"%PDF-1.7", f"PDF, {CONVERT}"),
        (bytes(128) + b"DICM", f"DICOM, {CONVERT}"),
    ],
)
def test_what_it_is_and_what_to_do(tmp_path, content, said):
    path = tmp_path / "IMG_0001"
    path.write_bytes(content)
    for read in (read_facts, lambda path: read_picture(path, "RGB")):
        with pytest.raises(UserError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path} is {said}")


def test_heic_without_and_with_its_plug_in(tmp_path, monkeypatch):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(media(b"mif1", b"heic"))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it fails
    with pytest.raises(UserError) as caught:
        read_picture(path, "RGB")
    assert str(caught.value) == (
        f"{path} is HEIC, which Pillow cannot read without pillow-heif: pip install pillow-heif, "
        "or convert it"
    )

    class HeicFile(ImageFile.ImageFile):  # every picture is 4x3 and red
        format = "HEIC"

        def _open(self):
            self._size, self._mode, self.im = (4, 3), "RGB", Image.new("RGB", (4, 3), "red").im

    monkeypatch.setattr(Image, "ID", [*Image.ID])
    monkeypatch.setattr(Image, "OPEN", {**Image.OPEN})
    plugin = SimpleNamespace(
        register_heif_opener=lambda: Image.register_open("HEIC", HeicFile, lambda _: True)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    assert read_picture(path, "RGB").getpixel((1, 1)) == (255, 0, 0)


def test_damage_of_a_known_format_is_no_other_format(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    with pytest.raises(UserError, match="a.png is not an image that can be read"):
        read_picture(tmp_path / "a.png", "RGB")
