"""Pure functions: DataFrames and values in, DataFrames out. No session, path, clock or environment."""
