"""Where in the picture the evidence for a class lies."""
