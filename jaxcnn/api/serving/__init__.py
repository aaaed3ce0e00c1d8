"""A run's network as a page and an endpoint for programs; the extra `serve` installs the server."""

from jaxcnn.errors import UserError

try:
    import python_multipart  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise UserError(
        f"jaxcnn serve needs the package {error.name}: pip install 'jaxcnn[serve]'"
    ) from error
