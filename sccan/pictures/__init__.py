"""Pictures of users: what they are, how they are decoded, which way up, how deep, and what masks mean."""
