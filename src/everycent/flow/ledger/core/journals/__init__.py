"""The ledger as plain text that other accounting programs read, one file a format."""
