"""Everything about a trained network in numbers: predictions, metrics, probes and export."""
