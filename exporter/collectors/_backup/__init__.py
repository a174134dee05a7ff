"""What verifies and restores backups; all of it runs in throwaway processes."""
