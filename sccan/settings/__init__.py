"""Every setting with its default, range and meaning; how files and overrides merge; run files of published code."""
