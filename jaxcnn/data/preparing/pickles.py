"""A reader for CIFAR's pickled batches that cannot run code.

It knows the opcodes of protocols 0 to 5 that build dicts, lists, tuples, strings, whole numbers and
uint8 arrays, and no others. A pickle may only name the classes and functions that build a NumPy
array. The reader puts a stand-in for each of them, so NumPy itself never sees an unchecked byte.

The base class is the unpickler written in Python. Its opcodes can be restricted, unlike those of
the one in C. It also never allocates memory of a size that the pickle states.
"""

import io
import pickle
from typing import Any

import numpy as np


class _Type:
    """Stand-in for numpy.dtype, with a single dtype."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in ("u1", "|u1", b"u1", b"|u1"):
            raise pickle.UnpicklingError("an array that is not uint8")

    def __setstate__(self, state: object) -> None:
        """Ignore byte order and the like, which single bytes do not have."""


class _Array:
    """Stand-in for numpy.ndarray, and for the function that makes an empty one."""

    values: np.ndarray

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _Type) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array that is not uint8")
        order = "F" if is_fortran else "C"
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order=order)


class _FromBuffer(_Array):
    """Stand-in for the function with which protocol 5 makes an array from a buffer."""

    def __init__(self, data: object, dtype: object, shape: object, order: object, *_: object):
        self.__setstate__((1, shape, dtype, order == "F", data))


class _Encode:
    """Stand-in for codecs.encode, which protocols 0 to 2 of Python 3 call to make bytes."""

    def __new__(cls, text: str, encoding: str) -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError("an unexpected encoding")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        """Set nothing; without this method a pickle could set attributes of the class."""


_NAMES = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer,
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer,
    ("_codecs", "encode"): _Encode,
}
_OPCODES = (
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE",
    "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINSTRING",
    "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "EMPTY_DICT",
    "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "APPEND", "APPENDS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
    "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INT", "LONG",
    "STRING", "UNICODE", "LIST", "PUT", "GET",
)  # fmt: skip

_PythonUnpickler: Any = pickle._Unpickler  # typeshed lacks its stack and methods


class _Unpickler(_PythonUnpickler):
    dispatch = {
        getattr(pickle, name)[0]: _PythonUnpickler.dispatch[getattr(pickle, name)[0]]
        for name in _OPCODES
    }

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no dataset needs")
        return _NAMES[module, name]

    def _set_items(self, items: list) -> None:
        # other keys could be nested so deeply that hashing them takes forever
        if not all(isinstance(key, str | bytes) for key in items[::2]):
            raise pickle.UnpicklingError("a dict with keys that are not text")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _read_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def _read_bytearray(self) -> None:
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    dispatch[pickle.DICT[0]] = _read_dict
    dispatch[pickle.BYTEARRAY8[0]] = _read_bytearray
    dispatch[pickle.SETITEMS[0]] = lambda self: self._set_items(self.pop_mark())
    dispatch[pickle.SETITEM[0]] = lambda self: self._set_items(
        [self.stack.pop(), self.stack.pop()][::-1]
    )


def read_pickle(data: bytes) -> dict[str, Any]:
    """Return the dict of a batch; its keys are text, and its arrays are uint8 `np.ndarray`.

    Raises:
      pickle.UnpicklingError, ValueError and others: `data` is not a batch, or would run code.
    """
    content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError("it is not a dict")
    return {
        key.decode() if isinstance(key, bytes) else key: getattr(value, "values", value)
        if isinstance(value, _Array)
        else value
        for key, value in content.items()
    }
