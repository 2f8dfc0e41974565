"""The HTTP API: OpenAI's image routes, the contract, stored images and their PNG files."""
