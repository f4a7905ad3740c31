"""What the host does between device calls: generation after generation, shown and stored."""
