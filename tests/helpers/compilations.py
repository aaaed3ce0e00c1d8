"""The programs that JAX compiles during a test."""

import contextlib

import jax


@contextlib.contextmanager
def compilations():
    """Yield a list that grows by one entry with each program compiled meanwhile."""
    events = []

    def listener(name, *_, **__):
        if "backend_compile" in name:
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
