"""Work that a thread does beside a block, such as reports on a long wait."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work(is_over)` in a thread during the block, and wait for its end.

    Args:
      work: must return soon after the end of the block, which sets the event `is_over`.
    """
    is_over = threading.Event()
    thread = threading.Thread(target=work, args=(is_over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
