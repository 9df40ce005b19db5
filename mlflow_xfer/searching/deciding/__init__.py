"""What the trials say: estimates, the choice, its confirmation on fresh seeds."""
