"""The conventions of model families, as tiny models with random weights."""
