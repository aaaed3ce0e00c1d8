"""Flags that several commands take: which weights of a run, and where its data are."""

from pathlib import Path

from absl import flags

from jaxcnn.files.paths import path_flag

flags.disclaim_key_flags()  # flags belong to the module that calls these functions


def checkpoint_flag() -> flags.FlagHolder[str | None]:
    """Define `--checkpoint`, which holds "best" or "latest", or None if it is not given."""
    return flags.DEFINE_enum(
        "checkpoint",
        None,
        ["best", "latest"],
        "The weights to use (default: those the run itself tests).",
    )


def data_at_flag() -> flags.FlagHolder[Path | None]:
    """Define `--data_at`, which holds a path, or None if it is not given."""
    return path_flag(
        "data_at",
        "The present place of the run's data if they were moved: the folder, or data_dir.",
    )
