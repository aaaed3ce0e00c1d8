"""Preparing a dataset: from a publisher's files, or a folder of images, to arrays on disk."""
