"""The networks of `networks.py` in Keras."""

import functools

import keras
import networks
from networks import AUXILIARY_WEIGHT, Auxiliary, Bottleneck, Inception, Layer, Part

L = keras.layers
KINDS = {
    "bn": functools.partial(L.BatchNormalization, epsilon=1e-3, momentum=0.99),
    "relu": L.ReLU,
    "elu": L.ELU,
    "dropout": L.Dropout,
    "flatten": L.Flatten,
}


def make_layer(layer: Layer, l2_kinds: tuple[str, ...]) -> keras.Layer:
    """Return a Keras layer; kernels of the kinds in `l2_kinds` get L2 regularization."""
    options = {}
    if layer.kind in ("conv", "dense"):
        options["activation"] = layer.activation or None
        if layer.kind in l2_kinds:
            options["kernel_regularizer"] = keras.regularizers.L2(networks.L2_WEIGHT)
    padding = "same" if layer.is_same else "valid"
    match layer.kind:
        case "conv":
            strides = layer.stride or 1
            return L.Conv2D(*layer.numbers, strides=strides, padding=padding, **options)
        case "dense":
            return L.Dense(*layer.numbers, **options)
        case "max" | "avg":
            pool = L.MaxPooling2D if layer.kind == "max" else L.AveragePooling2D
            return pool(*layer.numbers, strides=layer.stride or None, padding=padding)
        case "pad":
            return L.ZeroPadding2D((tuple(layer.numbers),) * 2)
        case kind:
            return KINDS[kind](*layer.numbers)


def chain(x: keras.KerasTensor, text: str, l2_kinds: tuple[str, ...] = ()) -> keras.KerasTensor:
    """Apply the layers of a text to x in order; "" is the identity."""
    for layer in networks.parse(text) if text else ():
        x = make_layer(layer, l2_kinds)(x)
    return x


def apply(part: Part, x: keras.KerasTensor, l2_kinds: tuple[str, ...]) -> keras.KerasTensor:
    """Apply a part of a network, other than an auxiliary head, to x."""
    match part:
        case str():
            return chain(x, part, l2_kinds)
        case Inception():
            return L.Concatenate()([chain(x, text) for text in part.branches])
        case Bottleneck():
            return L.ReLU()(L.Add()([chain(x, part.main), chain(x, part.shortcut)]))


def network(name: str, x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the logits of a network.

    With several heads: the logarithm of their probabilities, mixed as in jaxcnn's "prob_mix".
    """
    l2_kinds, others = networks.L2.get(name, ()), []
    for part in networks.NETWORKS[name]:
        if isinstance(part, Auxiliary):
            others.append(chain(x, part.text))
        else:
            x = apply(part, x, l2_kinds)
    if not others:
        return x
    mixed = L.Softmax()(x) + AUXILIARY_WEIGHT * sum(L.Softmax()(logits) for logits in others)
    return keras.ops.log(mixed / (1 + AUXILIARY_WEIGHT * len(others)))
