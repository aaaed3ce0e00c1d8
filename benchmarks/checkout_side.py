"""Process of the side `jaxcnn_at=PATH`: serves another checkout's `benchmarks/jaxcnn_side.py`.

`sides.py` starts it. Every module comes from the other checkout, whose layout may differ: it needs
`sides.serve`, `sides.Job` and `recipes.load_config` there.
"""

import sys
from multiprocessing.connection import Connection
from pathlib import Path


def main(descriptor: str, checkout: str, network: str, task: str, size: str) -> None:
    """Serve the checkout's jaxcnn.

    Args:
      descriptor: number of the open file that leads to the parent.
      checkout: folder of the other checkout.
      network, task, size: of the job.
    """
    # in place of the folder of this script
    sys.path[:1] = [str(Path(checkout, "benchmarks")), checkout]
    import recipes
    import sides

    config = recipes.load_config(network, task)
    sides.serve(Connection(int(descriptor)), "jaxcnn", sides.Job(network, task, config, int(size)))


if __name__ == "__main__":
    main(*sys.argv[1:])
