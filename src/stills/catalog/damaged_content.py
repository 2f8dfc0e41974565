"""Content of a catalog that can be read, but makes no sense."""


class DamagedContent(Exception):
    """A row, or the database, holds what no Stills has written."""
