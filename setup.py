"""The packages: those of `jaxcnn/`, and `configs/` as `jaxcnn.configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["jaxcnn*"]), "jaxcnn.configs", "jaxcnn.configs.sweeps"],
    package_dir={"jaxcnn.configs": "configs"},
)
