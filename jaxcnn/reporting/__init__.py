"""What a run writes and shows: metrics, console, plots, reports."""
