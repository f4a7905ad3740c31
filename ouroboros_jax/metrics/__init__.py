"""Pure functions that compare one generation's model with the truth, test data or generation 0."""
