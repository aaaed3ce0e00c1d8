"""Registry of the networks: a decorator, names by wildcard, checked options, building."""

import contextlib
import dataclasses
import difflib
import fnmatch
import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from numbers import Integral
from typing import Any, TypeVar

from jaxcnn.config.part import Part, PartError
from jaxcnn.config.parts import Registry
from jaxcnn.errors import UserError
from jaxcnn.nn.layer import ImageSizeError, Shape
from jaxcnn.nn.network import Network
from jaxcnn.nn.options import check_option

LARGEST_SIDE_TRIED = 512
_OPTION_TYPES = (bool, int, float, str, tuple)
_ARGUMENTS = ("name", "num_classes", "image_shape", "seed", "abstract")  # of `build`
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered network.

    Attributes:
      layers: `(num_classes, **options) -> list of layers`.
      options: the options with their defaults.
      image_shape: (height, width, channels) of the images that it was published for.
      num_classes: of the data that it was published for.
      part: the user's part; None for a network of jaxcnn.
    """

    layers: Callable[..., list]
    options: dict[str, Any]
    image_shape: Shape
    num_classes: int
    part: Part | None = None

    def naming(self) -> AbstractContextManager[None]:
        """Return a context that names a user's network and its line in any error."""
        return self.part.naming((ImageSizeError,)) if self.part else contextlib.nullcontext()


_ENTRIES: Registry[Entry] = Registry("network", ["num_classes"])


def network(
    name: str, *, image_shape: Shape = (32, 32, 3), num_classes: int = 10, **options: Any
) -> Callable:
    """Register a function `(num_classes, **options) -> list of layers` as a network.

    Use it as a decorator; a function may be registered under several names.

    Args:
      name: the name in `config.model.name`.
      image_shape: (height, width, channels) that `build` takes by default.
      num_classes: the number of classes that `build` takes by default.
      **options: replace the function's own defaults under this name.

    Returns:
      The decorator, which returns the function unchanged.

    Raises:
      UserError: the name is taken, or the function or an option of it cannot be registered.
    """

    def make(function: Callable[..., list], part: Part | None = None) -> Entry:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        defaults = {parameter.name: parameter.default for parameter in parameters}
        for option, default in defaults.items():
            if part and not isinstance(default, _OPTION_TYPES):
                raise part.fault(f"option {option} needs a default: a number, a text or a tuple")
            if part and option in _ARGUMENTS:
                raise part.fault(f"option {option} is an argument of jaxcnn.build; rename it")
        return Entry(function, defaults | options, image_shape, num_classes, part)

    return _ENTRIES.decorator(name, make)


def network_names(pattern: str = "*") -> list[str]:
    """Return the names of the registered networks, sorted.

    Args:
      pattern: a wildcard pattern such as "mnist_*".
    """
    return sorted(fnmatch.filter(_ENTRIES, pattern))


def network_options(name: str) -> dict[str, Any]:
    """Return the options of a network with their defaults."""
    return dict(network_entry(name).options)


def model_config(name: str, **options: Any) -> dict[str, Any]:
    """Return the `model` part of a config: the network's name and all its options.

    All options are there so that each can be overridden from the command line.
    """
    return {"name": name} | network_options(name) | options


def network_entry(name: str) -> Entry:
    """Return the network that is registered under a name.

    Raises:
      UserError: no network has this name.
    """
    if name not in _ENTRIES:
        raise UserError(f"unknown network {name!r}{_hint(name, network_names())}")
    return _ENTRIES[name]


def build(
    name: str,
    *,
    num_classes: int | None = None,
    image_shape: Shape | None = None,
    seed: int = 0,
    abstract: bool = False,
    **options: Any,
) -> Network:
    """Build a network with its initial parameters, in training mode; `model.eval()` switches.

    Args:
      name: a registered name, see `network_names`.
      num_classes: the number of logits; None for that of the data that the network is made for.
      image_shape: (height, width, channels); None for that of the data that it is made for.
      seed: the seed of the initial parameters.
      abstract: leave the parameters as `jax.ShapeDtypeStruct`, for counting and `jax.eval_shape`.
      **options: see `network_options`.

    Returns:
      An `nnx.Module` with float32 parameters. A call maps float images (batch, height, width,
      channels) to logits (batch, num_classes).

    Raises:
      UserError: unknown name or option, an option of the wrong type, an image size that the
        network does not take, or lines of the network that do not fit each other.
    """
    entry = network_entry(name)
    options = check_options(name, **options)
    classes, shape = _checked_sizes(
        entry.num_classes if num_classes is None else num_classes,
        entry.image_shape if image_shape is None else image_shape,
    )

    def make(shape: Shape, abstract: bool) -> Network:
        settings = {"num_classes": classes, "image_shape": shape, "seed": seed}
        with entry.naming():
            layers = _as_list(entry.layers(classes, **options))
            return Network(layers, name=name, abstract=abstract, **settings)

    try:
        return make(shape, abstract)
    except PartError:
        raise
    except UserError as error:
        raise UserError(f"network {name}: {error}") from error
    except ImageSizeError as error:
        height, width, channels = shape
        smallest = _smallest(lambda side: make((side, side, channels), abstract=True))
        if not smallest:  # the size is not to blame
            raise UserError(f"network {name}: {error}") from error
        raise UserError(
            f"network {name} does not take {height}x{width} images: {error}; the smallest it takes "
            f"is {smallest}x{smallest}"
        ) from error


def _as_list(layers: Any) -> list:
    """Return the layers that a network's function returned, which must be a list."""
    if not isinstance(layers, (list, tuple)):
        raise UserError(f"must return a list of layers, not {type(layers).__name__}")
    return list(layers)


def _checked_sizes(num_classes: Any, image_shape: Any) -> tuple[int, Shape]:
    """Return the number of classes and the image shape; refuse sizes that no network has."""
    if not isinstance(num_classes, Integral) or num_classes < 1:  # NumPy's integers as well
        raise UserError(f"num_classes = {num_classes!r}: must be an integer from 1 on")
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    if len(shape) != 3 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise UserError(f"image_shape = {image_shape!r}: must be (height, width, channels)")
    height, width, channels = map(int, shape)
    return int(num_classes), (height, width, channels)


def _smallest(make: Callable[[int], Network]) -> int:
    """Return the smallest side of a square image that the network takes; 0 if there is none."""
    for side in range(1, LARGEST_SIDE_TRIED + 1):
        try:
            make(side)
        except (ImageSizeError, UserError):
            continue
        return side
    return 0


def check_options(name: str, **options: Any) -> dict[str, Any]:
    """Return all options of a network, checked to have the types of their defaults.

    A list may stand for a tuple. Where the default holds sizes, integers from 1 on, so must the
    value. An empty default says nothing of the values of a user's network; in one of jaxcnn it
    stands for sizes.

    Raises:
      UserError: no such network or option, or a value of another type.
    """
    defaults = network_options(name)
    checked = dict(defaults)
    for key, value in options.items():
        if key not in defaults:
            raise UserError(f"network {name} has no option {key!r}{_hint(key, defaults)}")
        kind = type(defaults[key])
        allowed = {tuple: (tuple, list), float: (float, int)}.get(kind, kind)
        if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
            raise UserError(
                f"network {name}: option {key} must be a {kind.__name__}"
                f" such as {defaults[key]!r}, not {value!r}"
            )
        is_open = network_entry(name).part and not defaults[key]
        has_sizes = kind is tuple and _are_sizes(defaults[key]) and not is_open
        if has_sizes and not _are_sizes(value):
            raise UserError(f"network {name}: option {key} = {value!r}: must hold sizes from 1 on")
        checked[key] = kind(value)
    return checked


def _are_sizes(values: Sequence[Any]) -> bool:
    return all(type(size) is int and size > 0 for size in values)


def choose(option: str, value: str, choices: dict[str, T]) -> T:
    """Return the choice that an option's value names.

    Raises:
      UserError: the value is none of the choices.
    """
    check_option(option, value, choices)
    return choices[value]


def _hint(word: str, allowed: Any) -> str:
    close = difflib.get_close_matches(word, allowed, n=1)
    listing = ", ".join(allowed) or "none"
    return (f"; did you mean {close[0]!r}?" if close else "") + f" (there are: {listing})"
