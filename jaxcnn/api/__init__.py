"""The library's calls: train a config, and load the trained network of a run."""

from jaxcnn.api.result import Result
from jaxcnn.api.run import train
from jaxcnn.api.trained import load

__all__ = ["Result", "load", "train"]
