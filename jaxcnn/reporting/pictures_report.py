"""The report of `prepare`: the page about a dataset's pictures, and the list to leave out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_collections import ConfigDict

from jaxcnn.config.defaults import default_config
from jaxcnn.data.image_size import height_and_width
from jaxcnn.data.loading import image_size_of
from jaxcnn.data.pictures.survey import Survey, exclusion_of
from jaxcnn.data.places import find_place
from jaxcnn.data.preparing.looking import look_at
from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path
from jaxcnn.files.writing import write_list
from jaxcnn.reporting.pictures_page import Subject, write_page
from jaxcnn.text import integer

if TYPE_CHECKING:
    from jaxcnn.training.augmented_batch import AugmentedBatch


@dataclasses.dataclass(frozen=True)
class PicturesReport:
    """A report, ready to be written.

    Attributes:
      file: of the page.
      subject: of the page, without an augmented batch.
    """

    file: Path
    subject: Subject

    @classmethod
    def of(cls, settings: ConfigDict, file: Path) -> "PicturesReport":
        """Read each picture of a dataset, and return the report on them.

        Args:
          settings: the `dataset` part of a config.
          file: of the page.

        Raises:
          UserError: the pictures have no layout that can be read, none can be read, or the list of
            the page is the one that the settings name.
        """
        exclusion = file.with_suffix(".exclude.txt")
        if settings.exclude and user_path(settings.exclude).resolve() == exclusion.resolve():
            raise UserError(
                f"{file}: its list {exclusion.name} would replace the one that is read; name "
                "another page"
            )
        place = find_place(
            settings.name,
            settings.data_dir or None,
            image_size_of(settings),
            settings.split,
            settings.exclude,
            settings.fit,
        )
        found, layout = look_at(place)
        if not found.entries:
            raise UserError(
                f"{settings.name}: {found.unreadable[0][1]}; nor can the other files be read"
            )
        return cls(
            file,
            Subject(
                name=settings.name,
                survey=found,
                class_names=layout.class_names,
                notes=layout.notes,
                fit=settings.fit,
                image_size=_size_of(settings, found),
                exclusion=exclusion,
            ),
        )

    def write(
        self, batch: "AugmentedBatch | None" = None, batch_classes: Sequence[str] = ()
    ) -> Path | None:
        """Write the page, and the list of pictures to leave out.

        Args:
          batch: see `Subject`.
          batch_classes: see `Subject`.

        Returns:
          The name that an earlier list with another content has got; None without one.

        Raises:
          UserError: a file cannot be written.
        """
        kept = write_list(self.subject.exclusion, exclusion_of(self.subject.survey))
        subject = dataclasses.replace(self.subject, batch=batch, batch_classes=batch_classes)
        write_page(subject, self.file)
        return kept

    def refuse_unreadable(self) -> None:
        """Refuse pictures that cannot be read.

        Raises:
          UserError: there are some; the line names the page and the list.
        """
        unreadable = self.subject.survey.unreadable
        if unreadable:
            raise UserError(
                f"{unreadable[0][1]}; {integer(len(unreadable))} of "
                f"{integer(len(unreadable) + len(self.subject.survey.entries))} files cannot be "
                f"read: {self.file} names them, --exclude={self.subject.exclusion} leaves them out"
            )

    @property
    def summary(self) -> str:
        """The findings in a line, and the files of the report."""
        found = self.subject.survey
        counts = {
            "groups of the same file": found.equal,
            "groups that look the same": found.near,
            "groups in training and in another split": found.leaks,
            "groups in several classes": found.conflicts,
        }
        listed = ", ".join(f"{integer(len(groups))} {name}" for name, groups in counts.items())
        return f"{listed}\nreport in {self.file}, pictures to leave out in {self.subject.exclusion}"


def _size_of(settings: ConfigDict, found: Survey) -> tuple[int, int]:
    """Return the height and width to which pictures are fitted.

    Pictures that keep their size, but have several, are shown in the default size.
    """
    size = height_and_width(image_size_of(settings))
    if size != (0, 0):
        return size
    sizes = {(fact.height, fact.width) for fact in found.facts}
    if len(sizes) == 1:
        return sizes.pop()
    return height_and_width(image_size_of(default_config().dataset))
