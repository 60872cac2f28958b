"""One script per peer, each run by the Python of an environment of its own."""
