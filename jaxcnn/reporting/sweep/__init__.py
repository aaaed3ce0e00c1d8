"""The result of a sweep: the best recipe, a page, and pictures."""
