"""Event loops that end quietly: Orbax closes one while reads are going on where one read failed,
and TensorStore then prints a traceback for each of the others."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any


class _QuietLoop(asyncio.SelectorEventLoop):
    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle | None:
        """As ever; nothing once the loop is closed, when nobody waits for the read any more."""
        return None if self.is_closed() else super().call_soon_threadsafe(*args, **kwargs)

    def close(self) -> None:
        """Cancels what is still going on, and closes."""
        unfinished = [] if self.is_closed() else asyncio.all_tasks(self)
        for task in unfinished:
            task.cancel()
        if unfinished:
            self.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
        super().close()


class _QuietLoops(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop of the kind above."""
        return _QuietLoop()


@contextlib.contextmanager
def quiet_loops() -> Iterator[None]:
    """Makes each new event loop of the process a quiet one meanwhile."""
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(_QuietLoops())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)
