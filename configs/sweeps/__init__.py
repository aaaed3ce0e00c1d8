"""Sweeps by name: `jaxcnn sweep --config=lenet5:base_lr0p01 --sweep=lenet5_rates`."""
