"""Configs: their fields, the check, recipes and files."""
