"""The cost of data parallelism on paper: bytes per step and the expected efficiency.

    python benchmarks/scaling.py [--batch=128] [--json=FILE] [PATTERN]

Nothing is measured. A device's step computes 3 times the forward FLOPs of its images at the assumed
share of the peak. Then a ring all-reduce adds up the gradients: each device sends and receives
2 (n - 1) / n times their bytes. BatchNorm over the global batch adds two small collectives per
layer, one after the other; they cost latency rather than bandwidth. Nothing overlaps.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jaxcnn import models


@dataclasses.dataclass(frozen=True)
class Machine:
    """Devices and their interconnect.

    Attributes:
      name: name for the table.
      devices: number of devices that share the batch.
      flops: operations per second of a device: 30 % of its bfloat16 peak.
      bandwidth: bytes per second that a device sends, and receives, in an all-reduce.
      latency: seconds of a collective of a few bytes.
    """

    name: str
    devices: int
    flops: float
    bandwidth: float
    latency: float


MACHINES = (
    Machine("8 × H100, NVLink", 8, 0.3 * 989e12, 360e9, 15e-6),  # of 450 GB/s per direction
    Machine("64 × TPU v5e, 8×8", 64, 0.3 * 197e12, 90e9, 30e-6),  # of 4 links of 45 GB/s, half
    Machine("8 hosts, H100, 100 Gb/s", 8, 0.3 * 989e12, 10e9, 60e-6),  # of 12.5 GB/s
)


@dataclasses.dataclass(frozen=True)
class Traffic:
    """The communication of a network's training step.

    Attributes:
      network: name of the network.
      flops: operations of one image's forward pass.
      gradients: number of values, one per trainable parameter.
      statistics: number of BatchNorm's values, two per channel, and as many for their gradient.
      num_batch_norms: number of BatchNorm layers.
    """

    network: str
    flops: int
    gradients: int
    statistics: int
    num_batch_norms: int

    def gradient_bytes(self, width: int = 4) -> int:
        """Return the bytes of the gradients, given the bytes of a value."""
        return width * self.gradients

    def seconds(self, machine: Machine, width: int = 4) -> float:
        """Return the seconds of a step's communication; statistics are float32."""
        ring = 2 * (machine.devices - 1) / machine.devices
        gathered = (machine.devices - 1) * 4 * self.statistics
        sent = ring * (self.gradient_bytes(width) + 4 * self.statistics) + gathered
        num_collectives = 2 + 2 * self.num_batch_norms  # gradients, and the sums of loss and count
        return sent / machine.bandwidth + num_collectives * machine.latency

    def efficiency(self, machine: Machine, batch: int, width: int = 4) -> float:
        """Return the share of a step that a device computes, given its batch."""
        computing = 3 * self.flops * batch / machine.flops
        return computing / (computing + self.seconds(machine, width))

    def batch_for(self, machine: Machine, efficiency: float = 0.9, width: int = 4) -> float:
        """Return the smallest batch per device that reaches an efficiency."""
        share = efficiency / (1 - efficiency)
        return share * self.seconds(machine, width) * machine.flops / (3 * self.flops)


def traffic_of(name: str) -> Traffic:
    """Return the traffic of a registered network, for its published image size."""
    entry = models.network_entry(name)
    network = models.build(
        name, num_classes=entry.num_classes, image_shape=entry.image_shape, abstract=True
    )
    summary = models.summary(network)
    return Traffic(
        network=name,
        flops=summary.flops,
        gradients=summary.trainable_parameters,
        statistics=summary.non_trainable_parameters,
        num_batch_norms=sum(row.parameters > row.trainable for row in summary.rows),
    )


def to_row(traffic: Traffic, batch: int) -> dict:
    """Return a row of the table, for JSON."""
    return {
        "network": traffic.network,
        "gradient_bytes": traffic.gradient_bytes(),
        "gradient_bytes_bfloat16": traffic.gradient_bytes(2),
        "batch_norm_bytes": 2 * 4 * traffic.statistics,
        "batch_norm_collectives": 2 * traffic.num_batch_norms,
        "machines": {
            machine.name: {
                "efficiency": traffic.efficiency(machine, batch),
                "efficiency_bfloat16": traffic.efficiency(machine, batch, 2),
                "batch_for_90_percent": traffic.batch_for(machine),
            }
            for machine in MACHINES
        },
    }


def render(rows: list[dict], batch: int) -> Table:
    """Return the table of all networks.

    Its columns are megabytes per step, the efficiency with float32 and with bfloat16 gradients, and
    the batch per device that reaches 90 % with float32.
    """
    table = Table("network", "MB", "bf16", "BN kB", "BN calls", *(m.name for m in MACHINES))
    table.title = f"{batch} images a device: efficiency, with bf16 gradients, batch for 90 %"
    for row in rows:
        cells = [
            f"{each['efficiency']:.0%}, {each['efficiency_bfloat16']:.0%}, "
            f"{each['batch_for_90_percent']:,.0f}"
            for each in row["machines"].values()
        ]
        megabytes = (row["gradient_bytes"] / 1e6, row["gradient_bytes_bfloat16"] / 1e6)
        table.add_row(
            row["network"],
            *(f"{each:.2f}" for each in megabytes),
            f"{row['batch_norm_bytes'] / 1e3:.1f}",
            str(row["batch_norm_collectives"]),
            *cells,
        )
    return table


def main() -> None:
    """Print the table; with `--json` write it, too."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "pattern", nargs="?", default="*", help="the networks to list, such as 'mnist_*'"
    )
    parser.add_argument("--batch", type=int, default=128, help="images a device")
    parser.add_argument("--json", type=Path, help="a file for the rows")
    options = parser.parse_args()
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json={options.json}: there is no such folder")
    names = models.network_names(options.pattern)
    rows = [to_row(traffic_of(name), options.batch) for name in names]
    Console(width=140).print(render(rows, options.batch))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
