"""Comparison of several runs: tables, pictures, and a page with both."""
