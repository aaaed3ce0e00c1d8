"""Layers and networks on Flax NNX."""
