"""Output on the terminal: a run's progress, and tables."""
