"""The command line: one module a command. A command parses, calls one plain function, and writes."""
