"""One training run, from a plan to the files that it publishes: begun, kept, stopped, gone on with, shown."""
