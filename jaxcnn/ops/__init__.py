"""Arithmetic of the layers."""
