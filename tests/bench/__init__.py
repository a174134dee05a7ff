"""`make bench`: what a scrape costs, beside Debian's prometheus-node-exporter in the same run."""
