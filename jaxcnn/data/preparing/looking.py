"""Looking at the user's pictures before they are prepared."""

from jaxcnn.data.datasets.folder_layout import Layout
from jaxcnn.data.datasets.picture_splits import layout_of
from jaxcnn.data.pictures.survey import PictureFile, Survey, survey
from jaxcnn.data.places import Place
from jaxcnn.data.preparing.reporter import reporter
from jaxcnn.files.paths import below


def look_at(place: Place) -> tuple[Survey, Layout]:
    """Return a survey of a place's pictures, and their layout.

    Raises:
      UserError: the pictures have no layout that can be read.
    """
    layout = layout_of(place)
    entries = [
        PictureFile(
            path,
            below(path, place.folder).as_posix(),
            layout.class_names[label],
            split,
            layout.groups.get(path, ""),
        )
        for split, pictures in layout.splits.items()
        for path, label in pictures
    ]
    with reporter(place.name) as report:
        return survey(entries, report.track), layout
