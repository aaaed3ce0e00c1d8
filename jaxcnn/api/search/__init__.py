"""Searches with Optuna, which the extra `search` installs."""

from jaxcnn.errors import UserError

try:
    import optuna  # noqa: F401
except ModuleNotFoundError as error:
    raise UserError("a search needs Optuna: pip install 'jaxcnn[search]'") from error
