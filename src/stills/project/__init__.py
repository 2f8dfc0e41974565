"""The project that a process works for: which folder it is, and the settings in its file."""
