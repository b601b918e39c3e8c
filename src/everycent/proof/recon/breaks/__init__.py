"""Breaks across runs: found, looked at again, repaired, told, handled and closed."""
