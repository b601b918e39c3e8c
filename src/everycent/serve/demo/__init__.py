"""The demo: a marketplace that never was, its files and its settlement model."""
