"""Queries of the configuration, as the throwaway processes for DuckDB and SQLite make them."""
