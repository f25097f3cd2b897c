"""The command line, one module a command. Each adds its parser and knows what to print; nothing else prints."""
