"""A network with BatchNorm and Dropout that compiles in a few seconds."""

from jaxcnn.models.registry import Entry
from jaxcnn.nn.batch_norm import BatchNorm
from jaxcnn.nn.dropout import Dropout
from jaxcnn.nn.layers import Activation, Conv, Dense, Flatten, MaxPool


def layers(num_classes):
    return [
        Conv(4, 3),
        BatchNorm(),
        Activation("relu"),
        MaxPool(4),
        Flatten(),
        Dense(8, activation="relu"),
        BatchNorm(),
        Dropout(0.1),
        Dense(num_classes, name="logits"),
    ]


ENTRY = Entry(layers, options={}, image_shape=(16, 16, 1), num_classes=4)
