"""Meters in pure Python, for training and tests. They share no codec with the driver."""
