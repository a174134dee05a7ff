"""`make bench`: what a scrape costs, beside Debian's exporters of host, PostgreSQL and processes in the same run."""
