"""Reading files, the only place in intake with file I/O: one module per format, all giving the same shards."""
