"""What layers hold for a sample of production's images, and whether that still is what training saw."""
