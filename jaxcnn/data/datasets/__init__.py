"""The datasets: their registry, and a builder for each."""
