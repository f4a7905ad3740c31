"""What a run's metrics say: its summary beside the laws, and paired differences."""
