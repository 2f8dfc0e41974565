"""One module per kind of document: our own shot lists, and those of other tools."""
