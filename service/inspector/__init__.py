"""Questions about the inside of networks, answered in a process of their own. Knows no HTTP and no question."""
