"""Layers and networks on Flax NNX."""

from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.blocks import AuxHead, Branches, Residual, Sequential
from jaxcnn.nn.context import Context
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.flax_module import FlaxModule, Function
from jaxcnn.nn.layer import Layer, Scope
from jaxcnn.nn.layers import (
    Activation,
    AveragePool,
    Conv,
    Dense,
    DepthwiseConv,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    ZeroPad,
)

__all__ = [
    "Activation",
    "AuxHead",
    "AveragePool",
    "BatchNorm",
    "Branches",
    "Context",
    "Conv",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "FlaxModule",
    "Flatten",
    "Function",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "Residual",
    "Scope",
    "Sequential",
    "ZeroPad",
]
