"""When the CPU's forms are taken, and that JAX's caches know of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxcnn import ops
from jaxcnn.ops import switch
from jaxcnn.ops.convolution import convolve


def on(monkeypatch, platform):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)


@pytest.mark.parametrize("platform, has_cpu_forms", [("cpu", True), ("gpu", False), ("tpu", False)])
def test_the_platform_decides(monkeypatch, platform, has_cpu_forms):
    on(monkeypatch, platform)
    assert switch.uses_cpu_forms() == has_cpu_forms


def test_plain_ends_with_its_block_even_after_an_error():
    with pytest.raises(KeyError), ops.plain():
        assert not switch.uses_cpu_forms()
        raise KeyError
    assert switch.uses_cpu_forms()


@pytest.mark.parametrize("value, has_cpu_forms", [("1", False), ("0", True), ("", True)])
def test_the_environment_sets_it_for_a_process(monkeypatch, value, has_cpu_forms):
    monkeypatch.setenv("JAXCNN_PLAIN_OPS", value)
    assert switch.uses_cpu_forms() == has_cpu_forms


def test_portable_programs_have_the_cpus_forms_on_any_platform_unless_plain(monkeypatch):
    on(monkeypatch, "gpu")
    with switch.portable():
        assert switch.uses_cpu_forms()
    with ops.plain(), switch.portable():
        assert not switch.uses_cpu_forms()
    monkeypatch.setenv("JAXCNN_PLAIN_OPS", "1")
    with switch.portable():
        assert not switch.uses_cpu_forms()


@pytest.mark.parametrize("compile_for_devices", [jax.jit, jax.pmap])
def test_a_compiled_function_is_traced_again_inside(compile_for_devices):
    forms = []

    @compile_for_devices
    def double(x):
        forms.append(switch.uses_cpu_forms())
        return 2 * x

    x = jnp.ones((1, 2))
    double(x)
    with ops.plain():
        double(x)
        double(x)
    double(x)
    assert forms == [True, False]


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_an_exported_convolution_holds_a_form_for_each_platform(monkeypatch, platform):
    kernel = np.ones((3, 3, 6, 5), np.float32)
    images = np.ones((4, 2, 2, 6), np.float32)
    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, 2, 2, 6), jnp.float32)
    on(monkeypatch, platform)
    with switch.portable():
        exported = export.export(
            jax.jit(lambda x: convolve(x, kernel, 1, "same")), platforms=("cpu", "cuda", "tpu")
        )(shape)
    program = exported.mlir_module()
    assert "stablehlo.case" in program
    assert "stablehlo.convolution" in program and "stablehlo.dot_general" in program
    np.testing.assert_allclose(exported.call(images), np.full((4, 2, 2, 5), 24), atol=1e-5)
