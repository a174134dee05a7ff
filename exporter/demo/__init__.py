"""`runbook-exporter demo`: an application's stand-in, watched from end to end, whose faults come by name."""
