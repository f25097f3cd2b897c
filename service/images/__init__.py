"""Bytes to pixels to network input, and arrays to pictures. Knows no model and no HTTP."""
