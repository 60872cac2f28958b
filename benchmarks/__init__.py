"""Runs against peers, a naive loop and lower bounds; everything is printed as a ratio."""
