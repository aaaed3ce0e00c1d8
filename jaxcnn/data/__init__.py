"""Datasets as arrays, their order, and augmentation on the device."""
