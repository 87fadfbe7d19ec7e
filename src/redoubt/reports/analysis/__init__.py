"""What trained networks look like inside: functions of models and images that return plain data."""
