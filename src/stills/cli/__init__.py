"""The command line: parse options, call the app, print the result."""
