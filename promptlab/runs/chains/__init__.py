"""Chains at work: the operations of steps, and the waves in which many chains ask a model together."""
