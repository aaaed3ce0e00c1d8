"""The figures of a publication as the cells of tables."""

from jaxcnn.config.publications import Figures
from jaxcnn.text import percent


def accuracy_text(figures: Figures) -> str:
    """Return the test accuracy after the last epoch, in the publication's words; "" for none."""
    return figures.words or (percent(figures.accuracy) if figures.accuracy else "")


def best_text(figures: Figures) -> str:
    """Return the best epoch's accuracy and its epoch, such as `98.23% (18)`; "" for none."""
    if figures.best is None:
        return ""
    return f"{percent(figures.best)} ({figures.best_epoch or 'epoch unknown'})"


def seconds_text(figures: Figures) -> str:
    """Return the seconds per epoch, such as `62 to 64`; "" for none."""
    return " to ".join(f"{seconds:g}" for seconds in dict.fromkeys(figures.seconds or ()))
