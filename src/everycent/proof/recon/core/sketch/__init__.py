"""Which rows differ between two sides, found without joining them: see `sketch.Sketch`."""
