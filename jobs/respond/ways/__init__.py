"""The ways to contain, and what is known of each kind of change: how it stands, how it is made and unmade."""
