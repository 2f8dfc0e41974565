"""What the other packages exchange: requests, results, errors, models, ports."""
