"""Both sides met in memory, where much differs: `joining.join`."""
