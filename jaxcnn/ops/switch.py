"""Choice between the CPU's forms of the operations and plain `jnp` and `lax`.

XLA's CPU compiler runs some operations several times faster in another form than in the plain one:
convolution, max pools, BatchNorm, the sum of a residual block. Their gradients are written out with
`jax.custom_vjp`, so forward-mode differentiation cannot pass through them. The plain forms are
equal to rounding, and every JAX transformation takes them.

The choice is made when a function is traced, not when it is lowered. `jax.lax.platform_dependent`
chooses at lowering and so keeps both forms in the traced program, where `jax.jvp` would still meet
the `custom_vjp` of the branch that is not taken. At tracing the platform is JAX's default backend:
a program that runs on a CPU beside a GPU has the plain forms, which are correct there but slower.

A program with the CPU's forms still runs on other platforms: `platform_dependent` in the
convolution gives them XLA's own. That is how one exported network serves several platforms.
"""

import contextlib
from collections.abc import Iterator

import jax

from jaxcnn.process.numerics import selects_plain_ops

_PLAIN, _PORTABLE = "plain", "portable"
# part of the key of JAX's caches, so a change of forms traces a function again
_forms = jax.make_user_context(None)


def uses_cpu_forms() -> bool:
    """Return whether a function that is traced now has the CPU's forms."""
    if _is_plain():
        return False
    return _forms.value == _PORTABLE or jax.default_backend() == "cpu"


def _is_plain() -> bool:
    return _forms.value == _PLAIN or selects_plain_ops()


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Use plain `jnp` and `lax` for everything that is traced inside, on the CPU as well.

    Forward-mode derivatives need it on a CPU: `jax.jvp`, `jax.linearize`, forward over reverse.
    Values and gradients are equal to rounding, and dropout draws the same bits. Example::

        with jaxcnn.ops.plain():
            outputs, tangents = jax.jvp(network_function, (params,), (directions,))

    The environment variable `JAXCNN_PLAIN_OPS=1` does the same for a process.
    """
    with _forms(_PLAIN):
        yield


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Trace everything inside with a form for each platform, whatever this process runs on.

    The export of networks uses it. `plain` and its environment variable take precedence.
    """
    with _forms(_PLAIN if _is_plain() else _PORTABLE):
        yield
