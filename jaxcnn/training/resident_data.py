"""The data of a run that lie whole on every device."""

import jax

from jaxcnn.data import feed
from jaxcnn.data.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.training.device_defaults import room_for_data
from jaxcnn.training.plan import Plan


def put_splits(dataset: Dataset, plan: Plan) -> dict[str, dict[str, jax.Array]]:
    """Return the arrays of the splits that the plan reads, whole on every device.

    Raises:
      UserError: they do not fit.
    """
    splits = {view.split: dataset.splits[view.split] for view in plan.views.values()}
    needed = sum(split.images.nbytes for split in splits.values())
    room = room_for_data(plan.mesh)
    if needed > room:
        raise UserError(
            f"{dataset.name} has {needed >> 20:,} MiB of images in memory, but a device has room "
            f"for {room >> 20:,} MiB: take fewer, or images from np.load(FILE, mmap_mode='r')"
        )
    return {name: feed.put_split(split, plan.mesh) for name, split in sorted(splits.items())}
