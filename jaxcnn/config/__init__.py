"""Configs: fields, checks, recipes and config files."""

from jaxcnn.config.defaults import default_config
from jaxcnn.config.files import choose, load_config
from jaxcnn.config.published import publish
from jaxcnn.config.recipes import modern_config, published_config

__all__ = [
    "choose",
    "default_config",
    "load_config",
    "modern_config",
    "publish",
    "published_config",
]
