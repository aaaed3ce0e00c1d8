"""The folder of a run: what training writes, and evaluation and reports read."""
