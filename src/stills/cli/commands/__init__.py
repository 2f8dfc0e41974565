"""The commands of the CLI: parse, call, print."""
