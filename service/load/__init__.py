"""Asks a running service as its clients would and says how it answers: `python -m service load`.

Knows the service from outside only, over HTTP; nothing here is imported by what answers.
"""
