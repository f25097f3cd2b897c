"""What the service does when it is overloaded, when something fails, and over time: a scenario a file.

    python -m benchmarks.reliability [SCENARIO ...] [--write]
    python -m benchmarks.reliability.soak --minutes 60

Each scenario starts a real service, does something to it, and holds what it saw beside a promise of
docs/reliability.md.
"""
