"""`make bench`: what a scrape costs, beside Debian's exporters of the host, PostgreSQL and processes in the same run."""
