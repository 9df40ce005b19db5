"""What the verbs do: a function for each, which takes the parameters that the verb declares."""
