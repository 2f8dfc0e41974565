"""The page that shows a batch's images."""
