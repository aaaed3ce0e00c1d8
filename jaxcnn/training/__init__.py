"""The training core: state, step, loop, checkpoints."""
