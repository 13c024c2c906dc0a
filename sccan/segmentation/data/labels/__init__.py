"""Label images: masks out of them, their palette, their files."""
