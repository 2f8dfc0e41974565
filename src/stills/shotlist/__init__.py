"""Shot lists: a file in, shots out. It knows only the contract."""
