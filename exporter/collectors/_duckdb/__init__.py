"""Opening DuckDB databases that somebody else uses: what the collectors `duckdb` and `sql` share."""
