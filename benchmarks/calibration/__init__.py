"""Can a verdict be believed? Simulated and real runs with a known answer, judged by the engine that users get."""
