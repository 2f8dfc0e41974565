"""The page of a board: a contact sheet on which takes are reviewed."""
