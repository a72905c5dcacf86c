"""What people type to find instances and events, as conditions that each database answers from an index."""
