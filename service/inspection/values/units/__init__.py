"""The arithmetic of single values, one module for each kind of layer; float64, and nothing of the runtime."""
