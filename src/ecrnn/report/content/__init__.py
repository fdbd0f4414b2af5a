"""What a report says: its tables, with their captions."""
