"""`make bench`: what a scrape costs, beside the exporters that this one replaces, in the same run."""
