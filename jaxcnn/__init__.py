"""jaxcnn: train, compare and reproduce convolutional networks on JAX and Flax."""

import signal
import sys

# Ctrl-C ends a command without a traceback also before `cli.run` answers it: `python -m` is looking
# for the command now, and imports what it needs next
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
