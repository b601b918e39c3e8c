"""Downloads of a statement, for its party: CSV, XLSX and PDF."""
