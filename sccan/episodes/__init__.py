"""Which pictures an episode is made of: plans, manifests and batches, for both tasks."""
