"""What the director decides about a batch: picks, rejects, comments, further takes."""
