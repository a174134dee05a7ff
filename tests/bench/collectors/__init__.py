"""Collectors that only the benchmark knows; each file is one kind, as in exporter/collectors."""
