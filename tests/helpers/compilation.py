"""XLA's options for tests: it compiles their small programs in half the time.

It optimizes little, so a test says nothing of speed. `test_the_quickstart` runs with the options of
a user. Later versions of jaxlib lack the first option, and end the process at an unknown one.
"""

from importlib.metadata import version

OPTIONS = {}
if version("jaxlib").startswith("0.10."):
    OPTIONS = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}
FLAGS = "".join(f" --{name}={str(value).lower()}" for name, value in OPTIONS.items())
