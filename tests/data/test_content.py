"""The list of pictures that a run keeps."""

from jaxcnn.data.pictures.content import Picture, digests_trained_on, to_csv


def test_only_pictures_that_were_used_for_training_were_trained_on(tmp_path):
    pictures = [Picture(f"{i:064x}", f"{i}.png", "cat", "train") for i in range(3)]
    (tmp_path / "list.csv").write_bytes(to_csv(pictures, ["train", "validation", ""]))
    assert digests_trained_on(tmp_path / "list.csv") == {pictures[0].sha256}
