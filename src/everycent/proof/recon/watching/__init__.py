"""Checking while things happen: events taken in, keys checked when due, questions answered at once."""
