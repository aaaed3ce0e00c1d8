"""Output for the user: the terminal, pictures, a run's report, comparisons of runs."""
