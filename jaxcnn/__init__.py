"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import signal
import sys

# Ctrl-C during the imports of `python -m jaxcnn.COMMAND` ends the process without a traceback.
# `jaxcnn.process.command.run` installs the handler that a running command has, but the imports
# before it take seconds. While `python -m` looks for the module, sys.argv[0] is "-m", so an
# `import jaxcnn` in a script or a notebook changes no handler, nor does one that somebody set.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
