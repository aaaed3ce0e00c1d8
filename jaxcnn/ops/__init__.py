"""Arithmetic of the layers."""

from jaxcnn.ops.switch import plain

__all__ = ["plain"]
