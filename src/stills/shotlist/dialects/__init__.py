"""One module for each kind of document: our own shot lists and those of other tools."""
