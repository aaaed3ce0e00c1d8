"""A trained network: its scores, predictions, probes and export."""
