"""Known formats of bills, statements and settlement reports: one module per format, each an entry point."""
