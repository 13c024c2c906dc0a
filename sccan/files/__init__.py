"""Files of users and of ours: what they are, how they are read, and how they are written."""
