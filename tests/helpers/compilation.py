"""XLA without its fusion emitters, which compiles small programs in half the time.

Later versions of jaxlib have no such option, and end the process at an unknown one.
"""

from importlib.metadata import version

_KNOWS_IT = version("jaxlib").startswith("0.10.")
FLAGS = " --xla_cpu_use_fusion_emitters=false" if _KNOWS_IT else ""
OPTIONS = {"xla_cpu_use_fusion_emitters": False} if _KNOWS_IT else {}
