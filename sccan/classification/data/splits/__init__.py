"""The pictures of a split, and which classes a split has."""
