"""The work without HTTP: the service's own decoding and preparation, and the network run directly."""
