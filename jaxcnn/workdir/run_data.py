"""The data of a run: every command uses the same ones, or says in one line how they differ."""

from pathlib import Path
from typing import Any
from unicodedata import normalize

from ml_collections import ConfigDict

from jaxcnn.config.defaults import older_rules
from jaxcnn.data.dataset import Dataset, load_pictures
from jaxcnn.data.datasets.folder_listing import changes_in
from jaxcnn.data.loading import check_data, load_data
from jaxcnn.data.pictures.content import read_pictures, to_csv
from jaxcnn.data.places import FOLDER, is_folder_name, same_dataset
from jaxcnn.data.views import View
from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_bytes
from jaxcnn.workdir import run_files

NO_FINGERPRINT = (
    "this run was made before runs kept a fingerprint of their data: whether they have changed "
    "cannot be told"
)
# Images or labels may differ under the same name, and in the same numbers.
_IDENTITY = (
    "class_names", "image_shape", "num_examples", "pixel_mean", "pixel_std", "fingerprint",
    "split_fingerprints",
)  # fmt: skip
_WHAT = {"fingerprint": "images or labels", "split_fingerprints": "splits"}


def load_run_data(config: ConfigDict, workdir: Path, data_at: Path | None = None) -> Dataset:
    """Return the dataset of the run in a folder, or that of a new run.

    A run on a folder of images keeps a list of its pictures: pictures that were added to the folder
    since take no part.

    Args:
      config: the run's.
      workdir: the run's folder; it may be empty, or not there.
      data_at: where the data are, if not where the config says: the folder of images, or the
        directory of prepared datasets.

    Raises:
      UserError: the data cannot be had, or pictures of the run are gone or changed.
    """
    config = _moved(config, data_at)
    name, listed, known = config.dataset.name, workdir / PICTURES, _known(workdir)
    if not (listed.exists() and "fingerprint" in known and is_folder_name(name)):
        return load_data(config)
    before = str(known.get("name"))
    if not (data_at or same_dataset(name, before)) and not Path(name[len(FOLDER) :]).is_dir():
        raise UserError(f"{name}: there is no such folder")
    try:
        dataset = load_pictures(
            name,
            read_pictures(listed),
            known["fingerprint"],
            data_dir=config.dataset.data_dir or None,
            image_size=config.dataset.image_size,
            reuse=not data_at and same_dataset(name, before),
        )
    except UserError as error:
        if data_at or same_dataset(name, before):
            raise
        raise UserError(
            f"{workdir}: holds another run: its dataset.name is {before!r}, this one's is "
            f"{name!r}, which has not the same pictures; name another --workdir"
        ) from error
    check_data(config, dataset)
    return dataset


def _moved(config: ConfigDict, data_at: Path | None) -> ConfigDict:
    if not data_at:
        return config
    config = config.copy_and_resolve_references()
    if is_folder_name(config.dataset.name):
        config.dataset.name = f"{FOLDER}{data_at}"
    else:
        config.dataset.data_dir = str(data_at)
    return config


def adopt_older_rules(config: ConfigDict, workdir: Path) -> None:
    """Give a config the rules of the run in a folder, where that was made before they were fields.

    A run that has none of these fields was cut by the older rules, and goes on with them.
    """
    before = run_files.read_part_if_there(workdir, "config.json")
    if before is not None:
        config.update_from_flattened_dict(older_rules(before))


def write_pictures_of(workdir: Path, dataset: Dataset, views: dict[str, View]) -> None:
    """Write the list of the pictures that a run uses, and for what; nothing for other datasets."""
    if dataset.pictures is None:
        return
    used_for = {split: [""] * len(rows.labels) for split, rows in dataset.splits.items()}
    for use in ("test", "validation", "train"):  # the test split may serve as validation
        for index in views[use].indices.tolist():
            used_for[views[use].split][index] = use
    uses = {split: iter(names) for split, names in used_for.items()}
    columns = [next(uses[picture.split]) for picture in dataset.pictures]
    write_bytes(workdir / PICTURES, to_csv(dataset.pictures, columns))


def notes_on_data(workdir: Path, data_at: Path | None = None) -> list[str]:
    """Return what a user should know of the data of the run in a folder, a line each.

    That they carry no fingerprint; that the folder of images has other pictures than the run.
    """
    known, listed = _known(workdir), workdir / PICTURES
    if not known:
        return []
    if "fingerprint" not in known:
        return [NO_FINGERPRINT]
    name = str(known.get("name"))
    if not (listed.exists() and is_folder_name(name)):
        return []
    folder = data_at or Path(name[len(FOLDER) :]).expanduser()
    if not folder.is_dir():
        return []
    added, gone = changes_in(folder, [picture.path for picture in read_pictures(listed)])
    if not (added or gone):
        return []
    return [
        f"{folder} has changed since the run began: {added} pictures are new and {gone} are gone; "
        "the run keeps its own"
    ]


def refuse_other_data(workdir: Path, now: dict[str, Any]) -> None:
    """Sees to it that the data are those that the folder's `dataset.json`, if any, tells of.

    Args:
      now: what is known of the data, of `data_identity`.

    Raises:
      UserError: the classes, the size or number of the images, the images or the splits are others.
    """
    before = _known(workdir)
    for name in _IDENTITY:
        known = before.get(name)
        if known is not None and name in now and not _is_same(known, now[name]):
            if name in _WHAT:
                text = f"their {_WHAT[name]} are not the same ({_differing(known, now[name])})"
            else:
                text = f"their {name}, {_short(known)} before, now are {_short(now[name])}"
            raise UserError(
                f"{workdir}: was trained on other data: {text}; name another --workdir, or bring "
                "the data back (--data_at=PATH if they were moved)"
            )


def _is_same(known: Any, now: Any) -> bool:
    """Whether two values are equal, however the letters of names are encoded: older runs kept the
    names of classes as their folders had them."""
    return known == now or normalize("NFC", str(known)) == normalize("NFC", str(now))


def _known(workdir: Path) -> dict[str, Any]:
    return run_files.read_part_if_there(workdir, "dataset.json") or {}


def _differing(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        return ", ".join(name for name in now if before.get(name) != now[name])
    return f"fingerprint {_short(before)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


PICTURES = "pictures.csv"  # of a run on a folder of images: content, path, class, split, use
