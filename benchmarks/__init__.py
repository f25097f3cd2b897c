"""Measures the service beside its peers: every system its own processes, ratios within one run, never pass or fail."""
