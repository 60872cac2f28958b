"""What outlives the process: the run folder, finished trials, the tables for people and the activation cache."""
