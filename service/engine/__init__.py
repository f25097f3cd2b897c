"""Model files to answers: the contract, the repository, the registry, the scheduler. Knows no HTTP."""
