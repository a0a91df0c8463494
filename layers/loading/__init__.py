"""Between a file and a table: rows cleaned, recognised, joined, spread and staged."""
