"""A network as plain data: rows of layers, counts of parameters and operations."""

import dataclasses

from jaxcnn.nn.layer import Row, Shape
from jaxcnn.nn.network import Network


@dataclasses.dataclass(frozen=True)
class Summary:
    """A network's layers in order, and its totals.

    `parameters` include BatchNorm's running averages, which are not trainable. `flops` are the
    operations of convolutions and dense layers in the forward pass of one image. A multiply-add
    counts as two.
    """

    name: str
    num_classes: int
    image_shape: Shape
    rows: list[Row]
    parameters: int
    trainable_parameters: int
    non_trainable_parameters: int
    flops: int


def summary(network: Network) -> Summary:
    """Return the rows and totals of a network; it may be built with `abstract=True`."""
    rows, _ = network.rows(("images",))
    parameters, trainable = network._sizes()  # those of a module that two layers share once
    return Summary(
        name=network.name,
        num_classes=network.num_classes,
        image_shape=network.image_shape,
        rows=rows,
        parameters=parameters,
        trainable_parameters=trainable,
        non_trainable_parameters=parameters - trainable,
        flops=sum(r.flops for r in rows),
    )
