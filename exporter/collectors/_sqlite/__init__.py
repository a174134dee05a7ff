"""SQLite files as a throwaway process looks at them; nothing here may be heavy to import, or run in the exporter."""
