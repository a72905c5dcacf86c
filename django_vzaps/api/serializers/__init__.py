"""The shapes of what the API takes and answers. They are promises: names and meanings stay."""
