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
        (b"\xff\x0a" + bytes(9), "JPEG XL, which cannot be read yet: pip install "),
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
        f'{path} is HEIC, which cannot be read yet: pip install "jaxcnn[heic]", or convert it'
    )

    class HeicFile(ImageFile.ImageFile):  # every picture is 4x3 and red
        format = "HEIC"

        def _open(self):
            self._size, self._mode, self.im = (4, 3), "RGB", Image.new("RGB", (4, 3), "red").im
            self.info["original_orientation"] = 6  # pillow_heif has turned it

    monkeypatch.setattr(Image, "ID", [*Image.ID])
    monkeypatch.setattr(Image, "OPEN", {**Image.OPEN})
    plugin = SimpleNamespace(
        register_heif_opener=lambda: Image.register_open("HEIC", HeicFile, lambda _: True)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    assert read_picture(path, "RGB").getpixel((1, 1)) == (255, 0, 0)
    facts = read_facts(path)
    assert (facts.width, facts.height, facts.is_rotated) == (4, 3, True)


def test_damage_of_a_known_format_is_no_other_format(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    with pytest.raises(UserError, match="a.png is not an image that can be read"):
        read_picture(tmp_path / "a.png", "RGB")


@pytest.mark.parametrize("name", ["a.heic", "a.avif"])
def test_pictures_of_phones_are_upright(tmp_path, name):
    """The pixels lie on their side, and the file says so."""
    if name == "a.heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")
    upright = Image.new("RGB", (80, 60), "red")
    upright.paste((255, 255, 255), (0, 0, 20, 20))
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.info["exif"] = exif.tobytes()
    stored.save(tmp_path / name, quality=90, **({} if name == "a.heic" else {"exif": exif}))
    picture = read_picture(tmp_path / name, "RGB")
    assert picture.size == (80, 60) and min(picture.getpixel((5, 5))) > 230
    facts = read_facts(tmp_path / name)
    assert (facts.width, facts.height, facts.is_rotated) == (80, 60, True)
