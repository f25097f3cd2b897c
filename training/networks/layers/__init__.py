"""Layers that torch lacks, or that it exports as many nodes. Each is one visible layer of the served graph."""
