"""The words everything else is written in: requests, results, errors, models, ports."""
