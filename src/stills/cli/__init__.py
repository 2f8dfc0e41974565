"""The command line door: parse, call app, render."""
