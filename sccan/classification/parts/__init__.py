"""What classification methods are made of."""
