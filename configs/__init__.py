"""The recipes: `--config=NAME` or `--config=NAME:VARIANT`, and `jaxcnn.load_config`."""
