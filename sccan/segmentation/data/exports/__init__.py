"""Label maps written in the formats of other tools, so that reading them back gives the same pixels."""
