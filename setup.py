"""The packages: those of `jaxcnn/`, and the recipes of `configs/` as `jaxcnn.configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["jaxcnn*"]), "jaxcnn.configs"],
    package_dir={"jaxcnn.configs": "configs"},
)
