"""The gallery of stored images, as HTML pages that need no other file and no network."""
