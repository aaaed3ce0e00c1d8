"""The data of a run: every command uses the same data, or refuses others in one line."""

from pathlib import Path
from typing import Any
from unicodedata import normalize

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten, older_defaults, older_rules
from jaxcnn.config.fields import FIELDS
from jaxcnn.data.dataset import Dataset
from jaxcnn.data.datasets.folder_listing import changes_in
from jaxcnn.data.image_size import height_and_width
from jaxcnn.data.listed_pictures import load_pictures
from jaxcnn.data.loading import check_data, image_size_of, load_data
from jaxcnn.data.pictures.content import read_picture_list, to_csv
from jaxcnn.data.pictures.conversion import DEFAULT_CONVERSION
from jaxcnn.data.places import (
    FOLDER,
    SPLIT_RULES,
    is_pictures_name,
    pictures_folder,
    same_dataset,
)
from jaxcnn.data.superclasses import is_coarse
from jaxcnn.data.tfds_names import is_tfds_name
from jaxcnn.data.views import View
from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_bytes
from jaxcnn.text import shorten
from jaxcnn.workdir import run_files

NO_FINGERPRINT = (
    "this run was made before runs kept a fingerprint of their data: changes of the data cannot be "
    "detected"
)
PICTURES = "pictures.csv"  # of a run on a folder of images: content, path, class, split, use
# These fields of `dataset.json` must stay. A name alone does not identify images and labels.
_IDENTITY = (
    "class_names", "image_shape", "num_examples", "pixel_mean", "pixel_std", "fingerprint",
    "split_fingerprints",
)  # fmt: skip
_FORM = ("dataset.image_size", "dataset.image_width", "dataset.fit")
_FINGERPRINTED = {"fingerprint": "images or labels", "split_fingerprints": "splits"}


def adopt_dataset(config: ConfigDict, dataset: Dataset) -> None:
    """Let a config name a dataset that was given from Python, so that it loads the same data.

    The images are used in their own size, so `image_size` of a user's arrays becomes 0.

    Args:
      config: changed in place.
      dataset: of the run.
    """
    height, width, _ = dataset.image_shape
    settings, given = config.dataset, dataset.settings
    settings.name = dataset.name
    if dataset.is_of_arrays or height_and_width(image_size_of(settings)) != (height, width):
        has_size = not dataset.is_of_arrays and (height == width or given.get("image_size"))
        settings.image_size = height if has_size else 0
        settings.image_width = width if has_size and width != height else 0
    settings.fit = (dataset.conversion or {}).get("fit", DEFAULT_CONVERSION.fit)
    settings.data_dir = "" if dataset.is_of_arrays else given.get("data_dir", settings.data_dir)
    settings.exclude = given.get("exclude", settings.exclude)
    settings.split = given.get("split", settings.split)
    is_cifar100 = dataset.name == "cifar100"
    settings.label_set = "coarse" if is_cifar100 and is_coarse(dataset.class_names) else ""
    if dataset.pictures is None:
        settings.exclude = ""
        if not is_tfds_name(dataset.name):
            settings.split = FIELDS["dataset.split"].default


def load_run_data(config: ConfigDict, workdir: Path, data_at: Path | None = None) -> Dataset:
    """Return the dataset of a new or resumed run.

    A run on a folder of images keeps a list of its pictures. Pictures added to the folder later are
    not used.

    Args:
      config: the run's config, or that of a run with the same pictures in another size.
      workdir: the run's folder; it may be empty or missing.
      data_at: overrides the config's place of the data: the folder of images, or the directory of
        prepared datasets.

    Raises:
      UserError: the data are not available, or came from Python, or pictures of the run are
        missing or changed.
    """
    config = _moved(config, data_at)
    name, list_path, saved = config.dataset.name, workdir / PICTURES, _read_saved(workdir)
    if saved.get("from_python"):
        raise _needs_dataset(workdir)
    if not (list_path.exists() and "fingerprint" in saved and is_pictures_name(name)):
        return load_data(config)
    before = str(saved.get("name"))
    if not (data_at or same_dataset(name, before)) and not pictures_folder(name).is_dir():
        raise UserError(f"{name}: there is no such folder")
    try:
        dataset = load_pictures(
            name,
            read_picture_list(list_path),
            saved["fingerprint"],
            data_dir=config.dataset.data_dir or None,
            image_size=image_size_of(config.dataset),
            fit=config.dataset.fit,
            classes=config.dataset.classes,
            conversion=saved.get("reading"),
            channels=saved.get("image_shape", (0,))[-1],
            reuse=not data_at and same_dataset(name, before) and _has_form(workdir, config),
        )
    except UserError as error:
        if data_at or same_dataset(name, before):
            raise
        raise UserError(
            f"{workdir}: holds another run: its dataset.name is {before!r}, this one's is "
            f"{name!r}, which has other pictures; name another --workdir"
        ) from error
    check_data(config, dataset)
    return dataset


def _has_form(workdir: Path, config: ConfigDict) -> bool:
    """Return whether a run's images have the size and the fit that a config names."""
    saved = run_files.read_part_if_there(workdir, "config.json") or {}
    before = flatten(older_defaults()) | flatten(saved)
    now = flatten(config)
    return all(before[name] == now[name] for name in _FORM)


def refuse_other_origin(config: ConfigDict, workdir: Path) -> None:
    """Refuse a config that names another dataset than the arrays that a run was trained on.

    Raises:
      UserError: the run's data came from Python, and no dataset was given.
    """
    saved = _read_saved(workdir)
    if saved.get("from_python") and saved.get("name") != config.dataset.name:
        raise _needs_dataset(workdir)


def refuse_arrays_of(run: Path, config: ConfigDict) -> None:
    """Refuse a config that a run saved and that names the run's arrays, which no name can load.

    Raises:
      UserError: the run's data came from Python.
    """
    if run_files.came_from_python(run) and _read_saved(run).get("name") == config.dataset.name:
        raise UserError(
            f"{run / 'config.json'}: the data of this run came from Python; train the config there "
            "with jaxcnn.train(config, workdir, dataset=dataset)"
        )


def _needs_dataset(workdir: Path) -> UserError:
    name = repr(str(workdir))
    return UserError(
        f"{workdir}: its data came from Python; evaluate it there with "
        f"jaxcnn.load({name}).evaluate(dataset), continue it with "
        f"jaxcnn.train(config, {name}, dataset=dataset)"
    )


def _moved(config: ConfigDict, data_at: Path | None) -> ConfigDict:
    if not data_at:
        return config
    config = config.copy_and_resolve_references()
    if is_pictures_name(config.dataset.name):
        kind = config.dataset.name.partition(":")[0]
        config.dataset.name = f"{kind}:{str(data_at).removeprefix(f'{kind}:')}"
    else:
        config.dataset.data_dir = str(data_at)
    return config


def adopt_older_rules(config: ConfigDict, workdir: Path) -> None:
    """Give a config the older rules of the run in a folder, if older code made the run.

    Such a run lacks the fields for these rules, for example how the data are split. It continues
    with the rules that the older code followed.
    """
    before = run_files.read_part_if_there(workdir, "config.json")
    if before is not None:
        config.update_from_flattened_dict(older_rules(before))


def adopt_batch_size(config: ConfigDict, workdir: Path) -> None:
    """Give a config without a batch size (0) the batch size of the run in a folder."""
    if not config.global_batch_size:
        before = run_files.read_part_if_there(workdir, "config.json") or {}
        config.global_batch_size = before.get("global_batch_size", 0)


def write_pictures_of(workdir: Path, dataset: Dataset, views: dict[str, View]) -> None:
    """Write `pictures.csv`, the pictures of a run with their use; only for folders of images."""
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
    """Return warnings about the data of a run, one line each.

    They tell that the run has no fingerprint of its data, or that its folder of images has changed.
    """
    saved, list_path = _read_saved(workdir), workdir / PICTURES
    if not saved:
        return []
    if "fingerprint" not in saved:
        return [NO_FINGERPRINT]
    name = str(saved.get("name"))
    if not (list_path.exists() and is_pictures_name(name)):
        return []
    folder = data_at or pictures_folder(name)
    if not folder.is_dir():
        return []
    added, gone = changes_in(folder, [picture.path for picture in read_picture_list(list_path)])
    added = added if _takes_whole_folder(workdir) else 0
    if not (added or gone):
        return []
    return [
        f"{folder} has changed since the run began: {added} pictures are new and {gone} are gone; "
        "the run keeps its own"
    ]


def _takes_whole_folder(workdir: Path) -> bool:
    """Return whether a run's config leaves no picture of its folder out."""
    config = run_files.read_part_if_there(workdir, "config.json") or {}
    settings = config.get("dataset", {})
    return (
        str(settings.get("name")).startswith(FOLDER)
        and not settings.get("exclude")
        and settings.get("split", "content") in SPLIT_RULES
    )


def refuse_other_data(workdir: Path, now: dict[str, Any]) -> None:
    """Refuse data that differ from those in the run's `dataset.json`, if the run has one.

    Args:
      workdir: the run's folder.
      now: the facts that identify the data, see `data_identity`.

    Raises:
      UserError: the classes, the images, their shape or number, the labels or the splits differ.
    """
    saved = _read_saved(workdir)
    for name in _IDENTITY:
        before = saved.get(name)
        if before is not None and name in now and not _is_same(before, now[name]):
            if name.startswith("pixel_") and _were_stretched(workdir, saved, now):
                raise UserError(
                    f"{workdir}: its images were stretched to their size, and are cropped now: go "
                    "on with the code that its environment.json names, or name another --workdir"
                )
            if name in _FINGERPRINTED:
                values = _differing(before, now[name])
                text = f"their {_FINGERPRINTED[name]} are not the same ({values})"
            else:
                shown = [shorten(str(value), 81) for value in (before, now[name])]
                text = f"their {name}: {shown[0]} before, {shown[1]} now"
            raise UserError(
                f"{workdir}: was trained on other data: {text}; name another --workdir, or bring "
                "the data back (--data_at=PATH if they were moved)"
            )


def _were_stretched(workdir: Path, saved: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether a run's images come from the same files in other proportions than theirs."""
    config = run_files.read_part_if_there(workdir, "config.json") or {}
    settings = config.get("dataset", {})
    has_form = settings.get("image_width", 0) not in (0, settings.get("image_size"))
    return has_form and saved.get("fingerprint", "") == now.get("fingerprint")


def _is_same(before: Any, now: Any) -> bool:
    """Return whether two values are equal up to Unicode normalization.

    Older runs kept the names of classes as encoded in the names of their folders.
    """
    return before == now or normalize("NFC", str(before)) == normalize("NFC", str(now))


def _read_saved(workdir: Path) -> dict[str, Any]:
    """Return the content of `dataset.json`, empty if there is no file."""
    return run_files.read_part_if_there(workdir, "dataset.json") or {}


def _differing(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        return ", ".join(name for name in now if before.get(name) != now[name])
    return f"fingerprint {shorten(str(before), 81)}, now {shorten(str(now), 81)}"
