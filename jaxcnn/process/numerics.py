"""The settings of JAX, XLA and jaxcnn that change a run's numbers, by environment variable."""

import os
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError

# options of JAX that change random numbers, dtypes, or the compilation
_OPTIONS = (
    "jax_enable_x64", "jax_default_prng_impl", "jax_random_seed_offset",
    "jax_threefry_partitionable", "jax_high_dynamic_range_gumbel", "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion", "jax_allow_f16_reductions", "jax_softmax_custom_jvp",
    "jax_optimization_level", "jax_exec_time_optimization_effort", "jax_disable_most_optimizations",
)  # fmt: skip
_VARIABLES = ("LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_PLAIN_OPS = "JAXCNN_PLAIN_OPS"  # 1 selects the plain forms of `ops.switch`, equal to rounding
# prefixes of XLA's flags that change no number; `deterministic` is a field of the config
_HARMLESS_FLAGS = (
    "xla_force_host_platform_device_count", "xla_dump_", "xla_hlo_profile", "xla_gpu_cuda_data_dir",
    "xla_gpu_deterministic_ops", "xla_gpu_exclude_nondeterministic_ops",
    "xla_cpu_collective_call_", "xla_cpu_collective_timeout_", "xla_gpu_executable_",
)  # fmt: skip
# with these values JAX compiles nothing, or refuses operations of jaxcnn and its libraries
_UNUSABLE = {
    "jax_disable_jit": True,
    "jax_no_execution": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
}


def check_settings() -> None:
    """Check that JAX's settings allow jaxcnn to work.

    Raises:
      UserError: a setting does not; the line names the variable.
    """
    import jax

    for name, value in _UNUSABLE.items():
        if _plain(jax.config.values.get(name)) == value:
            raise UserError(
                f"{name.upper()}={value}: jaxcnn does not work with this setting; unset it"
            )


def selects_plain_ops() -> bool:
    """Return whether the environment selects the plain forms of operations; see `ops.switch`."""
    return os.environ.get(_PLAIN_OPS) == "1"


def numeric_settings() -> dict[str, Any]:
    """Return the value of each setting by environment variable, ready for JSON.

    The value of a JAX option is the current one, whether a variable or Python set it. Options that
    this version of JAX lacks are left out. `XLA_FLAGS` holds the flags that change numbers, sorted.
    """
    import jax

    options = jax.config.values
    settings = {name.upper(): _plain(options[name]) for name in _OPTIONS if name in options}
    variables = {name: os.environ.get(name, "") for name in _VARIABLES}
    variables[_PLAIN_OPS] = "1" if selects_plain_ops() else ""
    return settings | {"XLA_FLAGS": _flags(os.environ.get("XLA_FLAGS", ""))} | variables


def refuse_other_settings(before: Any, now: dict[str, Any], workdir: Path) -> None:
    """Check that the settings are the ones with which a run began.

    Args:
      before: the settings that the run recorded; anything but a dict means none.
      now: the result of `numeric_settings`.
      workdir: the run's folder, for the message.

    Raises:
      UserError: a setting has changed.
    """
    # versions without plain forms recorded no such variable
    recorded = {_PLAIN_OPS: ""} | before if isinstance(before, dict) else {}
    for name, value in now.items():
        if name in recorded and recorded[name] != value:
            raise UserError(
                f"{workdir}: was trained with {name}={_shown(recorded[name])}, now it is "
                f"{_shown(value)}, which changes the numbers; set it as it was, or name another "
                "--workdir"
            )


def jax_options() -> dict[str, Any]:
    """Return the current values of JAX's options that change numbers, for `set_jax_options`."""
    import jax

    return {name: jax.config.values[name] for name in _OPTIONS if name in jax.config.values}


def set_jax_options(options: dict[str, Any]) -> None:
    """Set JAX's options to those of another process, from its `jax_options`."""
    import jax

    for name, value in options.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)


def _plain(value: Any) -> Any:
    """Return an option's value ready for JSON; some are enumerations."""
    value = getattr(value, "value", value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _flags(text: str) -> str:
    """Return XLA's flags that change numbers; the last of repeated flags counts."""
    flags = dict(word.lstrip("-").partition("=")[::2] for word in text.split())
    kept = sorted(name for name in flags if not name.startswith(_HARMLESS_FLAGS))
    return " ".join(f"--{name}={flags[name]}" if flags[name] else f"--{name}" for name in kept)


def _shown(value: Any) -> str:
    return repr(value) if value in ("", None) else str(value)
