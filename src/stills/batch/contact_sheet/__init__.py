"""The page that shows the images of a batch."""
