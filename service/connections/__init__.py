"""Connections: what one client may send and how long it may keep us waiting; how the service leaves. Knows HTTP's
framing and uvicorn, and nothing of what is asked.
"""
