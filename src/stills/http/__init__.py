"""The HTTP door: OpenAI's image routes, the contract, the catalog and the images themselves."""
