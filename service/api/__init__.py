"""The HTTP edge, one module per resource; the only code that knows FastAPI."""
